"""A container engine for one command, on a machine that has none: python -m tests.sam.engine IMAGE COMMAND...

It has a network, mounts and processes of its own, without a way out; all of it ends with it, however it ends.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.sam.cli import ARCHITECTURE, RUNTIME
from tests.sam import base_image

PACKAGES: Final = {"dockerd": "docker.io", "iptables": "iptables", "ip": "iproute2", "busybox": "busybox-static"}
"""Debian's, by the program that is wanted of them. busybox is for the image."""
BASE_IMAGE: Final = f"public.ecr.aws/lambda/python:{RUNTIME.removeprefix('python')}-{ARCHITECTURE}"
"""What the SAM CLI builds its own image from (samcli/local/docker/lambda_image.py)."""
START_SECONDS: Final = 30.0


def install() -> None:
    """Installs the packages whose programs are missing."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "--quiet", "--quiet"]
    install = [*apt, "install", "--yes", "--no-install-recommends", *missing]
    if subprocess.run(install, env=environment, check=False).returncode:  # its lists are old, or there are none
        subprocess.run([*apt, "update"], env=environment, check=True)
        subprocess.run(install, env=environment, check=True)


def around(image: Path) -> list[str]:
    """What to put before a command. image: the folder of the base image."""
    own = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    return [*own, sys.executable, "-m", "tests.sam.engine", str(image)]


def main(image: Path, command: Sequence[str]) -> int:
    """Within: starts the engine, and runs the command beside it; its exit code."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # The engine's sockets are not the machine's, and its images are gone with it.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    log = Path("/run/dockerd.log")
    with log.open("wb") as output:
        daemon = subprocess.Popen(["dockerd", "--data-root", "/run/images"], stdout=output, stderr=output)
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"dockerd did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)
    base_image.load(image, BASE_IMAGE)
    return subprocess.run(command, env={**os.environ, "SAM_SKIP_PULL_IMAGE": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
