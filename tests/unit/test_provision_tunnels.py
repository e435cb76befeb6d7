"""Tunnels whose peers are hosts: names are checked, keys are filled in, and a key that is not known stops one host."""

from __future__ import annotations

import pytest
from test_provision_apply import BOX, FAR

from fleet.errors import ConfigurationError, ProvisionError
from fleet.model.playbook import DirectoryStep, Playbook, ScriptStep
from fleet.model.stacksteps import WireguardStep
from fleet.plan.shell.program import Answer
from fleet.plan.steps import change, question
from fleet.plan.steps.wireguards import keyed, named
from fleet.provision.tunnels import checked, split

KEY = "mOHC4zKZ2jeAqGnLpwVTfDm3vYkS6oDn0XkvIYtq0WQ="
STEP = WireguardStep(name="t", interface="wg0", address="10.7.0.1/24", peers=("far 10.7.0.2/32", f"{KEY} 10.7.0.3/32"))


def test_a_name_is_what_is_no_key_and_is_replaced_by_its_own() -> None:
    assert named(STEP) == ("far",)
    assert keyed(STEP, {"far": KEY}).peers == (f"{KEY} 10.7.0.2/32", f"{KEY} 10.7.0.3/32")
    assert named(keyed(STEP, {"other": KEY})) == ("far",)


def test_a_host_whose_key_is_unknown_is_named_by_the_step_that_needs_it() -> None:
    asked = question(STEP)
    assert asked.startswith("echo 'nameless far'")
    with pytest.raises(ProvisionError, match="the public key of far is not known") as caught:
        change(STEP, Answer(status=1, text="nameless far\n"))
    assert "provision it together" in str(caught.value.hint)


def test_a_name_that_no_host_has_is_refused_before_any_host_is_touched() -> None:
    checked("p.yaml", [STEP], [BOX, FAR])
    with pytest.raises(ConfigurationError, match="`far` is neither a public key nor a host"):
        checked("p.yaml", [STEP], [BOX])


def test_what_comes_before_the_tunnel_is_done_before_the_keys_are_made() -> None:
    """A package step may bring the tools that make them."""
    tools, after = DirectoryStep(name="tools", path="a"), DirectoryStep(name="after", path="b")
    first, rest = split(Playbook(name="p", path="p.yaml", steps=(tools, STEP, after)))
    assert [step.name for step in first.steps] == ["tools", "t: a key"]
    assert isinstance(first.steps[1], ScriptStep)
    assert first.steps[1].sudo
    assert rest.steps == (STEP, after)
