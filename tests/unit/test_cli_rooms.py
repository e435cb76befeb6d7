"""Which module has a command: the table by which only that one is loaded."""

from __future__ import annotations

from importlib import import_module

import pytest
import typer  # noqa: TID251 (it says what a command is called)

from fleet.cli import ROOMS, whole


# What is typed for a module's commands is what typer calls them: no command is missing, none is looked for in vain.
@pytest.mark.parametrize("room", ROOMS)
def test_the_table_has_every_command_of_a_module(room: str) -> None:
    alone = typer.Typer()
    alone.callback()(lambda: None)
    alone.add_typer(import_module(f"fleet.cli.{room}").app)

    assert set(getattr(typer.main.get_command(alone), "commands", {})) == {*ROOMS[room]}


def test_the_help_has_every_command_once() -> None:
    words = [word for room in ROOMS.values() for word in room]

    assert sorted(getattr(typer.main.get_command(whole()), "commands", {})) == sorted(words)
    assert len(words) == len({*words})
