"""Virtual environments with a marker file: created once, and never in a folder with other contents.

Each group has a marker file, GROUP.installed. It is created empty, and receives the digest of the group's lock files
after everything is installed and imported. An environment with an empty marker was interrupted and is rebuilt.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local import ROOT
from local.pip_settings import pip_environment


@dataclass(frozen=True)
class Group:
    """Packages that some commands need.

    locks: lock files that pin the packages.
    modules: comma-separated modules that can be imported when the packages are installed.
    """

    locks: tuple[str, ...]
    modules: str


GROUPS: Final = {
    "local": Group(
        ("local/requirements.txt",), "cryptography.x509, dotenv, fastapi, httpx, mangum, pg8000, psutil, uvicorn"
    ),
    "tests": Group(
        ("tests/requirements.txt", "tests/emulator.txt"), "duckdb, fastapi, moto, pandas, psycopg, pytest, uv"
    ),
    "browser": Group(("tests/browser/requirements.txt",), "PIL.Image, playwright.sync_api"),
    "scan": Group(("tests/scan.txt",), "checkov"),
    "lake": Group(("tests/engines/requirements.txt",), "duckdb, moto, polars, pyspark, pytest, sqlglot"),
    "sam": Group(("local/sam/requirements.txt",), "moto, samcli"),
}


class EnvironmentFailure(Exception):
    """Environment that cannot be built. The message gives the reason and a solution."""


def environment_folder() -> Path:
    """Return the folder that VENV names, by default .venv."""
    return ROOT / os.path.expanduser(os.environ.get("VENV") or ".venv")  # noqa: PTH111  # never raises


def is_environment(folder: Path) -> bool:
    """Return whether this module created the folder, complete or not."""
    return any(_marker(folder, group).exists() for group in GROUPS)


def environment(group: str) -> str:
    """Return the path of Python in the environment after the group is installed. Raises EnvironmentFailure."""
    if os.pathsep in str(ROOT):
        raise EnvironmentFailure(f"{ROOT} has a '{os.pathsep}', which separates paths in variables: move the checkout.")
    folder = environment_folder()
    try:
        if folder.exists() and any(folder.iterdir()) and not is_environment(folder):
            raise EnvironmentFailure(
                f"VENV: {folder} was not made by make, so it is not changed: name a new folder, such as VENV=.venv-2."
            )
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _ensure(folder, group)
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(f"VENV: {folder} cannot be an environment ({error}).") from None
    return _python(folder)


def _ensure(folder: Path, group: str) -> None:
    marker = _marker(folder, group)
    digest = hashlib.sha256(b"".join((ROOT / lock).read_bytes() for lock in GROUPS[group].locks)).hexdigest()
    complete = _runs(folder, "") and not any(path.exists() and not path.read_text() for path in _markers(folder))
    if complete and marker.exists() and marker.read_text() == digest:
        return
    marker.write_text("")
    if not complete:
        _create(folder, marker)
    _install(folder, group)
    marker.write_text(digest)


def _create(folder: Path, marker: Path) -> None:
    try:
        import ensurepip  # noqa: F401  # Debian ships python3 without it
    except ImportError:
        raise EnvironmentFailure(
            "python3 cannot create environments here: install its module venv (apt-get install python3-venv)."
        ) from None
    print(f"python     {folder.name} with Python {sys.version.split()[0]}", flush=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != marker:
            path.unlink()
    try:
        venv.create(folder, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        raise EnvironmentFailure(f"pip cannot be installed into {folder}: {_last_line(error.output)}") from None


def _install(folder: Path, group: str) -> None:
    print(f"python     installing the packages of {group}, once", flush=True)
    python = _python(folder)
    try:
        settings = pip_environment(python)
    except subprocess.CalledProcessError as error:
        raise EnvironmentFailure(f"pip's settings cannot be read: {_last_line(error.stderr)}") from None
    pip = [
        *(python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"),
        "--no-deps",  # the lock files list every package
        *(f"--requirement={ROOT / lock}" for lock in GROUPS[group].locks),
    ]
    if subprocess.run(pip, env=settings, check=False).returncode:
        raise EnvironmentFailure(f"pip did not install the packages of {group}: see its output above.")
    if not _runs(folder, f"import {GROUPS[group].modules}", show=True):
        raise EnvironmentFailure(
            f"the packages of {group} are installed in {folder}, but cannot be imported: see above."
        )


def _marker(folder: Path, group: str) -> Path:
    return folder / f"{group}.installed"


def _markers(folder: Path) -> list[Path]:
    return [_marker(folder, group) for group in GROUPS]


def _python(folder: Path) -> str:
    return str(folder / "bin" / "python")


def _runs(folder: Path, code: str, *, show: bool = False) -> bool:
    output = None if show else subprocess.DEVNULL
    try:
        command = [_python(folder), "-I", "-c", code]
        return subprocess.run(command, stdout=output, stderr=output, check=False).returncode == 0
    except OSError:
        return False


def _last_line(output: bytes | str) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    return (text.splitlines() or ["it printed no error"])[-1]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder, so that two commands at the same time build it once."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"python     another command builds {folder.name}: waiting for it", flush=True)
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
