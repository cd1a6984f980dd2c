"""Temporary checkouts, and commands of the Makefile that run in them as in a terminal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from local import ROOT
from tests.support.program import Program

PYTHON: Final = f"{sys.base_prefix}/bin/python3"
SECONDS: Final = 240.0
"""Limit of one wait in seconds. It is generous for a machine with other load."""
PARTS: Final = ("Makefile", "local", "functions", "layers")
"""Files and folders of a checkout that `make run` and `make clean` need."""


def checkout(folder: Path) -> Path:
    """Copy the files of a checkout into the folder, without environments; the pages may be built already."""
    folder.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(
                ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules", ".node")
            )
        else:
            shutil.copy(ROOT / part, folder)
    return folder


class Make(Program):
    """One make command with a free port and a small exchange.

    prefix: command in front of make, such as setpriv.
    """

    def __init__(self, folder: Path, target: str, *, prefix: Sequence[str] = (), **variables: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PORT": "0", "MARKETS": "300"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", **variables}
        (folder / "home").mkdir(exist_ok=True)
        self.folder = folder
        command = [*prefix, "make", target, f"PYTHON={PYTHON}"]
        super().__init__(command, folder=folder, environment=environment, seconds=SECONDS)

    def wait_until_serving(self) -> str:
        """Wait until the command serves markets and return its address."""
        address = self.wait_for_line(r"gateway +(http://\S+)")
        self.wait_for_line("first run has ended")
        markets = httpx.get(f"{address}/markets", params={"limit": 1000}, timeout=SECONDS).raise_for_status().json()
        assert markets["count"] > 250, self.output
        return address

    def interrupt(self) -> None:
        """Press Ctrl+C: send SIGINT to make and its process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def cancel(self) -> None:
        """Press Ctrl+C until make ends. Make ignores a SIGINT that arrives before it has started its command."""
        while self.process.poll() is None:
            self.interrupt()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.wait()

    def stop(self) -> None:
        """Press Ctrl+C once, and check that the run stops cleanly and leaves no process."""
        self.interrupt()
        self.wait()
        assert self.lines[-1].startswith("stopped:"), self.output
        assert "Traceback" not in self.output

    def wait(self) -> int:
        """Wait for the end of all its processes and return make's exit code."""
        code = super().wait()
        deadline = time.monotonic() + SECONDS
        while (left := list(_processes(self.folder))) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == []
        return code

    def kill(self) -> None:
        """Stop the command that a failed test left running."""
        if self.process.poll() is None:
            self.interrupt()
            self.process.wait(SECONDS)
        self._reader.join(SECONDS)


def _processes(folder: Path) -> Iterator[str]:
    """Yield the command lines of processes that run in the folder or by its programs."""
    inside = str(folder)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            paths = [str(process.joinpath(name).readlink()) for name in ("cwd", "exe")]
            command = process.joinpath("cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if any(path.startswith(f"{inside}/") or path == inside for path in paths) or f"{inside}/" in command:
            yield command.replace("\0", " ")
