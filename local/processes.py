"""Helpers for child processes: start, signal, read output."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

GUARD: Final = Path(__file__).with_name("guard.py")


def die_with_parent(command: Sequence[str], signal_name: str = "KILL") -> list[str]:
    """Return the command so that it receives a signal when the thread that started it ends.

    The signal is Linux's PR_SET_PDEATHSIG (man 2 prctl). Without util-linux's setpriv, the command is unchanged, and
    guard() is needed.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, *command] if setpriv else list(command)


def guard(pid: int, signal_name: str = "KILL") -> None:
    """Let a child receive a signal when this process ends, if die_with_parent() could not do so."""
    if shutil.which("setpriv") is None:
        with suppress(BrokenPipeError):  # a run goes on without its guard
            print(pid, int(signal.Signals[f"SIG{signal_name}"]), file=_guard_process().stdin, flush=True)


@cache
def _guard_process() -> subprocess.Popen[str]:
    """Start local/guard.py once. Its pipe closes when this process ends, however that ends."""
    command = [sys.executable, "-I", str(GUARD)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)


async def start_child(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path
) -> asyncio.subprocess.Process:
    """Start a command in its own session, so that Ctrl+C does not reach it. Its stderr is merged into its stdout."""
    process = await asyncio.create_subprocess_exec(
        *die_with_parent(command),
        cwd=directory,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    guard(process.pid)
    return process


def signal_session(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to the process group of a child, if the child is running."""
    if process.returncode is None:  # otherwise its id may belong to another process
        # macOS raises PermissionError for a group of a child that has ended and was not awaited yet.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


async def iter_lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """Yield the lines that a child writes, of any length, without line ends, until it closes its output."""
    rest = b""
    while process.stdout and (chunk := await process.stdout.read(65536)):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")
