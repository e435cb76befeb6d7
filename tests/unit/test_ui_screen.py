"""Reports, plans, tables and errors as they are printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import BOX, GUIDE
from ui_events import BROKEN, CHANGED, EVIL, FAILURE, PLAN, RIGHT, SURVEY

from fleet.errors import (
    CommandLineError,
    ConfigurationError,
    ConnectError,
    FleetError,
    HostKeyError,
    Interrupted,
    MeasureError,
    NoRunError,
    ProvisionError,
    StoreError,
)
from fleet.model.catalogue import Answer, RunEntry
from fleet.model.estimate import Estimate
from fleet.model.facts import Survey
from fleet.model.inventory import (
    Current,
    Device,
    DeviceKind,
    Host,
    Inventory,
    Login,
    Per,
    Ports,
    Price,
    Prices,
    Role,
    SyntheticSettings,
)
from fleet.model.record import RunSummary
from fleet.model.verdict import Choice
from fleet.report.lines import Line
from fleet.report.screens.terminal import brief
from fleet.report.screens.terminal import screen as report_screen
from fleet.ui import screen
from fleet.ui.troubles import error_lines, placed

CARD = Device(name="gpu0", kind=DeviceKind.EMULATED, model="16 GB card", memory=16 * 2**30)
BOX_HOST = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="10.0.0.1"),
    node_address="10.0.0.1",
    devices=(CARD, replace(CARD, name="gpu1")),
    ports=Ports(first=20000, last=20100),
    python="python3",
    work_dir="fleet",
    free_slots=0,
)
INVENTORY = Inventory(
    name="lab",
    path="lab.yaml",
    hosts=(
        BOX_HOST,
        replace(BOX_HOST, name="far", role=Role.WORKER, devices=(CARD,), candidate=True, free_slots=None),
        replace(BOX_HOST, name="far2", role=Role.WORKER, devices=(CARD,)),
    ),
    current=Current(po2=20),
    prices=Prices(worker=Price(amount=2600, per=Per.ONCE)),
    workload=SyntheticSettings(),
)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> io.TextIOWrapper:
    """A file in UTF-8; 100 cells wide by COLUMNS."""
    monkeypatch.setenv("COLUMNS", "100")
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def written(paper: io.TextIOWrapper) -> list[str]:
    paper.seek(0)
    return paper.read().splitlines()


@pytest.mark.parametrize(("whole", "lines"), [(False, brief), (True, report_screen)])
def test_a_report_on_paper_is_exactly_its_lines(
    paper: io.TextIOWrapper, lines: Callable[..., tuple[Line, ...]], *, whole: bool
) -> None:
    """No colour, no wrapping, nothing of rich's own."""
    screen.show_report(GUIDE, whole=whole, stream=paper)
    assert written(paper) == [found.text for found in lines(GUIDE, width=100)]


def test_a_report_for_an_ascii_stream_is_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    paper = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen.show_report(GUIDE, stream=paper)
    assert "  ADD A REMOTE WORKER" in written(paper)


def test_show_prints_lines(paper: io.TextIOWrapper) -> None:
    screen.show(report_screen(GUIDE, width=80)[:1], stream=paper)
    assert written(paper) == [report_screen(GUIDE, width=80)[0].text]
    assert screen.width_of(paper) == 100


def test_an_error_says_what_where_why_and_what_to_do(paper: io.TextIOWrapper) -> None:
    error = HostKeyError(
        "the host key has changed\nexpected SHA256:abc\nfound SHA256:def", host="far", hint="ssh-keygen -R far"
    )
    screen.show_error(error, stream=paper)
    assert written(paper) == [
        "✗ A host is not the one it should be",
        "  where         far",
        "  why           the host key has changed",
        "                expected SHA256:abc",
        "                found SHA256:def",
        "  what to do    ssh-keygen -R far",
    ]


@pytest.mark.parametrize(
    ("message", "where", "cure"),
    [
        ("prod.yaml:3: hosts.box.adress: unknown field", "prod.yaml:3: hosts.box.adress", "fleet schema inventory"),
        ("my prod.yaml:3: not YAML: a colon", "my prod.yaml:3", "fleet help ten lines"),
        ("prod.yaml: is empty", "prod.yaml", "fleet help ten lines"),
        ("--since yesterday: expected 7d", "--since yesterday", "--help"),
    ],
)
def test_a_place_at_the_beginning_of_a_message_stands_under_where(message: str, where: str, cure: str) -> None:
    """Nothing of the message is lost, and what to do is said where the error itself does not."""
    found = placed(ConfigurationError(message))
    assert found[0] == where
    assert f"{found[0]}: {found[1]}" == message
    assert cure in found[2]
    assert placed(ConfigurationError(message, hint="do this"))[2] == "do this"


@pytest.mark.parametrize(
    "message", ["three of these: a, b and c", "ask for one of --target and --budget", "at 10:15: no"]
)
def test_a_message_without_a_place_is_shown_whole(message: str) -> None:
    assert placed(ConfigurationError(message))[:2] == ("", message)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.integers(40, 200))
def test_no_panel_leaves_the_screen(text: str, width: int) -> None:
    """Whatever the message and the width."""
    error = ConfigurationError(text, host=text, hint=text)
    assert all(found.width <= width for found in error_lines(error, width))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (ConfigurationError, "That cannot be done; nothing was touched"),
        (CommandLineError, "The command line is wrong; nothing was touched"),
        (ConnectError, "A host could not be used"),
        (ProvisionError, "A host could not be prepared"),
        (MeasureError, "The measuring could not go on"),
        (NoRunError, "There is no such run"),
        (StoreError, "The store of runs could not be used"),
        (Interrupted, "Interrupted"),
        (FleetError, "fleet gave up"),
    ],
)
def test_each_kind_of_error_has_its_words(kind: type[FleetError], what: str, paper: io.TextIOWrapper) -> None:
    screen.show_error(kind("because"), stream=paper)
    assert written(paper)[:2] == [f"✗ {what}", "  why           because"]


@pytest.mark.parametrize(
    ("place", "what"), [("--since soon", "An option is wrong"), ("prod.yaml:3: fleet", "The configuration is wrong")]
)
def test_the_title_says_what_the_place_is(place: str, what: str, paper: io.TextIOWrapper) -> None:
    screen.show_error(ConfigurationError(f"{place}: because"), stream=paper)
    assert written(paper)[:2] == [f"✗ {what}; nothing was touched", f"  where         {place}"]


def test_a_hostile_message_is_only_text(paper: io.TextIOWrapper) -> None:
    screen.show_error(ConnectError(EVIL, host=EVIL, hint="[link=http://evil.example]click[/link]"), stream=paper)
    text = "\n".join(written(paper))
    assert "[bold red]x[/]" in text
    assert "[link=http://evil.example]click[/link]" in text
    assert "\x1b" not in text
    assert "pwned" not in text


def test_a_survey_lists_hosts_then_failures_with_their_cure(paper: io.TextIOWrapper) -> None:
    screen.show_survey(SURVEY, stream=paper)
    lines = written(paper)
    assert lines[1] == "HOSTS"
    assert lines[2].split() == ["host", "system", "processor", "cores", "memory", "python", "ray", "clock", "GPUs"]
    assert "64.0 GiB" in lines[3]
    assert "+1 ± 0 ms" in lines[3]
    assert lines[-1] == f"  ✗ far2 at survey: {FAILURE.message}  start sshd there"


def test_a_survey_of_nothing_is_no_crash(paper: io.TextIOWrapper) -> None:
    screen.show_survey(Survey(facts=()), stream=paper)
    assert written(paper) == ["", "HOSTS"]


def test_a_plan_says_what_is_asked_of_which_devices(paper: io.TextIOWrapper) -> None:
    screen.show_plan(PLAN, INVENTORY, stream=paper)
    lines = written(paper)
    assert lines[1] == "PLAN (emulated devices)"
    assert f"  in service    {BOX.label}" in lines
    assert "  stated        po2 20, a worker USD 2,600 once" in lines
    assert "  assumed       gpu price" in lines
    assert "  budget        at most 32 trials, at most 30 min 00 s, 3 repeats" in lines
    rows = {row.split()[0]: row for row in lines[lines.index("DEVICES") + 2 :]}
    assert "2 × 16 GB card (emulated, 16.0 GiB)" in rows["box"]
    assert rows["box"].split()[-3:] == ["0", "in", "service"]
    assert rows["far"].endswith("candidate")
    assert rows["far2"].endswith("left out")


def test_steps_show_what_changed_and_the_totals(paper: io.TextIOWrapper) -> None:
    screen.show_steps((RIGHT, CHANGED, BROKEN), stream=paper)
    lines = written(paper)
    assert lines[-1] == "  1 already right, 1 changed, 1 failed"
    assert any("made the venv" in text for text in lines)
    assert all("\x1b" not in text for text in lines)


def test_runs_say_when_and_whether_they_are_emulated(paper: io.TextIOWrapper) -> None:
    """A run that is not finished has no answer; tags and a note have a line of their own."""
    kept = RunSummary(
        id="run-2", created=1_785_492_900.0, inventory="lab", emulated=True, observations=19, finished=True
    )
    gain = Estimate(value=0.441, low=0.38, high=0.5, n=3, unit="")
    answer = Answer(choice=Choice.ADD_REMOTE_WORKER, confidence=0.999, gain=gain)
    runs = (
        RunEntry(summary=kept, tags=("baseline", "nightly"), note="before the new driver", answer=answer),
        RunEntry(summary=replace(kept, id="run-1", emulated=False, finished=False)),
        RunEntry(summary=replace(kept, id="run-0")),
    )
    screen.show_runs(runs, stream=paper)
    assert written(paper) == [
        "run    begun (UTC)       fleet  trials  answer                      figures",
        "run-2  2026-07-31 10:15  lab        19  add a worker +44 %, > 99 %  emulated",
        "    +baseline +nightly before the new driver",
        "run-1  2026-07-31 10:15  lab        19  interrupted                 real",
        "run-0  2026-07-31 10:15  lab        19  –                           emulated",
    ]


def test_without_runs_the_first_step_is_named(paper: io.TextIOWrapper) -> None:
    screen.show_runs((), stream=paper)
    screen.show_runs((), chosen=True, stream=paper)
    assert written(paper) == [
        "No runs are kept yet. Begin with: fleet bench INVENTORY",
        "No run is like that. All of them: fleet runs",
    ]


@pytest.mark.parametrize("width", ["60", "80", "120"])
def test_no_table_is_wider_than_its_terminal(
    width: str, paper: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    screen.show_survey(SURVEY, stream=paper)
    screen.show_plan(PLAN, INVENTORY, stream=paper)
    screen.show_steps((RIGHT, CHANGED, BROKEN), stream=paper)
    assert max(map(len, written(paper))) <= int(width)
