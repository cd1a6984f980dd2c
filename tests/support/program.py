"""Child process whose output a test follows line by line."""

import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Program:
    """Running command in its own process group.

    seconds: limit of each wait.
    lines: lines of its output and its errors up to now.
    """

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], seconds: float) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )
        self._seconds = seconds
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.lines.extend(line.rstrip("\n") for line in lines)

    @property
    def output(self) -> str:
        """All lines up to now."""
        return "\n".join(self.lines)

    def wait_for_line(self, pattern: str) -> str:
        """Wait for a line that matches and return its last group, or the match if the pattern has no group."""
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            ended = not self._reader.is_alive()
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match[match.lastindex or 0]
            assert not ended, f"it ended without {pattern}:\n{self.output}"
            time.sleep(0.01)
        raise AssertionError(f"no {pattern} in\n{self.output}")

    def wait(self) -> int:
        """Wait for the end of the process and of its output, and return the exit code."""
        code = self.process.wait(self._seconds)
        self._reader.join(self._seconds)
        return code
