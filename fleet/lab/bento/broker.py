"""`broker`: stands in for the broker. It holds no orders; told to end, it ends at once, as one without orders does."""

from __future__ import annotations

import signal
import sys
import threading

from fleet.lab.bento.says import say


def main() -> int:
    """Run until it is told to end."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    say("Broker is up (a stand-in of fleet's lab: it takes no orders)")
    over.wait()
    say("Broker is down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
