"""What is loaded to read an inventory and a playbook: little, as hosts wait meanwhile."""

from __future__ import annotations

import subprocess
import sys
import typing
from pathlib import Path

import pytest

from fleet.codec import tags
from fleet.model.event import Event
from fleet.model.playbook import Step
from fleet.model.samples import Sample
from fleet.model.wire import Spooled, ToController, ToDriver, ToHand, ToNode

LAB = Path(__file__).parents[2] / "inventory" / "lab.yaml"
IDLE = ("fleet.model.event", "fleet.model.wire", "fleet.model.verdict", "jinja2", "pydantic.json_schema", "rich")


# The short way to a class's tag is right for every class: no union but `Step` has members in the modules it is for.
@pytest.mark.parametrize("union", [Event, Sample, Spooled, ToController, ToDriver, ToHand, ToNode])
def test_no_other_union_has_members_among_the_steps(union: object) -> None:
    homes = {member.__module__ for member in typing.get_args(union)}

    assert not homes & tags.STEPS
    assert not any(home.startswith(tags.FORMS) for home in homes)


def test_every_member_of_a_union_has_its_tag() -> None:
    for union in (Step, Event, Sample, Spooled, ToController, ToDriver, ToHand, ToNode):
        for member in typing.get_args(union):
            assert tags.tag_of(member) == tags.snake_case(member.__name__)


# Reading the files, filling plain names and the modules that talk to hosts load nothing that only a benchmark needs.
def test_provisioning_loads_nothing_of_measuring() -> None:
    program = (
        "import sys\n"
        "from fleet.codec import load_inventory, load_playbook\n"
        "from fleet.plan.steps.rendering import Way, render\n"
        "import fleet.provision.apply, fleet.transport.ssh, fleet.ui.plain, fleet.ui.showing, fleet.ui.stepsheet\n"
        f"load_inventory({str(LAB)!r})\n"
        "render('{{ host.name }}', Way.TEXT, {'host.name': 'box'})\n"
        f"print(*(name for name in {IDLE!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == []
