"""The SAM CLI of .venv-sam: build, invoke, and the two servers; its failures as Lambda's."""

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
from local.processes import die_with_parent, signal_session

BIN: Final = ROOT / ".venv-sam" / "bin"
RUNTIME: Final = f"python{(ROOT / '.python-version').read_text(encoding='ascii').strip()}"
ARCHITECTURE: Final = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
"""This machine's, in Lambda's word."""
CONFIG: Final = ROOT / "samconfig.toml"
BUILD: Final = ROOT / ".aws-sam" / "build"
VARIABLES: Final = ROOT / "local" / "sam" / "environment.json"
"""Of the functions beside what local/sam/host.py starts."""
STOP_SECONDS: Final = 15.0
"""It stops its containers first."""
_ERROR: Final = {"errorType", "errorMessage"}


class SamFailed(Exception):
    """A command of the SAM CLI failed; the message is its own."""


def environment() -> dict[str, str]:
    """Of its processes. No AWS account that this machine knows is asked, or handed to the functions."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return ours | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "TMPDIR": _temporary_folder(),
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@cache
def _temporary_folder() -> str:
    """One for this process: an interrupted SAM CLI leaves a lock behind there, and the next one waits for it."""
    folder = tempfile.mkdtemp(prefix="sam-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def finds_python() -> bool:
    """Whether `sam build` will find the functions' version of Python, which it needs for choosing packages."""
    python = shutil.which(RUNTIME, path=environment()["PATH"])
    return python is not None and not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode


@dataclass(frozen=True)
class Sam:
    """The SAM CLI, for functions of one architecture.

    variables: a file with what the functions' environment says. folder: where it builds, and runs what was built.
    """

    architecture: str = ARCHITECTURE
    variables: Path = VARIABLES
    folder: Path = BUILD

    async def build(self, log: Log) -> None:
        """Builds functions and layer. log: takes the lines that it says meanwhile. Raises SamFailed."""
        output, stderr, code = await _run(self._command("build", "--build-dir", str(self.folder)))
        for line in (output + stderr).splitlines():
            log(line)
        if code:
            raise SamFailed(_last_line(stderr))

    async def invoke(self, function: str, event: bytes, log: Log) -> bytes:
        """`sam local invoke`: the function's response in a new container. log: takes the lines that it writes.

        Raises LambdaError, SamFailed. The command itself ends with 0 after a timeout and after an error, too.
        """
        output, stderr, code = await _run(self._local("invoke", function, "--event", "-"), event)
        for line in stderr.splitlines():
            if line.startswith("{"):  # the rest is the CLI's own
                log(line)
        if code:
            raise SamFailed(_last_line(stderr))
        return response(output, stderr)

    def serve(self, what: str, port: int, component: str) -> ChildProcess:
        """`sam local start-api` or `start-lambda`, on a port of 127.0.0.1."""
        command = self._local(what, "--port", str(port))
        return ChildProcess(
            component, command, r"Running on (http://\S+)", environment=environment(), stop_seconds=STOP_SECONDS
        )

    def _local(self, *arguments: str) -> list[str]:
        built, variables = str(self.folder / "template.yaml"), str(self.variables)
        return self._command("local", *arguments, "--template", built, "--env-vars", variables)

    def _command(self, *arguments: str) -> list[str]:
        given = ["--config-file", str(CONFIG), "--parameter-overrides", f"Architecture={self.architecture}"]
        return [str(BIN / "sam"), *arguments, *given]


@dataclass(frozen=True)
class SamFunction:
    """A function of the stack, as the scheduler takes it."""

    sam: Sam
    name: str
    log: Log

    async def invoke(self, event: bytes) -> bytes:
        """Its response. Raises LambdaError."""
        try:
            return await self.sam.invoke(self.name, event, self.log)
        except SamFailed as error:
            raise LambdaError(str(error)) from None


def response(output: str, stderr: str) -> bytes:
    """What `sam local invoke` stands for, by its output and its messages. Raises LambdaError."""
    payload = output.strip()
    if not payload:
        if over := next((line for line in stderr.splitlines() if "timed out after" in line), None):
            raise FunctionTimeout(over)
        raise SandboxEnded(_last_line(stderr))
    value: Any = json.loads(payload)
    if isinstance(value, dict) and value.keys() >= _ERROR:
        raise FunctionError.from_report(value)
    return payload.encode()


async def _run(command: list[str], event: bytes = b"") -> tuple[str, str, int]:
    """Its output, its messages and its exit code. When it is given up, it takes its container with it."""
    process = await asyncio.create_subprocess_exec(
        *die_with_parent(command, "INT"),
        cwd=ROOT,
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    ending = asyncio.ensure_future(process.communicate(event))
    try:
        output, stderr = await asyncio.shield(ending)
    except asyncio.CancelledError:
        signal_session(process, signal.SIGINT)  # at SIGTERM it would leave its container
        await asyncio.wait({ending}, timeout=STOP_SECONDS)
        signal_session(process, signal.SIGKILL)
        await ending
        raise
    return output.decode(), stderr.decode(errors="replace"), await process.wait()


def _last_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return (lines or ["it said nothing"])[-1]
