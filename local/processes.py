"""What all child processes have in common."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def die_with_parent(command: Sequence[str], signal_name: str = "KILL") -> list[str]:
    """The command, with the signal sent to it when the thread that started it ends, however it ends.

    That is Linux's PR_SET_PDEATHSIG (man 2 prctl); without util-linux's setpriv the command is left as it is.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, *command] if setpriv else list(command)


async def start_child(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path
) -> asyncio.subprocess.Process:
    """Starts a command in a session of its own, where no Ctrl+C reaches it; its stderr joins its stdout."""
    return await asyncio.create_subprocess_exec(
        *die_with_parent(command),
        cwd=directory,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


def signal_session(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signals a child and what it started; nothing happens when it has ended."""
    if process.returncode is None:  # else its id may be another's by now
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


async def iter_lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """The lines that a child writes, of any length, without their ends; it has closed its output when they end."""
    rest = b""
    while process.stdout and (chunk := await process.stdout.read(65536)):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")
