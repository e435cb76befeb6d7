"""A directory holds what an archive holds, unpacked beside it and put in its place as a whole.

A directory that something else has filled is never replaced. An archive of the controller's lies on the host only while
it is unpacked: `sent_as` says where `fleet.provision.sending` has brought it.

Undo: the directory is gone again, or is as it was (kept by hard links where the disk allows).
"""

from __future__ import annotations

import re

from fleet.errors import ProvisionError
from fleet.model.hoststeps import ArchiveStep
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path
from fleet.plan.steps.fragments import given

_UNPACK = {
    (".tar.gz", ".tgz"): ('tar -xzf "$archive" -C "$part"', 'tar -tzf "$archive"'),
    (".tar.xz", ".txz"): ('tar -xJf "$archive" -C "$part"', 'tar -tJf "$archive"'),
    (".tar",): ('tar -xf "$archive" -C "$part"', 'tar -tf "$archive"'),
    (".zip",): ('unzip -q "$archive" -d "$part"', 'unzip -Z1 "$archive"'),
}
"""How a kind of archive, by the end of its name, is unpacked and listed."""

_SUM = """\
sum=$(sha256sum <"$archive" 2>/dev/null) || sum=$(shasum -a 256 <"$archive" 2>/dev/null)
sum=${sum%% *}
"""
# Nothing may land outside of the directory, and unpacking is not to find that out.
_QUESTION = """\
mark=$target/.fleet-archive
[ "$(cat -- "$mark" 2>/dev/null)" = "$sha256" ] && exit 0
{look}if [ -e "$mark" ]; then echo other
elif [ ! -e "$target" ]; then echo absent
elif [ ! -d "$target" ]; then echo 'not a directory'
elif [ -n "$(ls -A -- "$target")" ]; then echo foreign
else echo empty
fi
exit 1
"""
_LOOK = """\
if [ ! -f "$archive" ]; then echo 'no archive'; exit 1; fi
{sum}
if [ "$sum" != "$sha256" ]; then echo "sum $sum"; exit 1; fi
"""
_OVER = """rm -f -- "$archive"; rmdir -- "${archive%/*}" 2>/dev/null"""
_CHANGE = """\
if [ ! -f "$archive" ]; then echo "$archive is not there: bring it to the host by an earlier step"; exit 1; fi
{sum}
if [ "$sum" != "$sha256" ]; then echo 'the archive has changed meanwhile'; exit 1; fi
if {list} | awk '/^\\// || /(^|\\/)\\.\\.(\\/|$)/ {{ bad = 1 }} END {{ exit !bad }}'; then
    echo 'the archive has names that lead out of the directory'; exit 1
fi
part=$target.part.$$
old=$target.old.$$
trap 'rm -rf -- "$part" "$old"{over}' EXIT
if [ -e "$target" ] && [ ! -e "$target/.fleet-archive" ] && [ -n "$(ls -A -- "$target")" ]; then
    echo "$target holds what fleet has not put there: move it out of the way"; exit 1
fi
mkdir -p -- "$part" || exit 1
briefly {unpack} || exit 1
printf '%s\\n' "$sha256" >"$part/.fleet-archive" || exit 1
if [ -e "$target" ]; then mv -- "$target" "$old" || exit 1; fi
if ! mv -- "$part" "$target"; then
    [ ! -e "$old" ] || mv -- "$old" "$target"
    exit 1
fi
"""
_KEEP = """\
if [ -e "$target" ]; then
    cp -al -- "$target" "$kept/old" 2>/dev/null || { rm -rf -- "$kept/old"; cp -a -- "$target" "$kept/old"; } || exit 1
fi
"""
_BACK = """\
part=$target.part.$$
trap 'rm -rf -- "$part"' EXIT
if [ -e "$kept/old" ]; then
    cp -al -- "$kept/old" "$part" 2>/dev/null || { rm -rf -- "$part"; cp -a -- "$kept/old" "$part"; } || exit 1
fi
rm -rf -- "$target" || exit 1
[ ! -e "$part" ] || mv -- "$part" "$target"
"""


def question(step: ArchiveStep) -> str:
    """Says `no archive`, `sum OTHER`, or what is there instead: `absent`, `empty`, `other`, `foreign`."""
    if step.archive is None and step.source is None:
        raise ValueError("expected either `archive`, a file on the host, or `source`, one of the controller")
    path(_file(step))
    path(step.path)
    _tools(step)
    if step.sha256 is None and step.archive is not None:
        raise ValueError(
            "`sha256` is missing: an archive that lies on the host is unpacked only if it is the right one"
        )
    if step.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", step.sha256):
        raise ValueError(f"`{step.sha256[:70]}` is no SHA-256: expected 64 hexadecimal digits")
    return _values(step) + _QUESTION.format(look="" if step.source else _LOOK.format(sum=_SUM))


def change(step: ArchiveStep, answer: Answer) -> Change:
    """Unpack it. ProvisionError where the archive is another, or the directory is somebody else's."""
    found = answer.text.strip()
    match found.partition(" ")[0]:
        case "sum":
            raise ProvisionError(f"{step.archive} is another one", hint=f"its SHA-256 is {found[4:68]}")
        case "not":
            raise ProvisionError(f"{step.path} exists and is no directory", hint="move it out of the way")
        case "foreign":
            raise ProvisionError(f"{step.path} holds what fleet has not put there", hint="move it out of the way")
    unpack, listing = _tools(step)
    instead = " in place of another version" if found == "other" else ""
    over, start = (f"; {_OVER}", f"trap '{_OVER}' EXIT\n") if step.source else ("", "")
    return Change(
        summary=f"{'send and ' if step.source else ''}unpack {_file(step)} to {step.path}{instead}",
        script=_values(step) + start + _CHANGE.format(sum=_SUM, list=listing, unpack=unpack, over=over),
    )


def undo(step: ArchiveStep, answer: Answer) -> Undo:
    """Remove the directory, or put back the one that was there."""
    was = answer.text.strip()
    if was not in {"absent", "empty", "other", "no archive"}:
        return Undo(script=None, reason="nothing could be changed")
    return Undo(script=_values(step) + _BACK, keep=_values(step) + _KEEP)


def sent_as(step: ArchiveStep, work_dir: str) -> str:
    """Where an archive of the controller's lies on a host of that work folder, between being sent and unpacked."""
    return f"{work_dir}/sent/{step.sha256}{_ending(step)}"


def _file(step: ArchiveStep) -> str:
    """The archive as the playbook names it."""
    return step.source or step.archive or ""


def _ending(step: ArchiveStep) -> str:
    endings = [ending for kind in _UNPACK for ending in kind]
    if found := next((ending for ending in endings if _file(step).endswith(ending)), None):
        return found
    raise ValueError(f"`{_file(step)[-60:]}` is no archive: its name ends in none of {', '.join(endings)}")


def _tools(step: ArchiveStep) -> tuple[str, str]:
    ending = _ending(step)
    return next(tools for endings, tools in _UNPACK.items() if ending in endings)


def _values(step: ArchiveStep) -> str:
    return f"archive={path(step.archive or _file(step))}\ntarget={path(step.path.rstrip('/') or '/')}\n" + given(
        {"sha256": step.sha256 or ""}
    )
