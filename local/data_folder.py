"""Data folder (DATA_DIR): the database and the small files that outlive a run."""

import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local import ROOT

API_USER: Final = "kalshi_api"
CRAWLER_USER: Final = "kalshi_crawler"
"""Database users of the functions. The folder stores their passwords."""


def stored_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
    """Return the text of a file that only its owner can read.

    If the file is missing, it is created with the text that `make` returns.
    """
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
        fresh.replace(path)
    return path.read_text()


class FolderInUse(Exception):
    """Data folder that another run uses."""


class DataFolder:
    """Data folder for one run at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[bytes] | None = None

    def __str__(self) -> str:
        return os.path.relpath(self.path, ROOT) if self.path.is_relative_to(ROOT) else str(self.path)

    def lock(self) -> None:
        """Lock the folder until unlock() or the end of this process. Raises FolderInUse, OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise FolderInUse(
                f"{self} is in use: stop the other run, or choose another with DATA_DIR={self}-2"
            ) from None
        self._lock = lock

    def unlock(self) -> None:
        """Unlock the folder."""
        if self._lock:
            self._lock.close()

    def password(self, user: str) -> str:
        """Return the random password of a user, which is created once."""
        return stored_secret(self.path / f"{user}.password")

    def exchange_key(self) -> Path:
        """Return the PEM file of a private key, which is created once. The simulated exchange accepts the key."""
        file = self.path / "exchange-key.pem"
        stored_secret(file, _new_key)
        return file

    def record_source(self, source: str) -> str | None:
        """Record the source of the markets. Return the previous source if it was another one."""
        file = self.path / "source"
        previous = file.read_text(encoding="utf-8") if file.exists() else source
        file.write_text(source, encoding="utf-8")
        return previous if previous != source else None


def _new_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
