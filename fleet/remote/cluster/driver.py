"""The driver on the head: joins the cluster and runs trials on it, one by one, for as long as the controller wants.

Started over SSH (`python -m fleet.remote.cluster.driver`); what it reads and writes is in `fleet.model.wire`. It ends
when the controller says so, closes the connection or falls silent, and on a signal; its agents end with it.
"""

from __future__ import annotations

import os
import queue
import sys
import threading

from fleet.model.wire import DriverConfig, DriverReady, Goodbye, RemoteError, Result, ToDriver, TrialRequest
from fleet.remote.cluster.pulse import Mail, Posted, Stopped
from fleet.remote.cluster.raysettings import SETTINGS
from fleet.remote.mailbox import Gone, claim_stdin, claim_stdout, listen, on_signals, read

END_PATIENCE = 5.0
"""Seconds to leave the cluster in good order; then without."""


def main() -> int:
    """Run trials until told to end. 0: as told, 1: something failed."""
    say = claim_stdout()
    mail: Mail = queue.SimpleQueue()
    threading.Thread(target=listen, args=(claim_stdin(), mail.put), daemon=True).start()
    os.environ.update(SETTINGS)
    os.environ.pop("RAY_ADDRESS", None)
    # Before the configuration is here: the nodes are still starting, and it takes a second.
    from fleet.remote.cluster import session  # noqa: PLC0415 (Ray reads its settings when it is imported)

    head = "head"
    try:
        config = _next(mail)
        if not isinstance(config, DriverConfig):
            return 1
        head = next((host.name for host in config.hosts if host.node_address == config.head), head)
        os.environ["RAY_AUTH_TOKEN"] = config.token
        cluster = session.join(config, head, mail, say)
        on_signals(mail.put)
        say(DriverReady(pid=os.getpid(), nodes=cluster.pool.nodes))
        number = 0
        while isinstance(request := _next(mail), TrialRequest):
            number += 1
            say(Result(observation=session.run(request, number, cluster)))
    except Stopped:
        return 0
    except Exception as error:  # noqa: BLE001 (whatever it is, the controller must hear of it)
        say(RemoteError(host=head, message=f"the driver failed: {type(error).__name__}: {error}"[:500]))
        return 1
    return 0


def _next(mail: Mail) -> DriverConfig | TrialRequest | Goodbye:
    """What the controller says next. Stopped where it says no more."""
    while True:
        item = mail.get()
        if isinstance(item, Posted):
            continue
        if isinstance(item, Gone):
            raise Stopped(item.why)
        return read(ToDriver, item)


def leave(status: int) -> None:
    """End this process, with the cluster's knowledge if that does not take long."""
    sys.stderr.flush()
    impatient = threading.Timer(END_PATIENCE, os._exit, (status,))
    impatient.daemon = True
    impatient.start()
    from fleet.remote.cluster import session  # noqa: PLC0415 (as above)

    session.leave()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
