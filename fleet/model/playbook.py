"""Commands, steps and what came of them. A step is a question, a change that answers it, a second look, and an undo.

Every kind of step has, besides its own fields, the same three: `name` (what people read), `tags` (what `--tags` and
`--skip-tags` pick by) and `sudo` (its question, its change and its undo need root).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fleet.model.facts import Facts
from fleet.model.hoststeps import ArchiveStep, GroupStep, LineStep, PackageStep, SysctlStep, UnitStep, UserStep
from fleet.model.stacksteps import ComposeStep, DockerStep, FirewallStep, NvidiaStep, WireguardStep


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that never prints."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run on a host: words, never a shell string. `stdin` is sent and closed; `timeout` in seconds.

    `sudo`: run it as root, by sudo where the host's login says so; elsewhere the user is root, or it must do without.
    """

    argv: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    timeout: float = 60.0
    sudo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a command gave. Both streams are bounded by the transport; `truncated` says that one was cut."""

    exit_status: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryStep:
    """The directory exists with this mode."""

    name: str
    path: str
    mode: str = "0700"
    tags: tuple[str, ...] = ()
    sudo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """The file holds exactly this text with this mode.

    `template`: the controller's file that has the text, beside the playbook; `content` is what it holds, once loaded.
    """

    name: str
    path: str
    content: str = ""
    mode: str = "0600"
    tags: tuple[str, ...] = ()
    sudo: bool = False
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStep:
    """`python` runs, and imports these distributions at these versions; else `venv` is made there and filled.

    `requires` are pins such as `ray==2.60.0`. With `venv` None nothing can be changed, only asked.
    """

    name: str
    python: str
    requires: tuple[str, ...]
    venv: str | None = None
    tags: tuple[str, ...] = ()
    sudo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptStep:
    """`unless` succeeds (exit 0), else `run` is run; both are POSIX shell text, and so is `undo`, which puts it back.

    `creates`, a path, may stand in place of `unless`: the step is right where it exists. Without `run` the step is a
    check: nothing can be changed, and what `unless` prints is the reason. Without `undo` nothing can be put back.
    """

    name: str
    unless: str = ""
    creates: str | None = None
    run: str | None = None
    undo: str | None = None
    tags: tuple[str, ...] = ()
    sudo: bool = False


Step = (
    DirectoryStep
    | FileStep
    | PythonStep
    | ScriptStep
    | PackageStep
    | LineStep
    | GroupStep
    | UserStep
    | SysctlStep
    | UnitStep
    | ArchiveStep
    | DockerStep
    | NvidiaStep
    | ComposeStep
    | FirewallStep
    | WireguardStep
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """Steps for every host, in order, their variables still open (`{{ host.work_dir }}` is filled per host).

    `places`: where each step stands: its name, and `FILE:LINE`.
    """

    name: str
    path: str
    steps: tuple[Step, ...]
    places: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def place(self, step: str) -> str:
        """Where a step stands, for messages; its playbook's path, where more is not known."""
        return dict(self.places).get(step, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a step would do on a host, for people (`summary`, one line) and for the host (`script`, POSIX shell).

    `diff`: a unified diff of what a file holds and will hold, where the kind of step has one.
    """

    summary: str
    script: str = field(repr=False)
    diff: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What puts back what the question found. Both texts are POSIX shell and find a private folder in `"$kept"`.

    `keep` runs before the change and saves there what `script` will need; what it saves never leaves the host. `script`
    may run after a change that was cut off, or twice: it says what to put back, not what to reverse. Where it is None
    nothing can be put back, and `reason` says why. `late`: it comes after all others that are put back: it needs what
    they bring, and looks for itself whether that is there.
    """

    script: str | None = field(repr=False)
    keep: str = field(default="", repr=False)
    reason: str = ""
    late: bool = False


class StepState(StrEnum):
    """What came of a step."""

    RIGHT = "right"
    CHANGED = "changed"
    WOULD_CHANGE = "would_change"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step on one host. `diff`: the unified diff of its change, where the kind of step has one.

    `lost`: it failed since the host could not be reached or used, not for what it is about.
    """

    host: str
    step: str
    state: StepState
    summary: str = ""
    detail: str = ""
    diff: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What `--json` says of a provisioning, or of a restoration. `facts`: of the hosts that were asked for them."""

    inventory: str
    dry_run: bool
    reports: tuple[StepReport, ...]
    facts: tuple[Facts, ...] = ()
