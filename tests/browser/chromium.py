"""Chromium or Google Chrome for the tests in a browser: found, or installed with Debian's packages."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
"""Programs on PATH that are tried, in this order."""
PACKAGE: Final = "chromium"
OPTIONS: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--no-first-run",
)
"""Options that keep the browser from sending requests of its own, and that make pictures the same everywhere."""
MISSING: Final = "Chromium is missing: install chromium or google-chrome, or set CHROMIUM to the path of its program."


class ChromiumMissing(Exception):
    """Browser that is missing and cannot be installed. The message says what to do."""


def find_chromium() -> str | None:
    """Return the path of the program: CHROMIUM if it is set, or the first of NAMES on PATH.

    Raises ChromiumMissing if CHROMIUM names no program.
    """
    if name := os.environ.get("CHROMIUM"):
        if path := shutil.which(name):
            return path
        raise ChromiumMissing("CHROMIUM names no program: set it to the path of Chromium, or remove it.")
    return next(filter(None, map(shutil.which, NAMES)), None)


def ensure_chromium() -> str:
    """Return the path of the program. On Debian it is installed if it is missing. Raises ChromiumMissing."""
    if path := find_chromium():
        return path
    prefix = _root_prefix()
    if not _is_debian() or prefix is None:
        raise ChromiumMissing(MISSING)
    print(f"chromium   installing Debian's package {PACKAGE}, once", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update",), ("install", "--yes", "--no-install-recommends", PACKAGE)):
        command = [*prefix, "apt-get", "--quiet", "--quiet", *arguments]
        if subprocess.run(command, env=environment, check=False, stdin=subprocess.DEVNULL).returncode:
            raise ChromiumMissing(f"apt-get did not install {PACKAGE}: see its output above. {MISSING}")
    if path := find_chromium():
        return path
    raise ChromiumMissing(MISSING)


def launch_options() -> list[str]:
    """Return the options of the program. Chromium has no sandbox for root."""
    return [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def _is_debian() -> bool:
    """Return whether the system is Debian. Ubuntu has no Chromium but as a snap, which containers cannot run."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^ID=\"?debian\"?$", release, re.MULTILINE) is not None


def _root_prefix() -> list[str] | None:
    """Return the words before a command that needs root, or None if nothing makes this user root."""
    if os.geteuid() == 0:
        return []
    command = ["sudo", "--non-interactive", "true"]
    has_sudo = shutil.which("sudo") and subprocess.run(command, check=False, capture_output=True).returncode == 0
    return command[:-1] if has_sudo else None
