"""What comes out of a command beside its answer and fleet's own errors, as one of these: all are shown alike."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet import __version__
from fleet.errors import CommandLineError, FleetError

if TYPE_CHECKING:
    from typer.exceptions import TyperException

_SAID: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), said)
    for pattern, said in (
        (r"No such command '(.*?)'\.\s*Did you mean (.+)\?", r"there is no command `\1`; did you mean \2?"),
        (r"No such command '(.*?)'\.", r"there is no command `\1`"),
        (r"No such option: (\S+) Did you mean (.+)\?", r"there is no such option; did you mean \2?"),
        (r"No such option: .*", "there is no such option"),
        (r"'?(.*?)'? is not a valid int(?:eger)?(?: range)?\.", r"expected a whole number, found `\1`"),
        (r"'?(.*?)'? is not a valid float(?: range)?\.", r"expected a number, found `\1`"),
        (r"'?(.*?)'? is not one of (.+)\.", r"expected one of \2; found `\1`"),
        (r"(\S+) is not in the range x>=([^<\s]+)\.", r"expected \2 or more, found `\1`"),
        (r"(\S+) is not in the range (\S+)<=x<=(\S+)\.", r"expected from \2 to \3, found `\1`"),
        (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", r"this is more than it takes: `\1`"),
        (r"Option '.*' requires an argument\.", "a value is missing behind it"),
        (r"Missing argument '(\S+?)'\..*", r"\1 is missing"),
        (r"Missing option '(\S+).*", r"\1 is missing"),
    )
)
"""How the reader of the command line says it, and how fleet does."""

_EXAMPLE = re.compile(r"Example: (.+)")

_CURES = {
    errno.ENOSPC: "free some space; what was stored before is intact: `fleet runs` shows it",
    errno.EDQUOT: "free some of your quota; what was stored before is intact: `fleet runs` shows it",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose a place where you may read and write, or ask for the right",
    errno.EPERM: "choose a place where you may read and write, or ask for the right",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
    errno.ENFILE: "this machine has too many files open: end what you do not need",
    errno.ENOMEM: "this machine has too little memory: end what you do not need",
}
"""What this machine refuses, which is no mistake of fleet's."""


def mistyped(error: TyperException) -> CommandLineError:
    """A command line that cannot be read: which part, what was expected, and one that works."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else " ".join(["fleet", *_command_typed()])
    return CommandLineError(
        _said(error),
        host=" ".join(filter(None, (command, _option(error)))),
        hint=f"{_example(context)}all of it: {command} --help",
    )


def _said(error: TyperException) -> str:
    """The reason alone; which option it is about stands elsewhere."""
    text = error.message or error.format_message()
    return next((found.expand(said) for pattern, said in _SAID if (found := pattern.fullmatch(text.strip()))), text)


def _option(error: TyperException) -> str:
    parameter: Any = getattr(error, "param", None)
    return str(getattr(error, "option_name", "") or (parameter.opts[0] if parameter and error.message else ""))


def _command_typed() -> list[str]:
    """The first words that were typed, as far as they may name a command."""
    return [word for word in sys.argv[1:2] if word.isalpha()]


def _example(context: Any) -> str:
    found = _EXAMPLE.search((context and context.command.help) or "")
    return f"such as: {found[1].strip()}\n" if found else ""


def mistake(error: Exception) -> FleetError:
    """What nobody foresaw: a refusal of this machine, or a mistake of fleet's whose trace goes to a file."""
    if isinstance(error, OSError) and error.errno in _CURES:
        where = str(error.filename) if error.filename else None
        return FleetError(f"this machine refused: {error.strerror}", host=where, hint=_CURES[error.errno])
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = next(iter(str(error).splitlines()), "")
    return FleetError(
        f"a mistake in fleet, not in what you typed: {type(error).__name__}: {text}{place}",
        hint=f"what was measured is kept: `fleet runs` shows it\n{_noted(error)}",
    )


def _noted(error: Exception) -> str:
    """Write the trace to a file of the user's; say where. Options are left out, as they may hold secrets."""
    told = (
        f"fleet {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: fleet {' '.join(sys.argv[1:2])}\n\n{''.join(traceback.format_exception(error))}"
    )
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    file = folder / "fleet" / f"mistake-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(told, encoding="utf-8")
    except OSError:
        return told
    return f"report it with {file}, in which every call up to it stands"
