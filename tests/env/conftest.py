"""One download and one installation, which the checkouts share."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.pip_settings import pip_environment
from tests.env.checkouts import ROOT, Make, checkout

CACHE = Path("/var/cache/kalshi-markets-api")


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder that only its owner may enter, as a home is."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def wheels(place: Path) -> Path:
    """What `make run` installs, fetched once."""
    folder = place / "wheels"
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
    """pip's variables for an installation from there."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_CACHE_DIR": "1"}


Start = Callable[..., Make]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command of make in a folder; what still runs at the end of the test is ended."""
    started: list[Make] = []

    def start(folder: Path, target: str = "run", **options: object) -> Make:
        started.append(Make(folder, target, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for make in started:
        make.kill()


@pytest.fixture(scope="session")
def installed(place: Path, offline: dict[str, str]) -> Path:
    """The environment of a first `make run`, which served and stopped, in a path with any characters."""
    folder = checkout(place / 'it\'s "a" $HOME `x` \\ é\n%s {}')
    home = place / "home"
    home.mkdir()
    run = Make(folder, "run", HOME=str(home), **offline)
    try:
        run.serves()
        run.stops()
    finally:
        run.kill()
    return folder / ".venv"


@pytest.fixture
def fresh(place: Path, request: pytest.FixtureRequest) -> Path:
    """A checkout without an environment."""
    return checkout(place / request.node.name)


@pytest.fixture
def ready(fresh: Path, installed: Path) -> Path:
    """A checkout with a link to the environment of the first run."""
    (fresh / ".venv").symlink_to(installed)
    return fresh


@pytest.fixture(scope="session", autouse=True)
def _cache() -> Iterator[None]:
    """What root's runs keep for the next ones goes, unless it was there."""
    there = CACHE.exists()
    yield
    if os.geteuid() == 0 and not there:
        shutil.rmtree(CACHE, ignore_errors=True)
