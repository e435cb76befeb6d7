r"""Playbook files to `Playbook`.

A playbook is a list of steps; `kind` says which fields a step has, and `name` is what people read:

.. code-block:: yaml

    - {name: the folder is there, kind: directory, path: "{{ host.work_dir }}", mode: 0700}
    - {name: the note is there, kind: file, path: "{{ host.work_dir }}/note", content: "fleet\n", mode: 0600}
    # `template: prover.conf.j2` in the place of `content`: the text is in a file beside the playbook.
    - name: Ray is there
      kind: python
      python: "{{ host.python }}"
      venv: "{{ host.work_dir }}/venv"      # may be left out: then nothing can be changed, only asked
      requires: [ray==2.60.0]
    - {name: the clock is kept, kind: script, unless: "pgrep -x chronyd", run: "systemctl start chronyd"}
    - {name: the disk is large, kind: script, unless: "test -d /data"}      # without `run`: only asked
    - name: the note is gone
      kind: script
      tags: [notes]                        # every step may have them, for --tags and --skip-tags
      sudo: true                           # every step may: it needs root
      unless: "test ! -e /etc/note"
      run: "mv /etc/note /etc/note.off"
      undo: "mv /etc/note.off /etc/note"   # only scripts; the other kinds know what to put back
    - {name: the mark is there, kind: script, creates: /srv/mark, run: "umask 077; date >/srv/mark"}

`{{ … }}` stays as it is; provisioning fills it in for each host.

Steps that ready a system and what runs on it (these need root and say so themselves, but for line and archive):

.. code-block:: yaml

    - {name: jq and curl are there, kind: package, packages: [jq, "curl=7.88*"]}       # state: absent removes them
    - {name: the host is known, kind: line, path: /etc/hosts, match: " head$", line: "10.0.0.1 head", sudo: true}
    - {name: the group is there, kind: group, group: provers}
    - {name: the user is there, kind: user, user: prover, groups: [provers], shell: /bin/bash}
    - {name: nothing is swapped out, kind: sysctl, key: vm.swappiness, value: "10"}
    - {name: chrony runs, kind: unit, unit: chrony.service, enabled: true, state: started}   # also: content, masked
    - name: the program is unpacked
      kind: archive
      archive: /opt/prover.tar.gz          # on the host; .tar, .tar.gz, .tar.xz or .zip
      sha256: 0000000000000000000000000000000000000000000000000000000000000000
      path: /opt/prover
    - {name: the models are there, kind: archive, source: models.tar.xz, path: /opt/models}     # beside the playbook
    - {name: the driver answers, kind: nvidia, driver: "550", persistence: true, power_limit: 300}
    - {name: Docker is there, kind: docker, compose: true, nvidia: true}
    - {name: the services run, kind: compose, project: bento, directory: /opt/bento, services: [rest_api]}
    - {name: only the fleet reaches it, kind: firewall, sources: ["{{ fleet.addresses }}"], ports: ["8081"]}
    - name: the tunnel is up
      kind: wireguard
      interface: wg0
      address: 10.77.0.1/24
      peers: ["{{ vars.tunnel_peers }}"]   # each: a host's name (or its public key), its networks, where it listens
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Annotated

from fleet.codec.document import Document, home_expanded, parse_document, read_as, read_file
from fleet.codec.problems import Problem, clip
from fleet.codec.schema import Untailed
from fleet.model.hoststeps import ArchiveStep
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, PythonStep, Step

Steps = tuple[Annotated[Step, Untailed(ending="_step")], ...]

_MODE = re.compile(r"0?[0-7]{3}")
_OPEN = re.compile(r"\{\{[^{}]*\}\}")
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.+!_-]+")


def load_playbook(path: str) -> Playbook:
    """The playbook in a file. ConfigurationError with file, line, field and what was expected."""
    return parse_playbook(read_file(path), path)


def parse_playbook(text: str, path: str) -> Playbook:
    """The playbook in a text; `path` is for messages, and its stem is the playbook's name."""
    document = parse_document(text, path)
    steps = read_as(Steps, document)
    for problem in _problems(steps):
        raise document.error(problem.path, problem.text)
    steps = tuple(_whole(step, (index,), document) for index, step in enumerate(steps))
    places = tuple((step.name, f"{path}:{document.line((index,))}") for index, step in enumerate(steps))
    return Playbook(name=FilePath(path).stem, path=path, steps=steps, places=places)


def _whole(step: Step, at: tuple[int, ...], document: Document) -> Step:
    """The step with the text of its template, which lies beside the playbook. ConfigurationError."""
    if not isinstance(step, FileStep):
        return step
    if (step.template is None) == ("content" not in document.value[at[0]]):
        raise document.error(at, "expected either `content`, or `template`, a file beside the playbook")
    if step.template is None:
        return step
    file = FilePath(document.path).parent / home_expanded(step.template)
    if not file.is_file():
        raise document.error((*at, "template"), f"there is no file {file}")
    return replace(step, content=read_file(str(file)))


def _problems(steps: tuple[Step, ...]) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for index, step in enumerate(steps):
        if names.setdefault(step.name, index) != index:
            yield Problem(path=(index, "name"), text=f"is the name of step {names[step.name] + 1} already")
        yield from _step_problems(index, step)


def _step_problems(index: int, step: Step) -> Iterator[Problem]:
    match step:
        case DirectoryStep() | FileStep():
            if not _MODE.fullmatch(step.mode):
                yield Problem(path=(index, "mode"), text=f'expected a mode such as 0700, found "{clip(step.mode)}"')
        case PythonStep():
            for position, pin in enumerate(step.requires):
                if not _PIN.fullmatch(_OPEN.sub("0", pin)):
                    text = f'expected a pin such as ray==2.60.0, found "{clip(pin)}"'
                    yield Problem(path=(index, "requires", position), text=text)
        case ArchiveStep():
            if (step.archive is None) == (step.source is None):
                text = "expected either `archive`, a file on the host, or `source`, one beside the playbook"
                yield Problem(path=(index, "source" if step.source else "name"), text=text)
        case _:
            # What a value must be is checked where its variables are filled.
            return
