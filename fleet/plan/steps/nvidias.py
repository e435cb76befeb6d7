"""The NVIDIA driver answers, is new enough, and its cards are set as they should be.

A host is never restarted unless the step says that it may be. Undo: every card's settings are put back, and a driver
that was installed is removed; what runs on the card is not asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, Undo
from fleet.model.stacksteps import NvidiaStep, Reboot
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import tame
from fleet.plan.steps import packages
from fleet.plan.steps.fragments import AT_LEAST, SBIN, count, given

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_CLOCKS = re.compile(r"[0-9]{2,5},[0-9]{2,5}")
_CARD = re.compile(r"card ([0-9]{1,3}), ([0-9.]+), (\w+), ([0-9.]+|\[.*\]), ([0-9]+|\[.*\]), ([0-9]+|\[.*\])")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")

# Four versions can differ: the wanted one, the program's, the loaded module's, and the module's on disk.
_QUESTION = """\
wrong=
driver=absent
if command -v nvidia-smi >/dev/null; then
    fields=index,driver_version,persistence_mode,power.limit,clocks.applications.memory,clocks.applications.graphics
    if cards=$(nvidia-smi --query-gpu="$fields" --format=csv,noheader,nounits 2>&1) && [ -n "$cards" ]; then
        driver=$(printf '%s\\n' "$cards" | awk -F', *' 'NR == 1 { print $2 }')
        at_least "$driver" "$minimum" || wrong=y
        printf '%s\\n' "$cards" | awk -F', *' -v mode="$persistence" -v watts="$watts" -v clocks="$clocks" '
            (mode != "" && $3 != mode) || (watts != "" && $4 + 0 != watts + 0) { wrong = 1 }
            clocks != "" && $5 "," $6 != clocks { wrong = 1 }
            END { exit wrong }' || wrong=y
    else driver=silent; wrong=y
    fi
else wrong=y
fi
[ -z "$wrong" ] && exit 0
echo "driver $driver"
case $driver in
absent) ;;
silent) printf '%s\\n' "$cards" | head -n 3 | cut -c 1-200 | sed 's/^/said /' ;;
*) printf '%s\\n' "$cards" | head -n 64 | cut -c 1-200 | sed 's/^/card /' ;;
esac
echo "seen $(cat /sys/bus/pci/devices/*/vendor 2>/dev/null | grep -c 0x10de)"
loaded='s/^NVRM version:.* \\([0-9][0-9]*\\.[0-9.]*\\) .*/\\1/p'
echo "loaded $(sed -n "$loaded" /proc/driver/nvidia/version 2>/dev/null)"
echo "disk $(modinfo -F version nvidia 2>/dev/null)"
if [ -n "$package" ] && command -v apt-get >/dev/null; then
    echo 'manager apt'
    if dpkg-query -W -f='${db:Status-Abbrev}' -- "$package" 2>/dev/null | grep -q '^.i'; then echo 'package there'; fi
    apt-get -s -q --no-install-recommends install -- "$package" 2>/dev/null |
        awk '$1 == "Inst" && $3 !~ /^\\[/ { print "brings", $2 }' | head -n 500
elif [ -n "$package" ] && command -v dnf >/dev/null; then
    echo 'manager dnf'
    if rpm -q -- "$package" >/dev/null 2>&1; then echo 'package there'; fi
fi
exit 1
"""
_CALL = "briefly nvidia-smi -i {index} {option} {value} || exit 1\n"
_AFTER = """\
# A module that was not loaded can be loaded at once; an old one stays until the restart.
[ -e /proc/driver/nvidia/version ] || modprobe nvidia >/dev/null 2>&1
"""
_REBOOT = """\
briefly shutdown -r +1 'fleet: the new NVIDIA driver' || exit 1
echo 'the host restarts in a minute: run this again afterwards'
exit 1
"""
_SETTLED = """\
if ! nvidia-smi >/dev/null 2>&1; then
    {otherwise}
fi
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """A card as it answered; what it cannot tell is in brackets."""

    index: str
    persistence: str
    watts: str
    clocks: str


def question(step: NvidiaStep) -> str:
    """Says the driver's version, `absent` or `silent`, and each card's settings."""
    if not _VERSION.fullmatch(step.driver):
        raise ValueError(f"`{step.driver[:20]}` is no driver version: expected numbers such as 550 or 550.54")
    if step.application_clocks is not None and not _CLOCKS.fullmatch(step.application_clocks):
        raise ValueError(f"`{step.application_clocks[:20]}`: expected memory's and graphics' MHz, as in 2619,1980")
    if step.package is not None and not _PACKAGE.fullmatch(step.package):
        raise ValueError(f"`{step.package[:60]}` is no package")
    return _values(step) + AT_LEAST + _QUESTION


def change(step: NvidiaStep, answer: Answer) -> Change:
    """Install the driver, set the cards. ProvisionError where there is no card, or where a restart is needed."""
    found = _words(answer)
    driver = found.get("driver", "silent")
    if driver == "absent" and found.get("seen") == "0":
        raise ProvisionError("no NVIDIA card is seen on the bus", hint="is it seated, is it handed to this machine?")
    if driver in {"absent", "silent"} or not _at_least(driver, step.driver):
        return _driver(step, driver, found)
    said, script = [], _values(step)
    for card in _cards(answer):
        for option, value, name in _open(step, card):
            said.append(f"card {card.index}: {name}")
            script += _CALL.format(index=card.index, option=option, value=value)
    if not said:
        raise ProvisionError("the cards do not answer as they should", hint=tame(answer.text, 200) or None)
    return Change(summary="; ".join(said), script=script)


def undo(step: NvidiaStep, answer: Answer) -> Undo:
    """Put each card's settings back; remove a driver that was not there."""
    found = _words(answer)
    if found.get("driver") in {"absent", "silent", None}:
        if step.package is None or found.get("package") == "there" or "manager" not in found:
            return Undo(script=None, reason="no driver was installed")
        brings = tuple(line[7:] for line in answer.text.splitlines() if re.fullmatch(r"brings [A-Za-z0-9+._:-]+", line))
        script = packages.remove(found["manager"], (step.package,), (step.package, *brings), "purge", came=True)
        return Undo(script=script, keep=packages.KEEP)
    script = ""
    for card in _cards(answer):
        for option, _, _ in _open(step, card):
            value = {"-pm": "1" if card.persistence == "Enabled" else "0", "-pl": card.watts, "-ac": card.clocks}[
                option
            ]
            script += _CALL.format(index=card.index, option=option, value=value)
    return Undo(script=script) if script else Undo(script=None, reason="a newer driver is not replaced by the old one")


def _driver(step: NvidiaStep, driver: str, found: dict[str, str]) -> Change:
    what = {
        "absent": f"there is no NVIDIA driver, though {count(int(found.get('seen', '0') or 0), 'card')} can be seen",
        "silent": f"the NVIDIA driver does not answer: {tame(found.get('said', ''), 200)}",
    }.get(driver, f"NVIDIA driver {driver} is older than {step.driver}")
    disk = found.get("disk", "")
    waits = bool(disk) and disk != found.get("loaded") and _at_least(disk, step.driver)
    if waits and step.reboot is Reboot.ALLOWED:
        return Change(summary=f"restart the host for NVIDIA driver {disk}", script=_REBOOT)
    if waits:
        hint = "restart it when it suits, or write `reboot: allowed`"
        raise ProvisionError(f"reboot needed: NVIDIA driver {disk} is installed and not loaded", hint=hint)
    if step.package is None or "manager" not in found:
        raise ProvisionError(what, hint="install it on the host, or name its `package` in the step")
    if found.get("package") == "there" and driver == "silent":
        raise ProvisionError(what, hint=f"{step.package} is installed: see dmesg on the host")
    otherwise = _REBOOT if step.reboot is Reboot.ALLOWED else "echo 'reboot needed'; exit 1"
    script = f"{{\n{packages.install(found['manager'], (step.package,))}}} || exit 1\n"
    return Change(
        summary=f"install {step.package}",
        script=script + _AFTER + _SETTLED.format(otherwise=otherwise.strip().replace("\n", "\n    ")),
    )


def _open(step: NvidiaStep, card: _Card) -> list[tuple[str, str, str]]:
    """nvidia-smi's option, its value, and what people call it, for each setting that differs."""
    wanted = []
    if step.persistence is not None and (card.persistence == "Enabled") is not step.persistence:
        wanted.append(("-pm", str(int(step.persistence)), f"persistence mode {'on' if step.persistence else 'off'}"))
    if step.power_limit is not None and _number(card.watts) != step.power_limit:
        wanted.append(("-pl", str(step.power_limit), f"{step.power_limit} W instead of {_plain(card.watts)}"))
    if step.application_clocks is not None and card.clocks != step.application_clocks:
        said = f"clocks {step.application_clocks} MHz instead of {_plain(card.clocks)}"
        wanted.append(("-ac", step.application_clocks, said))
    for option, _, name in wanted:
        if "[" in {"-pm": card.persistence, "-pl": card.watts, "-ac": card.clocks}[option]:
            raise ProvisionError(
                f"card {card.index} does not know this setting: {name}", hint="leave it out for this host"
            )
    return wanted


def _cards(answer: Answer) -> list[_Card]:
    found = [match for line in answer.text.splitlines() if (match := _CARD.fullmatch(line))]
    return [
        _Card(index=one[1], persistence=one[3], watts=one[4], clocks=f"{one[5]},{one[6]}".replace(" ", ""))
        for one in found
    ]


def _words(answer: Answer) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in answer.text.splitlines():
        word, _, value = line.partition(" ")
        found.setdefault(word, value)
    return found


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None


def _plain(text: str) -> str:
    number = _number(text)
    return text if number is None else f"{number:g}"


def _at_least(found: str, wanted: str) -> bool:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in re.findall(r"[0-9]+", version)[:4]]

    return numbers(found) >= numbers(wanted)


def _values(step: NvidiaStep) -> str:
    mode = {None: "", True: "Enabled", False: "Disabled"}[step.persistence]
    return SBIN + given(
        {
            "minimum": step.driver,
            "persistence": mode,
            "watts": "" if step.power_limit is None else str(step.power_limit),
            "clocks": step.application_clocks or "",
            "package": step.package or "",
        }
    )
