"""The simulated exchange as a child process."""

import sys
from pathlib import Path
from typing import Final

from local.child_process import ChildProcess
from local.settings import Settings

KEY_ID: Final = "local"


def exchange_process(
    settings: Settings, key_file: Path, *options: str, host: str = "127.0.0.1", port: int = 0
) -> ChildProcess:
    """Return the process `python -m local.exchange`, by default on a free port.

    key_file: private key of the customer KEY_ID.
    options: more options of the command.
    """
    command = [sys.executable, "-m", "local.exchange", "--host", host, "--port", str(port), *options]
    command += ["--markets", str(settings.markets), "--api-key", f"{KEY_ID}={key_file}"]
    if settings.recording:
        command += ["--recording", str(settings.recording)]
    return ChildProcess("exchange", command, r"exchange: \d+ markets at (\S+)")
