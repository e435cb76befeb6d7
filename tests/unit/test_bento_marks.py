"""A compose file that Compose cannot show with its variables open: what may be secret comes open all the same."""

from __future__ import annotations

from fleet.plan.bento.marks import ENV_FILE, marks, opened

SAID = "=POSTGRES_PASSWORD ${POSTGRES_PASSWORD:-password}\n=KEY ${KEY}\n=TOKEN \nservices:\n"


def test_marks_are_read_before_what_compose_said() -> None:
    """Each with how the file writes it; one that is only named is written in no way."""
    written = {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:-password}", "KEY": "${KEY}", "TOKEN": ""}
    assert marks(SAID) == (written, "services:\n")
    assert marks('{"a": 1}') == ({}, '{"a": 1}')


def test_what_a_service_only_names_stays_named() -> None:
    """And `env_file`, hidden from Compose, has its own name again: its values are nowhere."""
    written, _ = marks(SAID)
    environment = {"TOKEN": "ab12-TOKEN-", "KEY": "ab12-KEY-", "OTHER": "ab12-TOKEN-"}
    assert opened({"environment": environment, ENV_FILE: [".env"]}, "ab12", written) == {
        "environment": {"TOKEN": None, "KEY": "${KEY}", "OTHER": "${TOKEN}"},
        "env_file": [".env"],
    }


def test_env_files_of_what_a_service_extends_come_before_its_own() -> None:
    """Compose, from which its own were hidden, tells of the others by their name."""
    theirs = {"path": "/opt/common/agent.env", "required": True}
    assert opened({"env_file": [theirs], ENV_FILE: "own.env"}, "ab12", {}) == {"env_file": [theirs, "own.env"]}


def test_marked_variables_are_open_again_wherever_they_are() -> None:
    """Beside other text, several of them, in any part; nothing else is touched."""
    written, _ = marks(SAID)
    tree = {"url": "postgres://w:ab12-POSTGRES_PASSWORD-@p/ab12-KEY-", "deep": [{"n": 3, "t": "ab12"}], "none": None}
    assert opened(tree, "ab12", written) == {
        "url": "postgres://w:${POSTGRES_PASSWORD:-password}@p/${KEY}",
        "deep": [{"n": 3, "t": "ab12"}],
        "none": None,
    }
