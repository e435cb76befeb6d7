"""An error as one panel: what went wrong, where, why, and what to do about it. Pure: what `screen` prints."""

from __future__ import annotations

import re

from fleet.errors import (
    CommandLineError,
    ConfigurationError,
    FleetError,
    HostError,
    HostKeyError,
    Interrupted,
    LoginError,
    MeasureError,
    NoRunError,
    ProvisionError,
    RegressionError,
    StoreError,
)
from fleet.report.lines import Line, Span, Style, clip, wrap

_LABEL = 14
_LONGEST = 2000

_TITLES: tuple[tuple[type[FleetError], str], ...] = (
    (CommandLineError, "The command line is wrong; nothing was touched"),
    (ConfigurationError, "The configuration is wrong; nothing was touched"),
    (HostKeyError, "A host is not the one it should be"),
    (LoginError, "A host refused the login"),
    (HostError, "A host could not be used"),
    (ProvisionError, "A host could not be prepared"),
    (MeasureError, "The measuring could not go on"),
    (NoRunError, "There is no such run"),
    (StoreError, "The store of runs could not be used"),
    (RegressionError, "Not as fast as was asked for"),
    (Interrupted, "Interrupted"),
)
"""The first class that fits says what went wrong."""

_CURES: tuple[tuple[type[FleetError], str], ...] = (
    (HostError, "`fleet doctor INVENTORY` looks at every host and says what is missing"),
    (ProvisionError, "`fleet doctor INVENTORY` looks at every host and says what is missing"),
    (MeasureError, "`fleet report --all` shows what became of every trial"),
)
"""What to do where the error itself does not say; the first class that fits."""

_OPTION = "An option is wrong; nothing was touched"
_ASKED = "That cannot be done; nothing was touched"
"""It is neither a file nor an option that is wrong, but what was asked for: one run to compare, say."""
_IN_FILE = "correct it there; `fleet help ten lines` shows an inventory, `fleet schema inventory` knows every field"
_IN_OPTION = "correct the option; the command's --help says what it takes"

_IN_STORE = "is it the right place? Another is chosen with --store FILE or --store postgresql://…"

_PLACES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?P<where>[^:\s][^:]*[./][^:]*:\d+(?:: [\w.\[\]-]+)?): (?P<why>.+)", re.DOTALL), _IN_FILE),
    (re.compile(r"(?P<where>[^:\s]+\.(?:ya?ml|ini|json|jsonl|toml|conf)): (?P<why>.+)", re.DOTALL), _IN_FILE),
    (re.compile(r"(?P<where>--[a-z][\w-]*(?: [^:\s]+)?): (?P<why>.+)", re.DOTALL), _IN_OPTION),
    (re.compile(r"(?P<where>the store [^\s]+|postgres(?:ql)?://[^\s]+): (?P<why>.+)", re.DOTALL), _IN_STORE),
)
"""How a message begins that names its place, `FILE:LINE: FIELD: …` or `--OPTION VALUE: …`; and the cure for it."""


def error_lines(error: FleetError, width: int) -> tuple[Line, ...]:
    """The panel, no line wider than `width`. A cure is always named, but for what needs none."""
    where, why, cure = placed(error)
    what = next((title for kind, title in _TITLES if isinstance(error, kind)), "fleet gave up")
    if type(error) is ConfigurationError and (not where or where.startswith("--")):
        what = _OPTION if where else _ASKED
    lines = [*wrap([Span(what, Style.BAD)], width, first="✗ ")]
    for label, text in (("where", where), ("why", why), ("what to do", cure)):
        style = Style.STRONG if label == "what to do" else Style.PLAIN
        for at, part in enumerate(text.splitlines()):
            lead = "  " + (label if at == 0 else "").ljust(_LABEL)
            lines += wrap([Span(clip(part, _LONGEST), style)], width, first=lead) if part.strip() else ()
    return tuple(lines)


def placed(error: FleetError) -> tuple[str, str, str]:
    """Where, why and what to do; a place at the beginning of the message is no part of the reason."""
    cure = error.hint or next((text for kind, text in _CURES if isinstance(error, kind)), "")
    if error.host is not None:
        return error.host, error.message, cure
    for pattern, usual in _PLACES:
        if found := pattern.fullmatch(error.message):
            return found["where"], found["why"], cure or usual
    return "", error.message, cure
