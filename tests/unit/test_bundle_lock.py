"""What of a lock holds for a kind of host, and which kinds there are."""

from __future__ import annotations

import pytest

from fleet.errors import ConfigurationError
from fleet.model.bundle import Bundle, Target, WheelFile
from fleet.provision.bundle import _requirements, locked, target

ONE, TWO = "1" * 64, "2" * 64
LOCK = f"""\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:{TWO}
cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:{ONE}
tzdata==2026.6 ; sys_platform == 'win32' \\
    --hash=sha256:{ONE}
ray==2.60.0 \\
    --hash=sha256:{ONE}
"""


def test_a_lock_is_read_for_the_hosts_python_and_not_for_ours() -> None:
    old = locked(LOCK, Target(python="3.11", arch="x86_64"))
    new = locked(LOCK, Target(python="3.13", arch="aarch64"))
    assert old == {
        "numpy": ("2.4.6", frozenset({ONE, TWO})),
        "cffi": ("2.1.1", frozenset({ONE})),
        "ray": ("2.60.0", frozenset({ONE})),
    }
    assert new["numpy"] == ("2.5.5", frozenset({TWO}))
    assert "tzdata" not in new


def test_agents_are_asked_for_and_test_tools_are_not() -> None:
    wanted = list(_requirements(Target(python="3.11", arch="x86_64")))
    assert any(line.startswith("ray==") for line in wanted)
    assert any(line.startswith("numba") for line in wanted)
    assert not any(line.startswith(("pytest", "ansible", "simpy", "fleet")) for line in wanted)


@pytest.mark.parametrize(("python", "arch"), [("3.10", "x86_64"), ("3", "x86_64"), ("3.11", "riscv"), ("x", "aarch64")])
def test_a_kind_of_host_that_nothing_is_made_for_is_refused(python: str, arch: str) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        target(python, arch)


def test_a_bundle_gives_each_kind_of_host_its_own_files() -> None:
    one, two = Target(python="3.11", arch="x86_64"), Target(python="3.12", arch="x86_64")
    both = WheelFile(name="a.whl", size=1, sha256=ONE, targets=(one, two))
    own = WheelFile(name="b.whl", size=1, sha256=ONE, targets=(two,))
    bundle = Bundle(fleet="0", ray="0", targets=(one, two), files=(both, own))
    assert bundle.of(one) == (both,)
    assert bundle.of(two) == (both, own)
    assert bundle.of(Target(python="3.13", arch="x86_64")) == ()
