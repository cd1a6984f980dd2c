"""`make sam-test`: build the stack for both architectures, then run the tests of this folder on the builds.

With a container engine, the tests use it and AWS's image. Without one, they start an engine with a substitute image.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from local import ROOT
from local.explorer import FETCH
from local.sam.cli import BIN, RUNTIME, Sam, SamFailed, finds_python, sam_environment
from local.sam.host import NoEngine, find_containers_host
from tests.sam import base_image, engine

FOLDER: Final = ROOT / ".data" / "sam-test"
ARCHITECTURES: Final = ("arm64", "x86_64")


def build_for(architecture: str) -> Sam:
    """Return the SAM CLI for the build of an architecture."""
    return Sam(architecture, folder=FOLDER / architecture)


def main(arguments: Sequence[str]) -> int:
    """Run `make sam-test` and return the exit code. arguments: for pytest."""
    if not finds_python():
        print(f"make sam-test: {RUNTIME}, which the functions run on, must be on PATH")
        return 1
    try:
        find_containers_host()
        prefix: list[str] = []
    except NoEngine:
        engine.install()
        base_image.make(FOLDER / "image")
        prefix = engine.command_prefix(FOLDER / "image")
    subprocess.run(
        [sys.executable, FETCH], check=True
    )  # the tests compare pages of the build with those of the sources
    subprocess.run([BIN / "sam", "validate", "--lint"], cwd=ROOT, env=sam_environment(), check=True)
    for architecture in ARCHITECTURES:
        asyncio.run(build_for(architecture).build(print))
    asyncio.run(Sam(ARCHITECTURES[0]).build(print))  # `make deploy` builds it again, without a network
    tests = [sys.executable, "-m", "pytest", "tests/sam", *arguments]
    return subprocess.run([*prefix, *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (SamFailed, subprocess.CalledProcessError) as error:
        sys.exit(f"make sam-test: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
