"""What is asked of a head, as shell: its tools, its project as Compose reads it, its containers, its GPUs.

Nothing here changes anything. What could hold a password is either looked at on the host, and only counted there, or
goes to the controller's memory and no further.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model.bento import BentoSettings
from fleet.plan.bento.containers import FORMAT
from fleet.plan.bento.knobs import probe
from fleet.plan.bento.marks import MARKED
from fleet.plan.shell.program import Piece
from fleet.plan.shell.quoting import path
from fleet.plan.steps.fragments import SBIN, given, words

MOST = 300
"""Containers of one engine that are looked at."""

COMPOSE = (
    SBIN
    + """\
if version=$(docker compose version --short 2>/dev/null); then
    compose() { docker compose "$@"; }
    json='--format json'
elif command -v docker-compose >/dev/null; then
    compose() { docker-compose "$@"; }
    json=
else echo 'there is no Docker Compose: neither the plug-in nor docker-compose'; exit 1
fi
cd -- "$directory" || exit 1
"""
)
"""Makes `compose` what there is of it, in the project's folder, `$directory`. Only the errors that it says are ours.

`version`: the plug-in's, else empty. `json`: has `config` write JSON, where that is sure to be understood; else YAML.
"""

_TOOLS = """\
docker version --format '{{.Server.Version}}' 2>&1 || exit 1
printf '%s\\n' "${version:-$(compose version --short 2>/dev/null)}"
"""
_FILES = """\
for file in "$compose_file" ${env_file:+"$env_file"}; do
    if [ ! -r "$file" ]; then echo "$file: there is no such file, or it cannot be read"; exit 1; fi
done
"""
# Without a profile's name Compose leaves its services out, and broker and miner have one each. What it says about
# variables quotes them, and a password with a dollar in it looks like one: nothing of that is passed on.
_MODEL = (
    "shift 2\n"
    + MARKED
    + """\
compose --profile '*' -f "$compose_file" "$@" config -q 2>&1 | grep -v level=warning | head -n 5
exit 1
"""
)
# Settings may be in the files of services alone. All that is said here stays in the controller's memory.
_INSIDE = """\
grep -q env_file "$compose_file" || exit 0
# shellcheck disable=SC2086 # words
compose --profile '*' "$@" config $json 2>/dev/null
"""
_ENV = """\
# shellcheck disable=SC2086 # words
printf '%s' "$probe" | compose -p probe -f - "$@" config $json 2>/dev/null
"""
_CONTAINERS = """\
set -- $(docker ps -aq --no-trunc | head -n {most})
[ $# -gt 0 ] || exit 0
docker inspect --format {format} "$@" 2>/dev/null
exit 0
"""
_GPUS = """\
command -v nvidia-smi >/dev/null || { echo 'there is no nvidia-smi'; exit 1; }
nvidia-smi --query-gpu=name --format=csv,noheader 2>&1 | head -n 64
"""
# Who is on a GPU, and what it is a part of: a container, a unit, or neither.
_USES = """\
command -v nvidia-smi >/dev/null || exit 0
nvidia-smi --query-compute-apps=pid,process_name --format=csv,noheader 2>/dev/null | head -n 200 |
    while IFS=', ' read -r pid name; do
        case $pid in '' | *[!0-9]*) continue ;; esac
        group=$(tail -n 1 "/proc/$pid/cgroup" 2>/dev/null)
        container=$(printf '%s' "$group" | grep -o '[0-9a-f]\\{64\\}' | tail -n 1)
        unit=$(printf '%s' "$group" | sed -n 's,.*/system\\.slice/\\([A-Za-z0-9@_.-]*\\.service\\).*,\\1,p')
        printf '%s %s %s %s\\n' "$pid" "${container:--}" "${unit:--}" "$name"
    done
exit 0
"""
# Agents are counted where they run: their command lines stay there. A shell that starts them is none.
_AGENTS = """\
for id do
    docker top "$id" -eo pid,args 2>/dev/null | awk -v id="$id" '
        NR == 1 { next }
        { shell = $2; sub(".*/", "", shell) }
        (shell == "sh" || shell == "bash" || shell == "dash") && $3 == "-c" { next }
        { for (i = 3; i < NF; i++) if (($i == "-t" || $i == "--task-stream") && $(i + 1) == "prove") { n++; break } }
        END { if (NR) print id, n + 0 }'
done
exit 0
"""
_LINKS = """\
printf 'here %s\\n' "$(hostname -I 2>/dev/null)"
for one do
    pid=${one%%:*}; port=${one#*:}
    awk -v port="$port" '
        $4 == "01" { split($2, own, ":"); split($3, far, ":"); if (own[2] == port) print "far", far[1] }
        ' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" 2>/dev/null | head -n 2000
done
exit 0
"""
# A broker of several chains has a database for each, named after the one that it is told of: broker.8453.db.
_ORDERS = """\
said=$("$python" -c '
import glob, os, re, sqlite3, sys
query = "select lower(json_extract(data, \\"$.status\\")), count(*) from orders group by 1"
for told in sys.argv[1:]:
    stem, ending = os.path.splitext(told)
    chain = re.compile(re.escape(stem) + r"(\\.[0-9]+)?" + re.escape(ending))
    found = [one for one in glob.glob(glob.escape(stem) + "*" + glob.escape(ending)) if chain.fullmatch(one)]
    if not found:
        sys.exit("there is no database " + told)
    for one in found:
        for status, count in sqlite3.connect("file:" + one + "?mode=ro", uri=True, timeout=5).execute(query):
            print(status, count)
' "$@" 2>&1) || { printf '%s\\n' "$said" | tail -n 1; exit 1; }
[ -z "$said" ] || printf '%s\\n' "$said"
"""


def project(settings: BentoSettings) -> str:
    """Shell text that readies `compose` and, in "$@", the options that name the operator's project."""
    folder = settings.compose.rpartition("/")[0] or "/"
    options = ["-f", settings.compose]
    if settings.env_file is not None:
        options += ["--env-file", settings.env_file]
    if settings.project is not None:
        options += ["-p", settings.project]
    return f"directory={path(folder)}\n{COMPOSE}set -- {words(options)}\n"


def first_pieces(settings: BentoSettings, nonce: str) -> tuple[Piece, ...]:
    """Tools, files, the project as its file has it, what services' own env files say, and what its variables are.

    `nonce` marks what is unset, or may be secret.
    """
    ready = project(settings)
    files = given({"compose_file": settings.compose, "env_file": settings.env_file or ""})
    env = words(["--env-file", settings.env_file] if settings.env_file is not None else [])
    return (
        Piece(label="files", text=files + _FILES, vital=True),
        Piece(label="tools", text=ready + _TOOLS, vital=True),
        Piece(label="model", text=f"{ready}{files}{given({'nonce': nonce})}{_MODEL}", vital=True),
        Piece(label="inside", text=f"{ready}{files}{_INSIDE}"),
        Piece(label="env", text=f"{ready}set -- {env}\n{given({'probe': probe(nonce)})}{_ENV}"),
    )


def containers_piece() -> Piece:
    """Every container of the engine, a line each."""
    return Piece(label="containers", text=SBIN + _CONTAINERS.format(most=MOST, format=words([FORMAT])))


def gpu_pieces() -> tuple[Piece, ...]:
    """The GPUs' names, and who is on them."""
    return Piece(label="gpus", text=SBIN + _GPUS), Piece(label="uses", text=SBIN + _USES)


def agents_piece(ids: Sequence[str]) -> Piece:
    """How many agents prove in each of these containers."""
    return Piece(label="agents", text=f"{SBIN}set -- {words(ids)}\n{_AGENTS}")


def links_piece(servers: Sequence[tuple[int, int]]) -> Piece:
    """Who is connected to these servers: (process, port) pairs."""
    ends = [f"{pid}:{port:04X}" for pid, port in servers]
    return Piece(label="links", text=f"{SBIN}set -- {words(ends)}\n{_LINKS}")


def orders_piece(databases: Sequence[str], python: str) -> Piece:
    """How many orders of each status the brokers have, in these databases and in those of single chains beside them."""
    return Piece(label="orders", text=given({"python": python}) + f"set -- {words(databases)}\n" + _ORDERS)
