"""A PostgreSQL server of the tests' own: a new cluster on a free port of this machine.

It runs with PostgreSQL's own settings, so that what it acknowledges is on the disk. Tests that do
not ask for that open their stores with ``synchronous_commit=off``, a setting of the connection.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

DEBIAN = Path("/usr/lib/postgresql")
USER = "moola"
START_S = 30


class PostgresServer:
    """A running server that hands out empty places for a store."""

    def __init__(self, bin_dir: Path) -> None:
        self._bin_dir = bin_dir
        # the system's temporary folder, since pytest's own is closed to the server's user
        self._folder = Path(tempfile.mkdtemp(prefix="moola-postgres-"))
        self._data = self._folder / "data"
        self._numbers = count()
        self.port = _free_port()
        self._take_folder()
        options = ["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [str(bin_dir / "initdb"), "-D", str(self._data), *options],
            check=True, capture_output=True, **self._as_user(),
        )  # fmt: skip
        self._process = self._start()
        atexit.register(self.close)

    def new_url(self, *, durable: bool = False, on_disk: Path | None = None) -> str:
        """Return the URL of an empty place: a schema of its own, which costs a millisecond."""
        name = f"store_{next(self._numbers)}"
        options = [f"-csearch_path={name}"]
        with self.session() as session:
            session.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
            if on_disk is not None:
                self._give_to_server(on_disk)
                place = SQL("CREATE TABLESPACE {} LOCATION {}")
                session.execute(place.format(Identifier(name), Literal(str(on_disk))))
                options.append(f"-cdefault_tablespace={name}")
        if not durable:
            options.append("-csynchronous_commit=off")
        return f"{self._address('postgresql+psycopg')}?options={'%20'.join(options)}"

    def session(self) -> psycopg.Connection:
        """Return a connection of its own, which commits every statement."""
        return psycopg.connect(self._address("postgresql"), autocommit=True)

    def crash(self) -> None:
        """Stop the server as a pulled plug does, without any farewell, and start it again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=START_S)
        self._process = self._start()

    def close(self) -> None:
        """Stop the server and delete what it wrote."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=START_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _address(self, scheme: str, database: str = "postgres") -> str:
        return f"{scheme}://{USER}@127.0.0.1:{self.port}/{database}"

    def _start(self) -> subprocess.Popen[bytes]:
        server = [str(self._bin_dir / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for option in ("listen_addresses=127.0.0.1", "unix_socket_directories="):
            server += ["-c", option]
        if setpriv := shutil.which("setpriv"):  # a test run that is killed takes its server along
            server = [setpriv, "--pdeathsig", "INT", *server]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(server, stdout=log, stderr=log, **self._as_user())
        give_up = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self._address("postgresql")).close()
                return process
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > give_up:
                    log_text = (self._folder / "log").read_text()
                    raise RuntimeError(f"PostgreSQL did not start: {log_text}") from None
            time.sleep(0.05)

    def _take_folder(self) -> None:
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            self._folder.chmod(0o755)
        self._give_to_server(self._data)

    def _give_to_server(self, folder: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")

    def _as_user(self) -> dict[str, Any]:
        """The server refuses to run as root; Debian's package brings a user for it."""
        if os.geteuid() != 0:
            return {"cwd": self._folder}
        owner = pwd.getpwnam("postgres")
        ids = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        return {"cwd": self._folder, **ids}


@cache
def server() -> PostgresServer:
    """Return the one server of this test run; skip the test where PostgreSQL is not installed."""
    return new_server()


def new_server() -> PostgresServer:
    """Return a server of one's own to crash: a new one is up again at once."""
    bin_dir = _find_bin_dir()
    if bin_dir is None:
        _refuse("PostgreSQL is not installed: apt-get install postgresql")
    return PostgresServer(bin_dir)


def _find_bin_dir() -> Path | None:
    """Debian keeps the server's programs off the path, one folder a version."""
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _refuse(reason: str) -> NoReturn:
    if os.environ.get("MOOLA_REQUIRE_POSTGRES"):
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
