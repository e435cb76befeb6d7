"""Says all figures again at the very end, where the end of a long output is all that is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """No figures yet."""
    config.stash[_FIGURES] = []


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say a figure now, and at the end."""

    def said(line: str) -> None:
        print(f"\n{line}", end="", flush=True)
        request.config.stash[_FIGURES].append(line)

    return said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """All figures, whatever failed."""
    terminalreporter.section("figures")
    for line in config.stash[_FIGURES]:
        terminalreporter.write_line(line)
