"""A compose file that Compose cannot show with its variables open: what may be secret comes open all the same."""

from __future__ import annotations

from fleet.plan.bento.marks import marks, opened

SAID = "=POSTGRES_PASSWORD ${POSTGRES_PASSWORD:-password}\n=KEY \nservices:\n"


def test_marks_are_read_before_what_compose_said() -> None:
    """A variable that the file writes in no braces is open without a default."""
    assert marks(SAID) == ({"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:-password}", "KEY": "${KEY}"}, "services:\n")
    assert marks('{"a": 1}') == ({}, '{"a": 1}')


def test_marked_variables_are_open_again_wherever_they_are() -> None:
    """Beside other text, several of them, in any part; nothing else is touched."""
    written, _ = marks(SAID)
    tree = {"url": "postgres://w:ab12-POSTGRES_PASSWORD-@p/ab12-KEY-", "deep": [{"n": 3, "t": "ab12"}], "none": None}
    assert opened(tree, "ab12", written) == {
        "url": "postgres://w:${POSTGRES_PASSWORD:-password}@p/${KEY}",
        "deep": [{"n": 3, "t": "ab12"}],
        "none": None,
    }
