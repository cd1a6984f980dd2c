"""Container engine for one command, on a machine without one: python -m tests.sam.engine IMAGE COMMAND...

The engine has its own network, mounts and processes, and no access to other networks. They end with the command.
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
"""Debian package of each program that is needed. busybox is for the image."""
BASE_IMAGE: Final = f"public.ecr.aws/lambda/python:{RUNTIME.removeprefix('python')}-{ARCHITECTURE}"
"""Base of the image that the SAM CLI builds (samcli/local/docker/lambda_image.py)."""
START_SECONDS: Final = 30.0


def install() -> None:
    """Install the packages of missing programs."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "--quiet", "--quiet"]
    install = [*apt, "install", "--yes", "--no-install-recommends", *missing]
    if subprocess.run(install, env=environment, check=False).returncode:  # apt's package lists are missing or outdated
        subprocess.run([*apt, "update"], env=environment, check=True)
        subprocess.run(install, env=environment, check=True)


def command_prefix(image: Path) -> list[str]:
    """Return the command prefix that runs a command with the engine. image: folder of the base image."""
    namespaces = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    return [*namespaces, sys.executable, "-m", "tests.sam.engine", str(image)]


def main(image: Path, command: Sequence[str]) -> int:
    """Start the engine inside its namespaces, run the command and return its exit code."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # The engine has its own sockets, and its images are removed with it.
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
