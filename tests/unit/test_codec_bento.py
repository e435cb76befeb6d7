"""The inventory's `bento` block."""

from __future__ import annotations

import itertools
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.codec import dump, forms, load, parse_inventory
from fleet.errors import ConfigurationError
from fleet.model.bento import BentoSettings, Stack
from fleet.model.inventory import Inventory

AFTER = (forms.__doc__ or "").split("Paths are the head's:")[1].split("code-block:: yaml\n\n")[1].splitlines()
BLOCK = textwrap.dedent("\n".join(itertools.takewhile(lambda line: not line or line.startswith(" "), AFTER)))
"""The block that the format's description shows."""
HOSTS = "fleet: prod\nhosts:\n  box: {devices: [{kind: cuda}]}\n"


def refusal(block: str) -> str:
    """The one line that is said about an inventory with this block."""
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(HOSTS + block, "prod.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_the_example_of_the_format() -> None:
    """The block in the format's description is read as it says, and reads back from a stored run."""
    inventory = parse_inventory(HOSTS + BLOCK, "prod.yaml")
    assert inventory.bento == BentoSettings(
        compose="/opt/boundless/compose.yml",
        env_file="/opt/boundless/.env.broker",
        project="boundless",
        stack=Stack.LEGACY,
        database="postgresql://worker@127.0.0.1:5432/taskdb",
        api="http://127.0.0.1:8081",
        elf="/opt/guest.elf",
        stdin="/opt/input.bin",
        cli=("/usr/local/bin/bento_cli",),
    )
    assert load(Inventory, dump(inventory)) == inventory


def test_only_the_compose_file_has_to_be_named() -> None:
    """Everything else is found out on the head."""
    inventory = parse_inventory(f"{HOSTS}bento: {{compose: /opt/compose.yml}}\n", "prod.yaml")
    assert inventory.bento == BentoSettings(compose="/opt/compose.yml")
    assert parse_inventory(HOSTS, "prod.yaml").bento is None


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("bento: {env_file: /opt/.env}", "prod.yaml:4: bento.compose: is missing"),
        ("bento: {compose: compose.yml}", "prod.yaml:4: bento.compose: expected a path on the head, from its root: /…"),
        ("bento: {compose: /c, composer: x}", "bento.composer: unknown field; did you mean `compose`?"),
        ("bento: {compose: /c, stack: redis}", "bento.stack: expected one of legacy, current"),
        ("bento:\n  compose: /c\n  elf: /e", "prod.yaml:6: bento.elf: a program and its input go together"),
        ("bento:\n  compose: /c\n  stdin: /e", "bento.stdin: a program and its input go together: give `elf`"),
        ("bento: {compose: /c, project: Boundless}", "bento.project: expected a Compose project of a–z, 0–9"),
        ("bento: {compose: /c, database: 'mysql://h/d'}", "bento.database: expected postgresql://worker@"),
        ("bento: {compose: /c, database: 'postgresql://h:99/'}", "bento.database: expected postgresql://worker@"),
        ("bento: {compose: /c, stack: current, database: 'postgresql://h/d'}", "the current stack has no PostgreSQL"),
        ("bento: {compose: /c, api: 'http://h:8081/v1'}", "bento.api: expected http://127.0.0.1:8081"),
        ("bento: {compose: /c, cli: \"bento_cli 'x\"}", "bento.cli: expected a program and its arguments"),
    ],
)  # fmt: skip
def test_mistakes(block: str, said: str) -> None:
    """Each is one line: file, line, field, and what was expected."""
    assert said in refusal(block)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=9, max_size=24))
def test_a_password_is_refused_and_not_shown(password: str) -> None:
    """Whatever signs it is made of."""
    quoted = f"postgresql://worker:{password}@h/taskdb".replace("'", "''")
    said = refusal(f"bento: {{compose: /c, database: '{quoted}'}}")
    assert "a password does not belong into an inventory" in said
    assert password not in said
