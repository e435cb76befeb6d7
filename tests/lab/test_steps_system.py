"""Steps that change a system, by real SSH on isolated hosts: applied, found right, and put back to the byte."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import boxes
import pytest
from boxes import Box
from step_trials import applied, restored, states, tried

from fleet.errors import ConfigurationError
from fleet.model.hoststeps import (
    Activity,
    ArchiveStep,
    GroupStep,
    LineStep,
    PackageStep,
    Presence,
    SysctlStep,
    UnitStep,
    UserStep,
)
from fleet.transport.ssh import SshTransport

pytestmark = [pytest.mark.lab, pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or "")]

ACCOUNTS = "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | sort; ls -ld /home/prover"
UNIT = "[Unit]\nDescription=Sleeps\n\n[Service]\nExecStart=/bin/sleep 1d\n\n[Install]\nWantedBy=multi-user.target\n"
STAND_INS = Path(__file__).parent / "stand_ins"

REPOSITORY = r"""
mkdir -p /srv/repo; cd /srv/repo
make() { # NAME VERSION CONTROL
    mkdir -p "/tmp/$1/DEBIAN" "/tmp/$1/etc"
    echo "$2" >"/tmp/$1/etc/$1.conf"; echo "/etc/$1.conf" >"/tmp/$1/DEBIAN/conffiles"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n%b' "$@" \
        >"/tmp/$1/DEBIAN/control"
    dpkg-deb --root-owner-group -b "/tmp/$1" "$1_$2_all.deb"
    rm -rf "/tmp/$1"
}
make fleet-b 1.0 ''
make fleet-a 1.0 'Depends: fleet-b\n'
make fleet-a 2.0 'Depends: fleet-b\n'
make fleet-other 1.0 'Depends: fleet-a\n'
for file in *.deb; do
    dpkg-deb -f "$file"
    sum=$(sha256sum "$file" | cut -d' ' -f1)
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$sum"
done >Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
"""
RPMS = r"""
mkdir -p /srv/rpms /etc/yum.repos.d; cd /srv/rpms
make() { # NAME VERSION REQUIRES
    printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%b' "$@" >/tmp/spec
    printf '%%description\nx\n%%install\nmkdir -p %%{buildroot}/usr/share\n' >>/tmp/spec
    printf 'echo %s >%%{buildroot}/usr/share/%s\n' "$2" "$1" >>/tmp/spec
    printf '%%files\n/usr/share/%s\n' "$1" >>/tmp/spec
    rpmbuild --quiet -bb --define '_rpmdir /srv/rpms' /tmp/spec
}
make fleet-b 1.0 ''
make fleet-a 1.0 'Requires: fleet-b\n'
make fleet-a 2.0 'Requires: fleet-b\n'
make fleet-other 1.0 'Requires: fleet-a\n'
createrepo_c -q /srv/rpms
rm -f /etc/yum.repos.d/*
printf '[fleet]\nname=fleet\nbaseurl=file:///srv/rpms\ngpgcheck=0\n' >/etc/yum.repos.d/fleet.repo
mv /usr/bin/apt-get /usr/bin/apt-get.off
"""


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with boxes.running() as found:
        yield found


@pytest.fixture(scope="module")
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


def test_lines_are_set_and_removed_and_come_back_where_they_were(transport: SshTransport, box: Box) -> None:
    """Mode and owner of the file stay, and so does what stands around the lines."""
    box.put("/etc/trial.conf", "# head\nb=1\nc\nb=2\nc\nd\n", 0o640)
    box.run("chown 7:8 /etc/trial.conf; ln -s trial.conf /etc/link.conf")
    _, meanwhile = tried(
        transport,
        box,
        "cat /etc/trial.conf; stat -c '%a %u:%g' /etc/trial.conf; readlink /etc/link.conf; cat /etc/made.conf",
        LineStep(name="replace", path="/etc/link.conf", line="b=it's \\1 & $HOME", match="^b="),
        LineStep(name="add", path="/etc/trial.conf", line="e"),
        LineStep(name="remove", path="/etc/trial.conf", match="^(c|# head)$", state=Presence.ABSENT),
        LineStep(name="make", path="/etc/made.conf", line="only", create="0600"),
    )
    assert meanwhile == "b=1\nb=it's \\1 & $HOME\nd\ne\n640 7:8\ntrial.conf\nonly\n"


def test_what_others_write_into_a_file_meanwhile_stays(transport: SshTransport, box: Box) -> None:
    box.put("/etc/shared.conf", "a=1\nz\n")
    steps = (
        LineStep(name="replace", path="/etc/shared.conf", line="a=2", match="^a="),
        LineStep(name="add", path="/etc/shared.conf", line="mine"),
    )
    assert states(applied(transport, box, *steps)) == {"changed"}
    box.run("sed -i 's/^z/theirs/' /etc/shared.conf; echo last >>/etc/shared.conf")
    assert states(restored(transport, box)) == {"changed"}
    assert box.run("cat /etc/shared.conf") == "a=1\ntheirs\nlast\n"


def test_users_and_groups_come_and_go_with_nothing_left(transport: SshTransport, box: Box) -> None:
    box.run("groupadd old; useradd -M -s /bin/false known")
    _, meanwhile = tried(
        transport,
        box,
        ACCOUNTS,
        GroupStep(name="group", group="provers", gid=4321),
        GroupStep(name="system group", group="agents", system=True),
        UserStep(name="user", user="prover", groups=("provers", "old"), shell="/bin/bash"),  # noqa: S604 (a login shell, no call of one)
        UserStep(name="system user", user="agent", system=True),
        UserStep(name="known user", user="known", groups=("provers",), shell="/bin/sh"),  # noqa: S604 (a login shell, no call of one)
    )
    assert "provers:x:4321:prover,known\n" in meanwhile
    assert "/home/prover" in meanwhile


def test_users_and_groups_that_were_removed_come_back_as_they_were(transport: SshTransport, box: Box) -> None:
    """Number, password, subordinate ids and groups; the home was never gone. Who runs something is not removed."""
    box.run(
        "groupadd -g 4711 away; useradd -m -s /bin/bash -G away leaver; useradd -g away other; gpasswd -d leaver away"
    )
    box.run("echo leaver:secret | chpasswd; groupadd club; usermod -a -G club leaver; echo kept >/home/leaver/thesis")
    box.run("groupadd -g 6712 lonely; usermod -a -G lonely leaver")
    look = "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid | sort; cat /home/leaver/thesis"
    _, meanwhile = tried(
        transport,
        box,
        look,
        GroupStep(name="group", group="lonely", state=Presence.ABSENT),
        UserStep(name="user", user="leaver", state=Presence.ABSENT),
    )
    assert "leaver" not in meanwhile.replace("/home/leaver", "")
    assert "lonely" not in meanwhile
    assert meanwhile.endswith("kept\n")
    (report,) = applied(transport, box, GroupStep(name="main", group="away", state=Presence.ABSENT))
    assert (report.state, "primary group of user 'other'" in report.detail) == ("failed", True), report
    restored(transport, box)


def test_a_home_in_which_somebody_has_put_something_outlives_its_user(transport: SshTransport, box: Box) -> None:
    applied(transport, box, UserStep(name="user", user="writer"))
    box.run("echo precious >/home/writer/thesis")
    assert states(restored(transport, box)) == {"changed"}
    assert box.run("cat /home/writer/thesis; id writer 2>&1", check=False).startswith("precious\n")
    assert "no such user" in box.run("id writer 2>&1", check=False)


def test_a_group_with_another_number_is_left_alone(transport: SshTransport, box: Box) -> None:
    box.run("groupadd -g 4500 taken")
    (report,) = applied(transport, box, GroupStep(name="group", group="taken", gid=4501))
    assert (report.state, report.summary) == ("failed", "group taken has number 4500, not 4501")


def test_a_kernel_setting_holds_now_and_at_the_next_start(transport: SshTransport, box: Box) -> None:
    """Settings of the box's own network: the machine's are not touched."""
    _, meanwhile = tried(
        transport,
        box,
        "cat /proc/sys/net/ipv4/tcp_rmem /proc/sys/net/ipv4/ip_default_ttl; cat /etc/sysctl.d/60-fleet-*",
        SysctlStep(name="three numbers", key="net.ipv4.tcp_rmem", value="4096  131072 7000000"),
        SysctlStep(name="one", key="net.ipv4.ip_default_ttl", value="77"),
    )
    assert "net.ipv4.tcp_rmem = 4096 131072 7000000\n" in meanwhile
    refused, unknown = (
        applied(transport, box, SysctlStep(name="s", key=key, value=value))[0]
        for key, value in (("net.ipv4.ip_default_ttl", "many"), ("net.ipv4.nothing", "1"))
    )
    restored(transport, box)
    assert refused.state == "failed"
    assert unknown.summary == "this kernel has no net.ipv4.nothing"
    assert box.run("ls /etc/sysctl.d | grep fleet", check=False) == ""


@pytest.mark.parametrize(
    ("archive", "pack"),
    [
        ("/opt/trial.tar.gz", "tar -C /tmp/in -czf /opt/trial.tar.gz x"),
        ("/opt/trial.tar.xz", "tar -C /tmp/in -cJf /opt/trial.tar.xz x"),
        ("/opt/trial.zip", "cd /tmp/in; python3 -m zipfile -c /opt/trial.zip x"),
    ],
)
def test_an_archive_is_unpacked_as_a_whole_in_place_of_its_older_version(
    transport: SshTransport, box: Box, archive: str, pack: str
) -> None:
    if archive.endswith(".zip") and shutil.which("unzip") is None:
        pytest.skip("unzip is not installed: apt-get install unzip")
    box.run(f"rm -rf /tmp/in /opt/x; mkdir -p /tmp/in/x; echo one >/tmp/in/x/one; {pack}")
    old = box.run(f"sha256sum {archive}").split()[0]
    tried(
        transport,
        box,
        "find /opt/x | sort; cat /opt/x/x/one",
        ArchiveStep(name="a", archive=archive, sha256=old, path="/opt/x"),
    )
    assert states(applied(transport, box, ArchiveStep(name="a", archive=archive, sha256=old, path="/opt/x"))) == {
        "changed"
    }
    box.run(f"rm -rf {archive} /tmp/in/x/*; echo two >/tmp/in/x/two; {pack}")
    new = box.run(f"sha256sum {archive}").split()[0]
    step = ArchiveStep(name="a", archive=archive, sha256=new, path="/opt/x")
    assert applied(transport, box, step)[0].summary.endswith("in place of another version")
    assert box.run("ls /opt/x/x; ls -A /opt | grep 'x[.]'", check=False) == "two\n"
    assert states(restored(transport, box)) == {"changed"}
    assert not Path(f"/proc/{box.pid}/root/opt/x").exists()


def test_an_archive_of_the_controllers_is_sent_where_it_differs_and_not_left_there(
    transport: SshTransport, box: Box, tmp_path: Path
) -> None:
    """Nothing goes to a host that has what it holds, and nothing in a dry run."""
    (tmp_path / "books").mkdir()
    source = tmp_path / "files.tar.gz"

    def pack(text: str) -> None:
        with tarfile.open(source, "w:gz") as archive:
            (tmp_path / "x").write_text(text)
            archive.add(tmp_path / "x", "x")

    book = str(tmp_path / "books/trial.yaml")
    step = ArchiveStep(name="a", source="../files.tar.gz", path="/opt/sent")
    look = "find /opt/sent /root/fleet/sent | sort; cat /opt/sent/x"
    pack("one")
    _, meanwhile = tried(transport, box, look, step, path=book)
    assert meanwhile == "/opt/sent\n/opt/sent/.fleet-archive\n/opt/sent/x\none"
    assert states(applied(transport, box, step, path=book)) == {"changed"}
    pack("two" * 10**6)
    assert applied(transport, box, step, path=book)[0].summary == (
        "send and unpack ../files.tar.gz to /opt/sent in place of another version"
    )
    assert box.run(look).endswith("two")
    assert states(restored(transport, box)) == {"changed"}
    assert box.run(look, check=False) == ""
    with pytest.raises(ConfigurationError, match=r"step `a`: \.\./none\.zip cannot be read: No such file"):
        applied(transport, box, replace(step, source="../none.zip"), path=book)
    with pytest.raises(ConfigurationError, match=r"is another one: its SHA-256 is [0-9a-f]{64}"):
        applied(transport, box, replace(step, sha256="0" * 64), path=book)


def test_an_archive_that_is_another_or_would_fill_somebodys_folder_is_refused(
    transport: SshTransport, box: Box
) -> None:
    box.run("mkdir -p /opt/theirs /tmp/in; echo 1 >/opt/theirs/precious; tar -C /tmp -czf /opt/some.tar.gz in")
    right = box.run("sha256sum /opt/some.tar.gz").split()[0]
    other = ArchiveStep(name="a", archive="/opt/some.tar.gz", sha256="0" * 64, path="/opt/new")
    theirs = ArchiveStep(name="a", archive="/opt/some.tar.gz", sha256=right, path="/opt/theirs")
    assert applied(transport, box, other)[0].summary == "/opt/some.tar.gz is another one"
    assert applied(transport, box, theirs)[0].summary == "/opt/theirs holds what fleet has not put there"
    assert box.run("ls /opt/theirs") == "precious\n"


def test_an_archive_that_leads_out_of_its_folder_is_not_unpacked(transport: SshTransport, box: Box) -> None:
    box.run("mkdir -p /tmp/deep/x; echo evil >/tmp/deep/evil; cd /tmp/deep/x; tar -Pczf /opt/evil.tar.gz ../evil")
    sha256 = box.run("sha256sum /opt/evil.tar.gz").split()[0]
    (report,) = applied(transport, box, ArchiveStep(name="a", archive="/opt/evil.tar.gz", sha256=sha256, path="/opt/e"))
    assert report.detail.endswith("the archive has names that lead out of the directory")
    assert box.run("ls /opt | grep -E '^(e|evil)$'", check=False) == ""
    restored(transport, box)


def test_apt_packages_come_at_their_version_and_go_with_what_they_brought(transport: SshTransport) -> None:
    """A package repository of our own, on the box: nothing is downloaded, and the lists are not there at first."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("this machine has no apt")
    look = "dpkg -l 'fleet-*' | grep '^[a-z][a-z] ' | awk '{ print $1, $2, $3 }'; ls /etc/fleet-?.conf"
    with boxes.running("debian") as box:
        box.run(REPOSITORY)
        _, meanwhile = tried(transport, box, look, PackageStep(name="a", packages=("fleet-a=1*", "tar")))
        assert meanwhile == "ii fleet-a 1.0\nii fleet-b 1.0\n/etc/fleet-a.conf\n/etc/fleet-b.conf\n"
        box.run("apt-get -q -y install fleet-a=1.0")
        _, meanwhile = tried(transport, box, look, PackageStep(name="a", packages=("fleet-a=2.0",)))
        assert meanwhile.startswith("ii fleet-a 2.0\n")
        step = PackageStep(name="gone", packages=("fleet-a",), state=Presence.ABSENT)
        assert states(applied(transport, box, step)) == {"changed"}
        assert states(restored(transport, box)) == {"changed"}
        assert "ii fleet-a 1.0\n" in box.run(look)


def test_apt_packages_that_somebody_needs_by_now_are_not_removed(transport: SshTransport) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("this machine has no apt")
    with boxes.running("debian") as box:
        box.run(REPOSITORY)
        assert states(applied(transport, box, PackageStep(name="a", packages=("fleet-a",)))) == {"changed"}
        box.run("apt-get -q -y install fleet-other")
        (report,) = restored(transport, box)
        assert (report.state, report.detail) == ("failed", "these need it, so it stays:\nfleet-other")
        assert box.run("dpkg -l fleet-a | tail -n 1").startswith("ii")
        (report,) = applied(transport, box, PackageStep(name="none", packages=("fleet-nowhere",)))
        assert report.state == "failed"
        assert "Unable to locate package fleet-nowhere" in report.detail


def test_dnf_packages_come_at_their_version_and_go_with_what_they_brought(transport: SshTransport) -> None:
    if missing := [name for name in ("dnf", "rpmbuild", "createrepo_c") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install dnf rpm createrepo-c)")
    with boxes.running("fedora") as box:
        box.run(RPMS)
        step = PackageStep(name="a", packages=("fleet-a=1.0",))
        _, meanwhile = tried(transport, box, "rpm -qa | grep fleet | sort", step)
        assert meanwhile == "fleet-a-1.0-1.noarch\nfleet-b-1.0-1.noarch\n"
        assert states(applied(transport, box, step)) == {"changed"}
        box.run("dnf -q -y install fleet-other")
        (report,) = restored(transport, box)
        assert report.state == "failed"
        assert "fleet-a is needed by (installed) fleet-other" in report.detail


def test_units_are_written_enabled_and_started_and_put_back(transport: SshTransport, box: Box) -> None:
    """With a stand-in for systemctl: no box here is run by systemd. What a real one says of the text is asked below."""
    (report,) = applied(transport, box, UnitStep(name="u", unit="own.service", state=Activity.STARTED))
    assert report.summary == "systemd does not run this host"
    box.put("/usr/local/bin/systemctl", (STAND_INS / "systemctl").read_text(), 0o755)
    look = "cd /etc/systemd/system; cat own.service old.service; readlink lib.service; "
    look += "for one in own old lib; do systemctl is-enabled $one; systemctl is-active $one; done"
    box.put("/etc/systemd/system/old.service", UNIT)
    box.put("/lib/systemd/system/lib.service", UNIT)
    box.run("systemctl daemon-reload; systemctl enable old; systemctl start old; systemctl start lib")
    before, meanwhile = tried(
        transport,
        box,
        look,
        UnitStep(name="own", unit="own.service", content=UNIT, enabled=True, state=Activity.STARTED),
        UnitStep(name="old", unit="old.service", content=f"{UNIT}# 2\n", enabled=False),
        UnitStep(name="lib", unit="lib.service", masked=True),
    )
    assert before.endswith("inactive\nenabled\nactive\ndisabled\nactive\n")
    assert meanwhile.endswith("/dev/null\nenabled\nactive\ndisabled\nactive\nmasked\ninactive\n")
    assert "restart old.service" in box.run("cat /run/stand-in/log")
    box.run("rm /usr/local/bin/systemctl")
