"""Ten steps, the same as in fleet.yaml and ansible.yaml. Run by pyinfra, in an environment of its own."""

from io import StringIO

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.facts.hardware import Cpus, Memory
from pyinfra.facts.server import Kernel, LinuxDistribution, LinuxName
from pyinfra.operations import files, server

for fact in (Kernel, LinuxName, LinuxDistribution, Cpus, Memory):
    host.get_fact(fact)

work = host.data.work
for name, mode in (("", "755"), ("/etc", "755"), ("/secret", "700"), ("/log", "755")):
    files.directory(name=f"folder {name}", path=f"{work}{name}", mode=mode)
for name, text, mode in (
    ("etc/one", "one = 1\n", "644"),
    ("etc/two", "two = 2\n", "644"),
    ("etc/three", "three = 3\n", "644"),
    ("secret/four", "four = 4\n", "600"),
    ("etc/five", "five = 5\n", "644"),
):
    files.put(name=name, src=StringIO(text), dest=f"{work}/{name}", mode=mode)
if not host.get_fact(File, path=f"{work}/made"):
    server.shell(name="made", commands=[f"touch {work}/made"])
