"""Child processes on systems other than Linux."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import GUARD, signal_session, start_child

CHILD = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


def test_at_the_end_of_the_input_every_child_receives_its_signal() -> None:
    children = [subprocess.Popen(CHILD, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"\n"  # Python handles SIGINT from now on
        ended, *running = children
        ended.kill()
        ended.wait()
        lines = [f"{ended.pid} 9", f"{running[0].pid} {signal.SIGTERM:d}", f"{running[1].pid} {signal.SIGKILL:d}"]
        guard = subprocess.run([sys.executable, "-I", GUARD], input="\n".join(lines), text=True, check=False)
        assert guard.returncode == 0
        assert [child.wait(60) for child in running] == [-signal.SIGTERM, -signal.SIGKILL]
    finally:
        for child in children:
            child.kill()
            child.communicate()


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError], ids=["Linux", "macOS"])
def test_a_child_that_has_just_ended_may_receive_a_signal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[OSError]
) -> None:
    async def run() -> int:
        child = await start_child(CHILD, environment=os.environ, directory=tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(os, "killpg", fail)
            signal_session(child, signal.SIGTERM)
        signal_session(child, signal.SIGKILL)
        await child.communicate()
        return await child.wait()

    def fail(*_: object) -> None:
        raise error

    assert asyncio.run(run()) == -signal.SIGKILL
