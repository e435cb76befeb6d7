"""Any command as the work: real processes on this machine, their figures read, their ends made sure of."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalTransport

from fleet.codec import parse_inventory
from fleet.model.event import Event
from fleet.model.facts import Survey
from fleet.model.inventory import Host, Inventory
from fleet.model.rates import effective_hz, flaw
from fleet.model.record import Observation, Outcome
from fleet.model.trial import AgentSpec, Experiment, Layout, Load, Trial
from fleet.provision.lending import lender
from fleet.remote.errand import KEPT, Errand, run
from fleet.workload.command import CommandWorkload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def errand(script: str, name: str, timeout: float = 30.0, core: int | None = None) -> Errand:
    words = (sys.executable, "-c", script)
    return Errand(name=name, argv=words, environment=os.environ, directory="/", core=core, timeout=timeout)


def carried(name: str) -> list[int]:
    """Processes that carry the errand's name."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"FLEET_ERRAND={name}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_run_that_leaves_its_group_ends_with_it(tmp_path: Path) -> None:
    """A child in a session of its own, with the pipes still open, is killed when the run is over."""
    name = f"{tmp_path}-left"
    began = time.monotonic()
    ran = run(
        errand(
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
            " start_new_session=True); print('done')",
            name,
        ),
        threading.Event(),
    )
    assert (ran.status, ran.printed, ran.late) == (0, "done\n", False)
    assert time.monotonic() - began < 55  # the child sleeps for 60 s
    assert carried(name) == []


def test_a_run_without_an_end_is_ended(tmp_path: Path) -> None:
    """By its limit, or when it is told to stop; what it printed until then is kept."""
    name, stop = f"{tmp_path}-late", threading.Event()
    ran = run(errand("import time; print('begun', flush=True); time.sleep(60)", name, timeout=1.0), stop)
    assert (ran.late, ran.printed) == (True, "begun\n")
    threading.Timer(0.5, stop.set).start()
    ran = run(errand("import time; time.sleep(60)", name), stop)
    assert ran.late is False
    assert ran.seconds < 30
    assert carried(name) == []


def test_output_is_kept_within_bounds(tmp_path: Path) -> None:
    """The end of each stream, however much comes."""
    script = "import sys; print('x' * 3_000_000); print('end'); sys.stderr.write('y' * 200_000); sys.exit(3)"
    ran = run(errand(script, f"{tmp_path}-much"), threading.Event())
    assert (ran.status, len(ran.printed), len(ran.complained)) == (3, KEPT, KEPT)
    assert ran.printed.endswith("x\nend\n")


def test_a_run_is_bound_to_its_core(tmp_path: Path) -> None:
    """And this thread's binding is nobody else's."""
    core = min(os.sched_getaffinity(0))
    script, seen = "import os; print(os.sched_getaffinity(0))", []
    bound = errand(script, f"{tmp_path}-core", core=core)
    thread = threading.Thread(target=lambda: seen.append(run(bound, threading.Event())))
    thread.start()
    thread.join()
    assert seen[0].printed == f"{{{core}}}\n"


@contextmanager
def working(
    command: str,
    folder: Path,
    events: list[Event] | None = None,
    *,
    python: str = sys.executable,
    archive: Callable[[Host], str | None] = lambda _host: None,
) -> Iterator[tuple[CommandWorkload, Inventory]]:
    """A workload of two hosts, both this machine."""
    text = (
        f"fleet: f\nhosts:\n  box: {{role: head, devices: [{{kind: cpu, count: 2}}], work_dir: {folder}/box}}\n"
        f"  far: {{devices: [{{kind: cuda}}], work_dir: {folder}/far, candidate: true}}\n"
        f"defaults: {{python: {python}}}\ncommand:\n{command}"
    )
    inventory = parse_inventory(text, "f.yaml")
    inventory = replace(inventory, hosts=tuple(replace(host, python=python) for host in inventory.hosts))
    for host in inventory.hosts:
        (Path(host.work_dir) / "spool").mkdir(parents=True, exist_ok=True)
    seen: list[Event] = [] if events is None else events
    with CommandWorkload(
        LocalTransport(),
        inventory,
        inventory.hosts,
        run="r1",
        observer=seen.append,
        offsets={"box": 0.0, "far": 0.0},
        archive=archive,
    ) as workload:
        assert workload.alive() == {"box", "far"}
        yield workload, inventory


def trial(
    agents: Sequence[tuple[str, str]], po2: int = 0, iterations: int = 1, jobs: int = 1, repeat: int = 0
) -> Trial:
    specs = tuple(AgentSpec(host=host, device=device) for host, device in agents)
    load = Load(iterations=iterations, jobs=jobs)
    return Trial(experiment=Experiment.BASELINE, layout=Layout(agents=specs, po2=po2), load=load, repeat=repeat, seed=1)


def measured(workload: CommandWorkload, one: Trial) -> Observation:
    return workload.run(one, lambda _done, _total: None)


BOX, BOTH = (("box", "cpu0"),), (("box", "cpu0"), ("box", "cpu1"), ("far", "gpu0"))


def test_rates_are_told_and_each_agent_sees_its_own_device(tmp_path: Path) -> None:
    """The fleet's rate is the agents' sum; a GPU is the only one that its agent sees; warm-ups are not counted."""
    script = tmp_path / "bench.sh"
    script.write_text(
        f'echo "$* $CUDA_VISIBLE_DEVICES. $SIZE" >> {tmp_path}/log; sleep 0.3; echo "{{\\"r\\": $5.5}}"\n'
    )
    command = (
        f"  run: [sh, {script}, '{{host}}', '{{device}}', '{{slot}}', '{{item}}', '{{batch}}']\n"
        "  unit: samples/s\n  metric: {json: r}\n  knobs: {batch: [2, 4]}\n  env: {SIZE: 's{batch}'}\n"
    )
    with working(command, tmp_path) as (workload, _):
        first = measured(workload, trial(BOTH))
        again = measured(workload, trial(BOTH, repeat=1))
    assert flaw(first) is None, first
    assert effective_hz(first.jobs) == pytest.approx(3 * 2500, rel=1e-3)
    assert flaw(again) is None
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == sorted(3 * ["box 0 0 0 2 . s2", "box 1 0 0 2 . s2", "far 0 0 0 2 0. s2"])
    assert {sample.host for sample in first.telemetry.samples} <= {"box", "far"}


def test_runs_are_shared_out_one_by_one(tmp_path: Path) -> None:
    """Every run of every job is done once, by whoever is free."""
    command = (
        "  run: 'echo {item} >> log; sleep 0.1'\n  shell: true\n  unit: frames\n  work: 4\n  items: 6\n  warm_up: 0\n"
        f"  directory: {tmp_path}\n"
    )
    with working(command, tmp_path) as (workload, inventory):
        seen = measured(workload, trial(BOTH, iterations=inventory.workload.iterations, jobs=2))
    assert flaw(seen) is None, seen
    assert [job.total_cycles for job in seen.jobs] == [24_000, 24_000]
    assert sorted((tmp_path / "log").read_text().split(), key=int) == [f"{number}" for number in range(12)]
    assert {task.host for job in seen.jobs for task in job.tasks} == {"box", "far"}


def test_a_host_with_nothing_but_python_takes_part(tmp_path: Path) -> None:
    """Neither fleet nor pydantic nor yaml: what is missing is brought as one file, once, and its samples come back."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    bare.chmod(0o700)
    found = subprocess.run([bare, "-P", "-c", "import fleet"], cwd=tmp_path, capture_output=True, check=False)
    assert found.returncode == 1
    transport, unknown = LocalTransport(), Survey(facts=(), offsets=(), failures=())
    command = "  run: sleep 0.3; echo 5\n  shell: true\n  unit: x\n  metric: {regex: '(5)'}\n"
    for _ in range(2):
        with working(command, tmp_path, python=str(bare), archive=lender(transport, unknown)) as (workload, _inventory):
            seen = measured(workload, trial(BOTH))
        assert flaw(seen) is None, seen
        assert [lack.host for lack in seen.telemetry.lacks] == ["far"]
    for host in ("box", "far"):
        assert len(list((tmp_path / host).glob("fleet-*.whl"))) == 1


@pytest.mark.parametrize(
    ("script", "metric", "outcome", "said"),
    [
        ("echo oops >&2; exit 3", "{regex: '([0-9]+)'}", Outcome.FAILED, "ended with status 3: oops"),
        ("echo torch.OutOfMemoryError: 9 GiB; exit 1", "{regex: '([0-9]+)'}", Outcome.OUT_OF_MEMORY, "9 GiB"),
        ("kill -9 $$", "{regex: '([0-9]+)'}", Outcome.OUT_OF_MEMORY, "killed by the kernel"),
        ("kill -6 $$", "{regex: '([0-9]+)'}", Outcome.FAILED, "was ended by signal 6"),
        ("sleep 60", "{regex: '([0-9]+)'}", Outcome.TIMEOUT, "not done after 2 s"),
        ("echo none", "{regex: 'fps ([0-9]+)'}", Outcome.FAILED, "it ended with `none`"),
        (f"echo {'a' * 40}", "{regex: '((a|a)*)*(b)'}", Outcome.FAILED, "the pattern backtracks"),
    ],
)
def test_how_a_run_failed_is_said(tmp_path: Path, script: str, metric: str, outcome: Outcome, said: str) -> None:
    """Its status, its signal, its last words or its silence; lack of memory is an answer, and the fleet goes on."""
    command = (
        f"  run: \"[ {{host}} = far ] && exec echo 1 1; [ '{{v}}' = 1 ] && exec echo 1 1; {script}\"\n  shell: true\n"
        f"  unit: x\n  metric: {metric}\n  timeout: 2s\n  warm_up: 0\n  knobs: {{v: [1, 2]}}\n"
    )
    with working(command, tmp_path) as (workload, _):
        bad = measured(workload, trial(BOX, po2=1))
        if outcome is not Outcome.FAILED or "status" in said:
            good = measured(workload, trial(BOX))
            assert flaw(good) is None, good
    assert bad.outcome is outcome, bad
    assert said in (bad.cause or "")
    assert (bad.cause or "").startswith("box/cpu0#0: ")


def test_a_host_that_falls_is_lost_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Its runs end with it, the trial is HOST_LOST, and the next one on other hosts counts."""
    script = f"echo $PPID > {tmp_path}/{{host}}.pid; sleep {{nap}}; echo 5"
    command = f"  run: '{script}'\n  shell: true\n  unit: x\n  metric: {{regex: '(5)'}}\n  warm_up: 0\n"
    command += "  knobs: {nap: [0.1, 30]}\n"
    events: list[Event] = []
    with working(command, tmp_path, events) as (workload, _):

        def kill() -> None:
            while not (tmp_path / "far.pid").exists():
                time.sleep(0.05)
            time.sleep(0.2)
            os.kill(int((tmp_path / "far.pid").read_text()), 9)

        threading.Thread(target=kill, daemon=True).start()
        seen = measured(workload, trial(BOTH, po2=1))
        assert (seen.outcome, seen.lost) == (Outcome.HOST_LOST, ("far",))
        assert workload.alive() == {"box"}
        after = measured(workload, trial(BOX))
        assert flaw(after) is None, after
        assert measured(workload, trial(BOTH)).outcome is Outcome.HOST_LOST
    assert any("far" in str(event) for event in events)
