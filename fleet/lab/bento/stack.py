"""A lab's Bento, brought up in the engine of its head and taken down again."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from fleet.errors import ConfigurationError, HostError
from fleet.lab import openssh
from fleet.lab.bento import currentfiles, engine, files, scene
from fleet.lab.bento.engine import Engine, argv, connect
from fleet.lab.layout import Layout, at_home
from fleet.lab.servers import Beside
from fleet.model.bento import BentoSettings, Stack
from fleet.model.inventory import Inventory

PROJECT = "bento-lab"
ENGINE = "docker engine"
"""No host can have this name."""
UP_SECONDS = 60.0
_POLL = 0.05
_SCHEMA = Path(__file__).with_name("taskdb.sql")


def home_of(inventory: Inventory, layout: Layout) -> Path:
    """The home of the lab's head."""
    return layout.home(inventory.head.name)


def beside(inventory: Inventory, layout: Layout) -> tuple[Beside, ...]:
    """The engine that a head with a Bento needs. ConfigurationError where this machine cannot have one."""
    if inventory.bento is None or not inventory.head.lab:
        return ()
    if openssh.program() is None:
        raise ConfigurationError(
            "a lab with Bento needs OpenSSH's sshd, which is not installed", hint="apt-get install openssh-server"
        )
    home = home_of(inventory, layout)
    return (Beside(name=ENGINE, argv=argv(home, _stack(inventory.bento)), home=home, log=layout.log(ENGINE)),)


@contextmanager
def running(inventory: Inventory, layout: Layout) -> Iterator[None]:
    """A Bento, where the inventory has one, for as long as this lasts; its engine is up."""
    if inventory.bento is None or not inventory.head.lab:
        yield
        return
    try:
        bring_up(inventory, layout)
        yield
    finally:
        with suppress(HostError):  # the keeper ends whatever is left
            take_down(inventory, layout)


def bring_up(inventory: Inventory, layout: Layout) -> None:
    """Write the files, import the image, start everything and wait for the database. HostError."""
    head, home = inventory.head, home_of(inventory, layout)
    if inventory.bento is None:
        return
    settings = at_home(inventory.bento, home)
    docker = connect(home)
    data = _data(home)
    (home / scene.FILE).write_text(scene.written(scene.scene_of(inventory, head)), "utf-8")
    docker.run("docker", "import", "-", files.IMAGE, stdin=files.image(head.devices))
    _place(home / "bin" / "nvidia-smi", files.nvidia_smi(head.devices), 0o755)
    compose = Path(settings.compose)
    _place(compose, files.compose_text(home, data, _stack(settings)), 0o644)
    if settings.env_file:
        po2 = inventory.current.po2 or inventory.po2_range[0]
        _place(Path(settings.env_file), files.env_text(head, po2, 1, _stack(settings)), 0o600)
    words = (*compose_words(docker, settings), "--profile", "broker", "up", "-d")
    address = head.login.address
    match _stack(settings):
        case Stack.LEGACY:
            docker.run(*words, "postgres")
            _await_database(f"postgresql://{files.USER}:{files.PASSWORD}@{address}:{files.DATABASE_PORT}")
        case Stack.CURRENT:
            docker.run(*words, "redis")
            _await_listener(address, currentfiles.REDIS_PORT)
    docker.run(*words)


def take_down(inventory: Inventory, layout: Layout) -> None:
    """Take everything down. HostError where the engine does not answer."""
    if inventory.bento is None:
        return
    home = home_of(inventory, layout)
    docker = connect(home)
    settings = at_home(inventory.bento, home)
    containers = docker.run("docker", "ps", "-aq").split()
    if containers:
        docker.run("docker", "rm", "-f", *containers)
    docker.run(*compose_words(docker, settings), "down", "--remove-orphans", "-t", "1")


def forget(inventory: Inventory, layout: Layout) -> None:
    """Remove what the engine of a lab that is down leaves behind."""
    if inventory.bento is not None and inventory.head.lab:
        engine.forget(home_of(inventory, layout))


def compose_words(docker: Engine, settings: BentoSettings) -> tuple[str, ...]:
    """Compose with the project's files, as an operator calls it."""
    env = ("--env-file", settings.env_file) if settings.env_file else ()
    return (*docker.compose, "-p", settings.project or PROJECT, "-f", settings.compose, *env)


def _stack(settings: BentoSettings) -> Stack:
    """The stack of a lab's Bento: the legacy one unless its inventory says otherwise."""
    return settings.stack or Stack.LEGACY


def _place(file: Path, text: str, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    file.chmod(mode)


def _data(home: Path) -> Path:
    """An empty folder for the database."""
    data = home / "bento-data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    os.chown(data, *files.owner())
    return data


def _await_listener(address: str, port: int) -> None:
    """Wait until somebody listens: agents that come up earlier would only be started again and again."""
    until = time.monotonic() + UP_SECONDS
    while True:
        try:
            socket.create_connection((address, port), timeout=1.0).close()
        except OSError as error:
            if time.monotonic() > until:
                raise HostError(f"the lab's Redis does not come up: {error}") from None
            time.sleep(_POLL)
        else:
            return


def _await_database(url: str) -> None:
    """Make the tables as soon as the database is there."""
    until = time.monotonic() + UP_SECONDS
    while True:
        try:
            with psycopg.connect(f"{url}/{files.DATABASE}", autocommit=True, connect_timeout=5) as database:
                database.execute(_SCHEMA.read_bytes())
                return
        except psycopg.OperationalError as error:
            if time.monotonic() > until:
                raise HostError(f"the lab's database does not come up: {error}") from None
            time.sleep(_POLL)
