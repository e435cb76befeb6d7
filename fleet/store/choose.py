"""Which run an operator means by what he typed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from fleet.errors import NoRunError

_SHOWN = 3


def choose_run(wanted: str, ids: Sequence[str], tagged: Mapping[str, str] | None = None) -> str:
    """The id that is meant, of `ids` from the newest: itself, `latest`, a tag, or its beginning. NoRunError otherwise.

    `tagged`: the newest run of each tag.
    """
    tagged = tagged or {}
    if not ids:
        raise NoRunError("the store holds no run yet", hint="run `fleet bench INVENTORY` first")
    if wanted == "latest":
        return ids[0]
    if wanted in ids:
        return wanted
    if wanted in tagged:
        return tagged[wanted]
    matches = [id_ for id_ in ids if wanted and id_.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        more = ", …" if len(matches) > _SHOWN else ""
        shown = ", ".join(matches[:_SHOWN])
        raise NoRunError(f"`{wanted}` is the beginning of {len(matches)} runs: {shown}{more}", hint="type more of it")
    near = difflib.get_close_matches(wanted, [*ids, *tagged], n=1)
    hint = f"did you mean {near[0]}?" if near else f"the latest are {', '.join(ids[:_SHOWN])}; `fleet runs` lists all"
    raise NoRunError(f"there is no run `{wanted}`", hint=hint)
