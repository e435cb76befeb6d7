"""Host keys and check-ups on a screen: what an operator compares, and what is to be cured."""

from __future__ import annotations

import pytest

from fleet.model.checkup import Check, Checkup, Diagnosis, Light
from fleet.model.facts import Failure
from fleet.model.trust import HostKey, Introduction
from fleet.report.lines import Line, Style
from fleet.ui.checkups import diagnosis_lines
from fleet.ui.keytable import key_lines

NEW = HostKey(kind="ssh-ed25519", blob=b"new")
OLD = HostKey(kind="ssh-rsa", blob=b"old")


def shown(host: str, *pinned: HostKey) -> Introduction:
    return Introduction(host=host, known_as=f"[{host}]:2222", file="pins", offered=NEW, pinned=pinned)


def text(lines: tuple[Line, ...]) -> str:
    return "\n".join(found.text for found in lines)


def styles_of(lines: tuple[Line, ...], word: str) -> set[Style]:
    return {span.style for found in lines for span in found.spans if word in span.text}


@pytest.mark.parametrize("width", [40, 80, 160])
def test_every_fingerprint_is_whole_at_any_width(width: int) -> None:
    """Half a fingerprint cannot be compared. A changed key stands beside the pinned one."""
    lines = key_lines([shown("box", NEW), shown("far"), shown("odd", OLD)], (), width)
    whole = text(lines).replace("\n", "").replace(" ", "")
    assert whole.count(NEW.fingerprint) == 3
    assert whole.count(OLD.fingerprint) == 1
    assert styles_of(lines, "CHANGED") == {Style.BAD}
    assert Style.GOOD in styles_of(lines, "known")
    assert Style.WARN in styles_of(lines, "new")
    assert max(found.width for found in lines) <= width


def test_a_host_that_shows_no_key_is_listed_with_the_cure() -> None:
    lines = key_lines((), [Failure(host="far", stage="trust", message="nothing \x1b[2Jlistens", hint="is it up?")], 80)
    assert "far shows no key: nothing listens  is it up?" in text(lines)


def test_a_checkup_shows_cures_below_what_is_not_green_and_counts() -> None:
    checks = (
        Check(name="disk", light=Light.GREEN, seen="9 GiB"),
        Check(name="clock", light=Light.AMBER, seen="+2 s", cure="run chrony"),
        Check(name="ports", light=Light.RED, seen="\x1b[31mclosed " + "x" * 300, cure="open them"),
    )
    found = Diagnosis(inventory="test", checkups=(Checkup(host="box", checks=checks),))
    lines = diagnosis_lines(found, 60)
    assert [line.strip() for line in text(lines).splitlines() if "→" in line] == ["→ run chrony", "→ open them"]
    assert text(lines).endswith("1 green, 1 amber, 1 red")
    assert text(lines).splitlines()[1] == "BOX ✗"
    assert styles_of(lines, "closed") == {Style.BAD}
    assert max(found.width for found in lines) <= 60


def test_a_host_without_checks_is_no_error() -> None:
    assert "0 red" in text(diagnosis_lines(Diagnosis(inventory="test", checkups=(Checkup(host="x", checks=()),)), 80))
