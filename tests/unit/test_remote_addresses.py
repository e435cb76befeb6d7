"""By which address a host is known to the others."""

from __future__ import annotations

import pytest

from fleet.remote.addresses import ip, own_ip

NAMES = {"box": "127.0.1.1", "far.lan": "10.1.2.3"}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that knows these names only, as many a system knows its own."""
    monkeypatch.setattr("socket.gethostbyname", NAMES.__getitem__)


def test_a_number_is_taken_as_it_is() -> None:
    """A lab's hosts are on loopback addresses on purpose."""
    assert own_ip("127.0.0.61") == "127.0.0.61"
    assert ip("10.0.0.1") == "10.0.0.1"


def test_a_name_is_resolved() -> None:
    assert own_ip("far.lan") == "10.1.2.3"
    assert ip("far.lan") == "10.1.2.3"


def test_a_host_that_knows_itself_as_loopback_is_known_by_the_address_that_leads_to_the_others() -> None:
    """Debian writes 127.0.1.1 for a host's own name; nobody else would find it there."""
    assert own_ip("box", towards="127.0.0.1") == "127.0.0.1"
