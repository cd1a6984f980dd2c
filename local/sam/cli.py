"""The SAM CLI of .venv-sam: build, invoke and the two servers, with failures as LambdaError."""

import asyncio
import atexit
import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from local import ROOT
from local.child_process import ChildProcess
from local.lambda_runtime.lambda_errors import FunctionError, FunctionTimeout, LambdaError, SandboxEnded
from local.lambda_runtime.sandbox import REGION, Log
from local.processes import die_with_parent, guard, signal_session

BIN: Final = ROOT / ".venv-sam" / "bin"
RUNTIME: Final = f"python{(ROOT / '.python-version').read_text(encoding='ascii').strip()}"
ARCHITECTURE: Final = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
"""Architecture of this machine, as Lambda names it."""
CONFIG: Final = ROOT / "samconfig.toml"
BUILD: Final = ROOT / ".aws-sam" / "build"
VARIABLES: Final = ROOT / "local" / "sam" / "environment.json"
"""Environment variables of the functions. They name the servers that local/sam/host.py starts."""
STOP_SECONDS: Final = 15.0
"""The SAM CLI stops its containers first."""
_ERROR: Final = {"errorType", "errorMessage"}


class SamFailed(Exception):
    """Command of the SAM CLI that failed. The message is the last line of its stderr."""


def sam_environment() -> dict[str, str]:
    """Return the environment variables of the SAM CLI's processes.

    They have no AWS credentials or profiles of this machine, so that neither the SAM CLI nor a function uses them.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **inherited,
        **sam_variables(),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def sam_variables() -> dict[str, str]:
    """Return the variables that every command of the SAM CLI needs: its own program first, a folder, no telemetry."""
    return {"PATH": f"{BIN}:{os.environ['PATH']}", "TMPDIR": _temporary_folder(), "SAM_CLI_TELEMETRY": "0"}


@cache
def _temporary_folder() -> str:
    """Return a temporary folder for this process.

    An interrupted SAM CLI leaves a lock in its temporary folder, and the next one would wait for it.
    """
    folder = tempfile.mkdtemp(prefix="sam-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def finds_python() -> bool:
    """Return whether `sam build` can find the functions' version of Python, which it needs to select packages."""
    python = shutil.which(RUNTIME, path=sam_environment()["PATH"])
    return python is not None and not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode


@dataclass(frozen=True)
class Sam:
    """The SAM CLI, for functions of one architecture.

    variables: JSON file with the functions' environment variables.
    folder: build folder. The functions run from there.
    """

    architecture: str = ARCHITECTURE
    variables: Path = VARIABLES
    folder: Path = BUILD

    async def build(self, log: Log) -> None:
        """Build the functions and the layer. Raises SamFailed.

        log: receives the lines that the SAM CLI writes.
        """
        output, stderr, code = await _run(self._command("build", "--build-dir", str(self.folder)))
        for line in (output + stderr).splitlines():
            log(line)
        if code:
            raise SamFailed(_last_line(stderr))

    async def invoke(self, function: str, event: bytes, log: Log) -> bytes:
        """Run `sam local invoke` in a new container and return the function's response. Raises LambdaError, SamFailed.

        log: receives the lines that the function writes.
        The exit code of the command is 0 after a timeout and after an error, too.
        """
        output, stderr, code = await _run(self._local("invoke", function, "--event", "-"), event)
        for line in stderr.splitlines():
            if line.startswith("{"):  # the other lines are the CLI's own
                log(line)
        if code:
            raise SamFailed(_last_line(stderr))
        return parse_response(output, stderr)

    def server(self, command: str, port: int, component: str) -> ChildProcess:
        """Return the process of `sam local start-api` or `start-lambda`, on a port of 127.0.0.1."""
        arguments = self._local(command, "--port", str(port))
        return ChildProcess(
            component, arguments, r"Running on (http://\S+)", environment=sam_environment(), stop_seconds=STOP_SECONDS
        )

    def _local(self, *arguments: str) -> list[str]:
        built, variables = str(self.folder / "template.yaml"), str(self.variables)
        return self._command("local", *arguments, "--template", built, "--env-vars", variables)

    def _command(self, *arguments: str) -> list[str]:
        options = ["--config-file", str(CONFIG), "--parameter-overrides", f"Architecture={self.architecture}"]
        return [str(BIN / "sam"), *arguments, *options]


@dataclass(frozen=True)
class SamFunction:
    """Function of the stack, with the interface that the scheduler requires."""

    sam: Sam
    name: str
    log: Log

    async def invoke(self, event: bytes) -> bytes:
        """Return the function's response to an event, both as JSON. Raises LambdaError."""
        try:
            return await self.sam.invoke(self.name, event, self.log)
        except SamFailed as error:
            raise LambdaError(str(error)) from None


def parse_response(output: str, stderr: str) -> bytes:
    """Return the function's response from the output of `sam local invoke`. Raises LambdaError."""
    payload = output.strip()
    if not payload:
        if message := next((line for line in stderr.splitlines() if "timed out after" in line), None):
            raise FunctionTimeout(message)
        raise SandboxEnded(_last_line(stderr))
    value: Any = json.loads(payload)
    if isinstance(value, dict) and value.keys() >= _ERROR:
        raise FunctionError.from_report(value)
    return payload.encode()


async def _run(command: list[str], event: bytes = b"") -> tuple[str, str, int]:
    """Run a command and return its stdout, stderr and exit code. A cancellation also stops its container."""
    process = await asyncio.create_subprocess_exec(
        *die_with_parent(command, "INT"),
        cwd=ROOT,
        env=sam_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    guard(process.pid, "INT")
    outputs = asyncio.ensure_future(process.communicate(event))
    try:
        output, stderr = await asyncio.shield(outputs)
    except asyncio.CancelledError:
        signal_session(process, signal.SIGINT)  # after SIGTERM the container would continue
        await asyncio.wait({outputs}, timeout=STOP_SECONDS)
        signal_session(process, signal.SIGKILL)
        await outputs
        raise
    return output.decode(), stderr.decode(errors="replace"), await process.wait()


def _last_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return (lines or ["it printed no error"])[-1]
