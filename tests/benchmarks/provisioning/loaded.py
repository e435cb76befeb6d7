"""What `fleet provision` does once its modules are loaded. `python loaded.py FLEET.YAML STEPS.YAML` prints seconds.

On the wall, and of processors.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing

from fleet.codec import load_inventory, load_playbook
from fleet.model.facts import Facts
from fleet.model.playbook import StepState
from fleet.provision.apply import Terms, apply
from fleet.transport.ssh import SshTransport


def main() -> int:
    """Do it once; 1 where a step failed or a host told no facts."""
    started, used = time.perf_counter(), time.process_time()
    inventory, playbook = load_inventory(sys.argv[1]), load_playbook(sys.argv[2])
    facts: list[Facts] = []
    with closing(SshTransport()) as transport:
        terms = Terms(learn=facts.append)
        reports = apply(transport, playbook, inventory.hosts, lambda _event: None, dry_run=False, terms=terms)
    print(time.perf_counter() - started, time.process_time() - used)  # noqa: T201 (it is a program)
    well = all(report.state in {StepState.RIGHT, StepState.CHANGED} for report in reports)
    return 0 if well and len(facts) == len(inventory.hosts) else 1


sys.exit(main())
