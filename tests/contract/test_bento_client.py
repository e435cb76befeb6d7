"""Where bento_cli is looked for on a head, by the real shell; the engine is a stand-in that tells what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_transport import LocalTransport
from planted_fleets import guide_box

from fleet.errors import CommandError, ConfigurationError
from fleet.model.bento import BentoSettings
from fleet.workload.bento.client import client_words

SETTINGS = BentoSettings(compose="/opt/bento/compose.yml")
API, HELPER = "a" * 64, "b" * 64
ENGINE = """\
#!/bin/sh
case "$*" in
"exec {has} test -x /app/bento_cli") ;;
inspect*{down}) echo 'restarting 4' ;;
inspect*) echo 'running 0' ;;
*) exit 1 ;;
esac
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs are looked for here first, and bento_cli is nowhere else."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def engine(home: Path, *, has: str = "none", down: str = "none") -> None:
    program = home / "docker"
    program.write_text(ENGINE.format(has=has, down=down))
    program.chmod(0o755)


def words() -> tuple[str, ...]:
    return client_words(LocalTransport(), guide_box().head, SETTINGS, [API, HELPER])


def test_it_is_run_in_the_container_that_has_it(home: Path) -> None:
    """Whether others stay up is another matter then."""
    engine(home, has=HELPER, down=API)
    assert words()[-5:] == ("docker", "exec", "-i", HELPER, "/app/bento_cli")


def test_a_container_that_does_not_stay_up_may_have_it(home: Path) -> None:
    """The trial fails for it; nothing is wrong with the inventory."""
    engine(home, down=HELPER)
    with pytest.raises(CommandError, match=r"b{12} does not stay up: it is restarting, started again 4 times"):
        words()


def test_where_all_are_up_it_is_nowhere(home: Path) -> None:
    engine(home)
    with pytest.raises(ConfigurationError, match="there is no bento_cli in the containers"):
        words()
