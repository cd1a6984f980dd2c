"""Fixtures for the checkouts, which share one download and one installation."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import ROOT
from local.pip_settings import pip_environment
from tests.env.checkouts import Make, checkout

CACHE = Path("/var/cache/kalshi-markets-api")


@pytest.fixture(scope="session")
def private_dir() -> Iterator[Path]:
    """Return a folder with mode 700, like a home directory."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def wheels(private_dir: Path) -> Path:
    """Return the folder of the wheels that `make run` installs. They are downloaded once."""
    folder = private_dir / "wheels"
    command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += [
        "--no-deps",
        "--require-hashes",
        f"--dest={folder}",
        f"--requirement={ROOT / 'local' / 'requirements.txt'}",
    ]
    subprocess.run(command, env=pip_environment(sys.executable), check=True)
    return folder


@pytest.fixture(scope="session")
def offline(wheels: Path) -> dict[str, str]:
    """Return variables of pip that allow only the wheels."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_CACHE_DIR": "1"}


Start = Callable[..., Make]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a make command in a folder. Commands are stopped at the end of the test."""
    started: list[Make] = []

    def start(folder: Path, target: str = "run", **options: object) -> Make:
        started.append(Make(folder, target, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for make in started:
        make.kill()


@pytest.fixture(scope="session")
def installed(private_dir: Path, offline: dict[str, str]) -> Path:
    """Return the environment of a first `make run`, which served and stopped, in a path with special characters."""
    folder = checkout(private_dir / 'it\'s "a" $HOME `x` \\ é\n%s {}')
    home_dir = private_dir / "home"
    home_dir.mkdir()
    run = Make(folder, "run", HOME=str(home_dir), **offline)
    try:
        run.wait_until_serving()
        run.stop()
    finally:
        run.kill()
    return folder / ".venv"


@pytest.fixture
def fresh(private_dir: Path, request: pytest.FixtureRequest) -> Path:
    """Return a checkout without an environment."""
    return checkout(private_dir / request.node.name)


@pytest.fixture
def ready(fresh: Path, installed: Path) -> Path:
    """Return a checkout with a link to the environment of the first run."""
    (fresh / ".venv").symlink_to(installed)
    return fresh


@pytest.fixture(scope="session", autouse=True)
def _cache() -> Iterator[None]:
    """Remove the copy of PostgreSQL that runs as root cache, unless it existed before."""
    there = CACHE.exists()
    yield
    if os.geteuid() == 0 and not there:
        shutil.rmtree(CACHE, ignore_errors=True)
