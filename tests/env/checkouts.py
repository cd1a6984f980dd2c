"""Temporary checkouts, and commands of the Makefile that run in them as in a terminal."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

ROOT: Final = Path(__file__).parent.parent.parent
PYTHON: Final = f"{sys.base_prefix}/bin/python3"
SECONDS: Final = 240.0
"""Limit of one wait in seconds. It is generous for a machine with other load."""
PARTS: Final = ("Makefile", "local", "functions", "layers")
"""Files and folders of a checkout that `make run` and `make clean` need."""


def checkout(folder: Path) -> Path:
    """Copy the files of a checkout into the folder, without anything that was created there."""
    folder.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder)
    return folder


class Make:
    """One make command in its own process group, with a free port and a small exchange.

    around: command that runs it, such as setpriv.
    """

    def __init__(self, folder: Path, target: str, *, around: Sequence[str] = (), **variables: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PORT": "0", "MARKETS": "300"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", **variables}
        (folder / "home").mkdir(exist_ok=True)
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*around, "make", target, f"PYTHON={PYTHON}"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.lines.extend(line.rstrip("\n") for line in lines)

    @property
    def output(self) -> str:
        """All lines written up to now."""
        return "\n".join(self.lines)

    def until(self, pattern: str) -> str:
        """Wait for a line that matches and return its first group."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            ended = not self._reader.is_alive()
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match[match.lastindex or 0]
            assert not ended, f"it ended without {pattern}:\n{self.output}"
            time.sleep(0.02)
        raise AssertionError(f"no {pattern} in\n{self.output}")

    def serves(self) -> str:
        """Wait until the command serves markets and return its address."""
        address = self.until(r"gateway +(http://\S+)")
        self.until("first run has ended")
        markets = httpx.get(f"{address}/markets", params={"limit": 1000}, timeout=20).raise_for_status().json()
        assert 250 < markets["count"] < 350, self.output
        return address

    def interrupt(self) -> None:
        """Press Ctrl+C: send SIGINT to make and its process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def gives_up(self) -> None:
        """Press Ctrl+C until make ends: make ignores a SIGINT that arrives before it has started its command."""
        while self.process.poll() is None:
            self.interrupt()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.ended()

    def stops(self) -> None:
        """Press Ctrl+C, and check that the run stops cleanly and leaves no process."""
        self.interrupt()
        self.ended()
        assert self.lines[-1].startswith("stopped:"), self.output
        assert "Traceback" not in self.output

    def ended(self) -> int:
        """Wait for the end of all its processes and return make's exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        deadline = time.monotonic() + 5
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
