"""The inventory's `command` block: what it becomes, what is refused, how a run is written out and its figure read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_values import run_log

from fleet.analyse.foretell.simulate import simulate
from fleet.cli.premises import planning
from fleet.codec import dump, load, load_inventory, parse_inventory
from fleet.errors import ConfigurationError
from fleet.model.command import CYCLES_PER_UNIT, Metric, Telling, idiom_of
from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import Observation, Outcome
from fleet.model.simulation import Change
from fleet.model.trial import AgentSpec, Experiment, Layout, Load, Trial
from fleet.model.wire import Execute
from fleet.plan.trials.command import argv_of, filled, placeholders, read_figure, values_of
from fleet.report.structured.computed import simulation_json
from fleet.units import format_hertz, format_iterations, format_setting, format_turn, speak
from fleet.workload.runrecords import RunSeen, jobs_of_rates, jobs_of_runs, not_at_once

Said = TypeVar("Said")
HEAD = "fleet: f\nhosts: {box: {devices: [{kind: cpu}]}}\ncommand:\n"
GOOD = "  run: [bench, --batch, '{batch}']\n  unit: samples/s\n  knobs: {batch: {values: [1, 2, 4], now: 2}}\n"
SHIPPED = Path(__file__).parents[2] / "inventory"


def settings(text: str) -> Inventory:
    return parse_inventory(HEAD + text, "f.yaml")


def test_a_command_says_its_settings_and_what_is_in_service() -> None:
    """Knobs are turned together: a layout's po2 is the position of their values, the load's iterations are its runs."""
    inventory = settings(GOOD + "  metric: {json: a.b, tells: work}\n  items: 7\n")
    assert inventory.command is not None
    assert (inventory.po2_range, inventory.current.po2, inventory.workload.iterations) == ((0, 2), 1, 7)
    assert inventory.command.unit == "samples"
    assert inventory.command.metric == Metric(tells=Telling.WORK, keys=("a", "b"))
    assert inventory.command.setting_names() == ("batch 1", "batch 2", "batch 4")
    assert load(Inventory, dump(inventory)) == inventory


def test_a_command_without_knobs_has_one_setting() -> None:
    """Nothing about it is assumed: the one setting is the one in service."""
    inventory = settings("  run: openssl speed -seconds 1 sha256\n  unit: MB\n")
    assert inventory.command is not None
    assert inventory.command.words == ("openssl", "speed", "-seconds", "1", "sha256")
    assert (inventory.po2_range, inventory.current.po2) == ((0, 0), 0)
    assert inventory.command.setting_names() == ("as given",)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("  unit: s\n", 3, "run"),
        ("  run: bench\n", 3, "unit"),
        (GOOD.replace("samples/s", "9/s"), 5, "what work is counted in"),
        (GOOD.replace("'{batch}'", "'{bacth}'"), 4, "there is no `bacth` for {bacth}; did you mean `batch`"),
        (GOOD.replace("'{batch}'", "'{batch'"), 4, "`{{` and `}}` are the braces themselves"),
        (GOOD.replace("'{batch}'", "'{batch.__class__}'"), 4, "expected a name in braces"),
        (GOOD.replace("'{batch}'", "'{batch!r}'"), 4, "expected a name in braces"),
        (GOOD.replace("'{batch}'", "'8'"), 6, "is turned in vain: nothing has {batch} in it"),
        (GOOD.replace("now: 2", "now: 3"), 6, "is not among its values: 1, 2, 4"),
        (GOOD.replace("[1, 2, 4]", "[1, 2, 2]"), 6, "different ones"),
        (GOOD.replace("batch: {", "device: {").replace("{batch}", "{device}"), 6, "other than host, device"),
        (GOOD + "  metric: {regex: 'fps: [0-9]+'}\n", 7, "expected a group around the figure"),
        (GOOD + "  metric: {regex: '([0-9]+'}\n", 7, "not a regular expression"),
        (GOOD + "  metric: {regex: '[[a]([0-9]+)'}\n", 7, "not a regular expression: Possible nested set"),
        (GOOD + f"  metric: {{regex: '({'a' * 301})'}}\n", 7, "at most 300 characters"),
        (GOOD + "  metric: {regex: '(1)', json: a}\n", 7, "one of the two"),
        (GOOD + "  metric: {json: a..b}\n", 7, "expected keys with dots between them"),
        (GOOD + "  metric: {json: a, tells: speed}\n", 7, "expected one of rate, work"),
        (GOOD + "  metric: {json: a}\n  work: 3\n", 8, "where no `metric` tells it"),
        (GOOD + "  shell: true\n", 4, "expected one text for the shell"),
        (GOOD + "  env: {'A B': 1}\n", 7, "the name of an environment variable"),
        (GOOD + "  env: {A: '{nobody}'}\n", 7, "there is no `nobody`"),
        (GOOD + "  timeout: 0s\n", 7, "more than zero"),
        (GOOD + "  items: 0\n", 7, "a number of runs"),
        (GOOD + "workload: {iterations: 3}\n", 7, "does not go with `command`"),
        (GOOD + "po2_range: [14, 15]\n", 7, "its settings are the values of its `knobs`"),
        (GOOD + "current: {po2: 20}\n", 7, "a knob says its value in service as `now`"),
        (GOOD + "bento: {compose: /a}\n", 7, "one of the two is measured"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(text: str, line: int, said: str) -> None:
    """File, line, field and what was expected, for every mistake in the block."""
    with pytest.raises(ConfigurationError) as caught:
        settings(text)
    message = str(caught.value)
    assert message.startswith(f"f.yaml:{line}: ")
    assert said in message
    assert len(message.splitlines()) == 1


def test_knobs_that_are_turned_together_must_agree() -> None:
    """As many values for each, and the values in service at one position."""
    two = "  run: [bench, '{a}', '{b}']\n  unit: x\n  knobs:\n    a: {values: [1, 2], now: 1}\n    b: "
    assert settings(two + "[3, 4]\n").current.po2 == 0
    with pytest.raises(ConfigurationError, match="as many values for each of them"):
        settings(two + "[3, 4, 5]\n")
    with pytest.raises(ConfigurationError, match="another place in a than in b"):
        settings(two + "{values: [3, 4], now: 4}\n")


def test_emulated_devices_run_no_command() -> None:
    """A command runs on what is there."""
    text = (SHIPPED / "lab-tune.yaml").read_text().replace("po2: 18, ", "").replace("po2_range: [18, 22]\n", "")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("workload:"))
    with pytest.raises(ConfigurationError, match="emulated devices run fleet's own guest only"):
        parse_inventory(f"{text}\ncommand: {{run: bench, unit: x}}\n", "f.yaml")


def test_the_shipped_command_loads() -> None:
    """Its program is one word with braces of its own in it."""
    command = load_inventory(str(SHIPPED / "cpu-lab.yaml")).command
    assert command is not None
    order = Execute(run="1", agent=AgentSpec(host="box", device="cpu0"), position=1, item=0, agents=1)
    script = argv_of(command, values_of(command, order, 0))[-1]
    assert "bytes(256)" in script
    assert 'print(f"{done / spent / 1e6:.3f} MB/s")' in script


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_only_names_are_ever_replaced(before: str, value: str, after: str) -> None:
    """Everything around a name comes out as it was written, and a value with braces in it is looked at no further."""
    text = f"{escaped(before)}{{a}}{escaped(after)}"
    assert placeholders(text) == ("a",)
    assert filled(text, {"a": value}) == before + value + after


def test_under_a_shell_values_are_quoted() -> None:
    """A value is one word for the shell, whatever is in it."""
    inventory = settings("  run: 'bench {v}'\n  shell: true\n  unit: x\n  knobs: {v: ['1; rm x']}\n")
    assert inventory.command is not None
    assert argv_of(inventory.command, {"v": "1; rm x"}) == ("/bin/sh", "-c", "bench '1; rm x'")


def regex(pattern: str) -> Metric:
    return Metric(tells=Telling.RATE, pattern=pattern)


def keys(*names: str) -> Metric:
    return Metric(tells=Telling.RATE, keys=names)


@pytest.mark.parametrize(
    ("metric", "printed", "value"),
    [
        (regex(r"([0-9.]+) fps"), "1.5 fps\n2.5 fps\n", 2.5),
        (regex(r"^rate=(\S+)$"), "rate=1e3\nother\n", 1000.0),
        (regex(r"total: ([0-9.,]+)"), "total: 12,345.6", 12345.6),
        (keys("a", "b"), '{"a": {"b": 3}}', 3.0),
        (keys("a", "1"), '{"a": [1, 7]}', 7.0),
        (keys("r"), 'log line\n{"r": 1}\n{"r": 2.5}\nbye\n', 2.5),
        (keys("r"), '{\n "r": "4.5"\n}\n', 4.5),
    ],
)
def test_the_last_figure_is_read(metric: Metric, printed: str, value: float) -> None:
    """The final figure of a log, or a key of the last JSON object."""
    assert read_figure(metric, printed) == value


@pytest.mark.parametrize(
    ("metric", "printed", "said"),
    [
        (regex("(x)"), "bye\x1b[2J\n", "it ended with `bye?[2J`"),
        (regex("(x)"), "", "it ended with nothing"),
        (regex("([a-z]+)"), "abc", "expected a figure above zero, found `abc`"),
        (regex("(.*)"), "0", "above zero"),
        (regex("(.+)"), "nan", "above zero"),
        (regex("(.+)"), "inf", "above zero"),
        (regex("(.+)"), "1,5", "above zero"),
        (keys("a"), "no json", "it printed no JSON object"),
        (keys("a", "b"), '{"a": {}}', "has no `a.b`"),
        (keys("a"), '{"a": true}', "found `true`"),
        (keys("a"), '{"a": {"b": 1}}', "above zero"),
        (keys("a"), "[" * 5000, "it printed no JSON object"),
    ],
)
def test_what_is_no_figure_is_said_and_tamed(metric: Metric, printed: str, said: str) -> None:
    """One short line without control characters, whatever a program prints."""
    with pytest.raises(ValueError, match=r".") as caught:
        read_figure(metric, printed)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


AGENTS = tuple(AgentSpec(host=host, device="gpu0") for host in ("box", "far"))
TRIAL = Trial(
    experiment=Experiment.BASELINE,
    layout=Layout(agents=AGENTS, po2=0),
    load=Load(iterations=2, jobs=2),
    repeat=0,
    seed=1,
)


def seen(agent: int, item: int, begin: float, end: float, value: float | None = None) -> RunSeen:
    return RunSeen(
        agent=AGENTS[agent], item=item, started=100 + begin, updated=100 + end, seconds=end - begin - 0.1, value=value
    )


def test_runs_that_are_shared_out_are_the_tasks_of_jobs() -> None:
    """Jobs submitted together, as many units as their runs are worth, over the time from the first to the last."""
    runs = [seen(0, 1, 0, 2), seen(1, 0, 0, 3), seen(0, 2, 2, 4), seen(1, 3, 3, 5)]
    jobs = jobs_of_runs(TRIAL, runs, 100.0, 2.5)
    assert [[task.id for task in job.tasks] for job in jobs] == [["0", "1"], ["2", "3"]]
    assert effective_hz(jobs) / CYCLES_PER_UNIT == pytest.approx(4 * 2.5 / 5)
    assert all(task.away == pytest.approx(0.1) for job in jobs for task in job.tasks)
    told = jobs_of_runs(TRIAL, [seen(0, 0, 0, 1, 3.0), seen(1, 1, 0, 1, 5.0)], 100.0, 2.5)
    assert told[0].total_cycles == 8 * CYCLES_PER_UNIT


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=2), st.floats(0.2, 100))
def test_rates_that_agents_tell_add_up(rates: list[float], seconds: float) -> None:
    """The fleet's rate is their sum; each agent's share of the pieces is its share of that, as far as pieces tell."""
    jobs = jobs_of_rates(TRIAL, [seen(0, 0, 0, seconds, rates[0]), seen(1, 0, 0, seconds, rates[1])])
    exact = sum(rates) * (seconds - 0.1) * CYCLES_PER_UNIT
    assert effective_hz(jobs) / CYCLES_PER_UNIT == pytest.approx(sum(rates), rel=1 / max(1.0, exact))
    counts = [sum(task.host == agent.host for task in jobs[0].tasks) for agent in AGENTS]
    assert min(counts) == 32
    if max(counts) < 512:
        assert math.isclose(counts[0] / counts[1], rates[0] / rates[1], rel_tol=1 / 60)


def test_rates_told_while_others_rest_are_no_fleets_rate() -> None:
    """Agents that were done early are named, and so is the cure."""
    assert not_at_once([seen(0, 0, 0, 4), seen(1, 0, 0, 5)]) is None
    said = not_at_once([seen(0, 0, 0, 2), seen(1, 0, 0, 5)])
    assert said is not None
    assert "box/gpu0#0 was done after 1.9 s" in said
    assert "tells: work" in said


def in_its_words(work: Callable[[], Said], inventory: Inventory) -> Said:
    """What is said when the fleet's idiom is spoken; nothing outside hears of it."""

    def say() -> Said:
        speak(idiom_of(inventory.command))
        return work()

    return copy_context().run(say)


def test_figures_are_said_in_the_operators_words() -> None:
    """A kHz of the records is a unit a second, with four digits at any size; a setting has its knobs' values."""
    inventory = settings(GOOD + "current: {agents_per_gpu: 1}\n")

    def say() -> list[str]:
        rates = [format_hertz(value) for value in (0.5, 431.4e3, 12.345e3, 12.3e6, 5e9)]
        return [*rates, format_setting(2), format_turn(0, 1), format_iterations(1), TRIAL.layout.label]

    assert in_its_words(say, inventory) == [
        "0.00050 samples/s",
        "431.4 samples/s",
        "12.35 samples/s",
        "12,300 samples/s",
        "5,000,000 samples/s",
        "batch 4",
        "batch 1 → batch 2",
        "1 run",
        "box×1 + far×1, 1 agent each, batch 1",
    ]
    assert (format_hertz(431.4e3), format_setting(2)) == ("431.4 kHz", "po2 2")


def told(position: int, repeat: int, *rates: float) -> Observation:
    """A trial in which agents of `box`, then of `far`, told these rates."""
    layout = Layout(agents=AGENTS[: len(rates)], po2=position)
    one = replace(TRIAL, layout=layout, load=Load(iterations=1), repeat=repeat)
    jobs = jobs_of_rates(one, [seen(number, 0, 0, 5, rate) for number, rate in enumerate(rates)])
    return Observation(trial=one, outcome=Outcome.OK, started=0.0, elapsed=5.0, emulated=False, jobs=jobs)


def test_what_ifs_of_a_command_are_in_its_unit_and_of_measured_settings() -> None:
    """Rates of independent agents add up in a replay; what was not measured is not inferred; a job of one part has no
    bound when that part takes no time, and every writing of it says so without a figure."""
    text = GOOD.replace("{batch: {values: [1, 2, 4], now: 2}}", "{batch: {values: [1, 2, 4], now: 1}}")
    hosts = "hosts:\n  box: {role: head, devices: [{kind: cuda}]}\n  far: {devices: [{kind: cuda}], candidate: true}\n"
    inventory = parse_inventory(f"fleet: f\n{hosts}command:\n{text}  metric: {{json: r}}\n", "f.yaml")
    plan = replace(run_log().plan, current=replace(TRIAL.layout, agents=AGENTS[:1]), load=Load(iterations=1))
    trials = (told(0, 0, 100.0), told(0, 1, 101.0), told(0, 2, 100.0, 100.0), told(1, 3, 150.0))
    log = replace(run_log(), inventory=inventory, plan=replace(plan, hosts=("box", "far")), observations=trials)

    found = simulate(log, Change(remotes=1), planning(), search=True)
    assert found.asked is not None
    assert found.asked.hz.value / CYCLES_PER_UNIT == pytest.approx(201, rel=0.05)
    assert {one.prediction.layout.po2 for one in found.ranking} <= {0, 1}
    assert math.isinf(found.curve[0].gains[-1])
    assert json.loads(simulation_json(found))["speedups"]["gains"]["prove"][-1] is None
    with pytest.raises(ConfigurationError, match=r"batch 4 was not measured in this run"):
        in_its_words(lambda: simulate(log, Change(po2=2), planning(), search=False), inventory)
