"""Remove what the commands of the Makefile created in the checkout, and nothing else.

usage: [VENV=folder] python3 local/clean.py
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local import ROOT
from local.environments import environment_folder, is_environment

CACHES: Final = (
    *(".aws-sam", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "local/javascript/node_modules"),
    *(f"layers/explorer/{name}" for name in (".esbuild", ".fetch", ".node", "explorer_assets", "src/vendor")),
)
"""Cache folders with names that the tools choose, and the folders of layers/explorer/fetch.py."""


def main() -> int:
    """Remove the folders and return the exit code.

    The exit code is 2, and nothing is removed, if a folder was not created by make or is in use.
    """
    environments = {environment_folder(), ROOT / ".venv-sam", ROOT / ".venv-scan", ROOT / ".venv-lake"}
    environments |= {path for path in ROOT.glob(".venv-*") if is_environment(path)}
    checks: dict[Path, Callable[[Path], bool]] = dict.fromkeys(sorted(environments), is_environment)
    checks[ROOT / ".data"] = _is_data_folder
    rejected = [path for path, is_ours in checks.items() if _holds_something(path) and not is_ours(path)]
    for path in rejected:
        print(f"make clean: {path} was not made by make, so nothing is removed: move it or delete it.", file=sys.stderr)
    if _in_use(ROOT / ".data"):
        print("make clean: .data is in use, so nothing is removed: stop the run.", file=sys.stderr)
    elif not rejected:
        for path in (*checks, *(ROOT / cache for cache in CACHES)):
            _remove(path)
        return 0
    return 2


def _holds_something(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and any(path.iterdir())


def _is_data_folder(path: Path) -> bool:
    """Return whether make run, make sam-local, make sam-test or make bench created the folder."""
    return any(child.name in ("lock", "sam-test") or child.name.startswith("bench-") for child in path.iterdir())


def _in_use(data: Path) -> bool:
    try:
        with (data / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _remove(path: Path) -> None:
    """Remove a file or folder. A symbolic link is removed without its target, a mount point is emptied."""
    if path.is_symlink():
        path.unlink()
    elif os.path.ismount(path):
        for child in path.iterdir():
            _remove(child)
    elif path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"make clean: {error.filename} cannot be removed: {error.strerror}.")
