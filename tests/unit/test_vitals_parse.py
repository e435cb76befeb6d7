"""What a host answers the doctor, as it is read: real tools' words, none, and hostile ones."""

from __future__ import annotations

import pytest

from fleet.model.checkup import Docker, Gpu, Sudo, Vitals
from fleet.plan.checkup.vitals import GPU_LIMIT, parse_vitals, vitals_script

NONCE = "0123456789abcdef"
H100 = "NVIDIA H100 80GB HBM3, 550.54.15, 81559, 0, 0x0000000000000001, 1, 16, 5, 16"
A4000 = "NVIDIA RTX A4000, 550.54.15, 16376, [N/A], 0x0000000000000048, 4, 8, 4, 16"
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 65536 0 65536 0% /dev/shm"


def said(**answers: str | tuple[str, int]) -> bytes:
    frames = []
    for label, answer in answers.items():
        text, status = answer if isinstance(answer, tuple) else (answer, 0)
        frames.append(f"\n=fleet-{NONCE}:{label}:\n{text}\n=fleet-{NONCE}:{label}:{status}\n")
    return "Welcome!".join(["", *frames]).encode()


def parse(**answers: str | tuple[str, int]) -> Vitals:
    return parse_vitals(said(**answers), NONCE)


def test_a_gpu_host_as_its_tools_have_it() -> None:
    found = parse(
        user="1000",
        privilege="free",
        available="8388608",
        shm=DF,
        cards=f"{H100}\n{A4000}",
        engine="WARNING: a line\n27.3.1",
        compose="v2.29.7",
        runtimes='{"io.containerd.runc.v2":{"path":"runc"},"nvidia":{"path":"nvidia-container-runtime"}}',
    )
    assert found == Vitals(
        sudo=Sudo.FREE,
        memory_available=8 * 2**30,
        shared_memory=64 * 2**20,
        gpus=(
            Gpu(
                name="NVIDIA H100 80GB HBM3",
                driver="550.54.15",
                memory=81559 * 2**20,
                ecc=0,
                throttle=1,
                link=(1, 16),
                link_max=(5, 16),
            ),
            Gpu(
                name="NVIDIA RTX A4000",
                driver="550.54.15",
                memory=16376 * 2**20,
                throttle=0x48,
                link=(4, 8),
                link_max=(4, 16),
            ),
        ),
        docker=Docker(engine="27.3.1", compose="2.29.7", nvidia=True),
    )


@pytest.mark.parametrize(
    ("user", "sudo", "expected"),
    [
        ("0", "missing", Sudo.ROOT),
        ("1000", "free", Sudo.FREE),
        ("1000", "Sorry, try again.\nlocked", Sudo.LOCKED),
        ("1000", "missing", Sudo.MISSING),
        ("1000", "root", Sudo.MISSING),
        ("zero", "", Sudo.MISSING),
    ],
)
def test_sudo(user: str, sudo: str, expected: Sudo) -> None:
    """A host cannot talk itself into being root."""
    assert parse(user=user, privilege=sudo).sudo is expected


def test_what_is_not_there_is_none_and_what_fails_says_why() -> None:
    bare = parse(user="1000", cards=("", 127), engine=("", 127), shm=("df: /dev/shm: No such file", 1), available="")
    assert bare == Vitals(sudo=Sudo.MISSING)
    broken = parse(
        user="0",
        cards=("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9),
        engine=("\x1b[31mpermission denied\x1b[0m while trying to connect", 1),
        compose=("docker: 'compose' is not a docker command.", 1),
        runtimes=("", 1),
    )
    assert "couldn't communicate" in (broken.gpu_problem or "")
    assert broken.docker == Docker(
        engine=None, compose=None, nvidia=False, problem="permission denied while trying to connect"
    )


@pytest.mark.parametrize("runtimes", ["null", "[1", "[" * 50_000, '["nvidia"]', '"nvidia"', "1e999"])
def test_runtimes_that_are_no_object_are_none(runtimes: str) -> None:
    docker = parse(engine="27.3.1", runtimes=runtimes).docker
    assert docker is not None
    assert not docker.nvidia


def test_hostile_answers_are_bounded_and_harmless() -> None:
    """Rows of odd shape are dropped, numbers are numbers, names are short and print."""
    rows = [f"{'x' * 900}\x1b[2J,\x07driver,{'9' * 40},-1,0x{'f' * 40},1,1,1,1", "a,b,c", ",,,,,,,,", H100]
    gpus = parse(user="0", cards="\n".join(rows * 40)).gpus
    assert len(gpus) == GPU_LIMIT
    assert {gpu.memory for gpu in gpus} == {None, 81559 * 2**20}
    assert all(len(gpu.name) <= 200 and (gpu.name + gpu.driver).isprintable() for gpu in gpus)
    assert gpus[0].ecc is gpus[0].throttle is None


def test_nothing_that_can_be_read_is_an_error_in_words() -> None:
    for stdout in (b"", b"\xff" * 100, said(user="0").replace(NONCE.encode(), b"f" * 16)):
        with pytest.raises(ValueError, match="nothing that can be read"):
            parse_vitals(stdout, NONCE)


def test_the_question_is_one_program_with_the_nonce() -> None:
    text = vitals_script(NONCE)
    assert f"=fleet-{NONCE}:" in text
    assert all(
        f"framed {label}" in text for label in ("user", "privilege", "available", "shm", "cards", "engine", "runtimes")
    )
