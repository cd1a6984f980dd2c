"""The functions in SAM's emulator of Lambda (aws-lambda-rie), with only the packages of the layer.

`sam local` runs the same program in its containers. It handles one event at a time and starts the function's process
with the first event. It enforces the timeout, including that start, but not the memory.
"""

import json
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import httpx

from local import ROOT
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.lambda_errors import FunctionError, FunctionTimeout
from local.lambda_runtime.sandbox import FunctionSpec
from local.ports import free_ports
from local.processes import die_with_parent

RUNTIME: Final = ("awslambdaric", "simplejson", "snapshot-restore-py", "boto3", "botocore", "s3transfer", "urllib3")
"""Packages that Lambda's Python includes (docs.aws.amazon.com/lambda/latest/dg/lambda-python.html)."""
_MACHINES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}
_STARTS_WITHIN: Final = 60.0


class Emulator:
    """Function in the emulator. log: output of the function and the emulator."""

    def __init__(self, url: str, log: Path) -> None:
        self._invocations = f"{url}/2015-03-31/functions/function/invocations"
        self._log = log

    @property
    def log(self) -> str:
        """Output up to now."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def invoke(self, event: object) -> Any:
        """Return the handler's response to an event. Raises FunctionTimeout, FunctionError."""
        answer = httpx.post(self._invocations, json=event, timeout=None, trust_env=False)
        if answer.text.startswith("Task timed out after"):
            raise FunctionTimeout(answer.text)
        response = json.loads(answer.text)
        if isinstance(response, dict) and "errorType" in response:
            raise FunctionError.from_report(response)
        return response


@contextmanager
def emulated(spec: FunctionSpec, log: Path, python: tuple[str, ...] = ()) -> Iterator[Emulator]:
    """Run the emulator for a function. The function's process starts with the first event.

    python: options of the interpreter.
    """
    invocations, runtime_api = (f"127.0.0.1:{port}" for port in free_ports(2))
    command = [
        *(_program(), "--log-level", "error"),
        *("--runtime-interface-emulator-address", invocations, "--runtime-api-address", runtime_api),
        # Without site-packages, only the packages of a Lambda sandbox can be imported.
        *(sys.executable, "-S", *python, "-m", "awslambdaric", spec.handler),
    ]
    environment = spec.sandbox_environment(runtime_api) | {"AWS_LAMBDA_FUNCTION_TIMEOUT": f"{spec.timeout:.0f}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            die_with_parent(command),
            cwd=spec.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(invocations, process)
        yield Emulator(f"http://{invocations}", log)
    finally:
        _end(process)


def packaged(name: str, environment: Mapping[str, str], packages: Path) -> FunctionSpec:
    """Return the function `name` with a folder of packages, as in its sandbox."""
    spec = function_spec(name, environment)
    return replace(spec, python_path=(*spec.python_path, str(packages)))


def run_script(script: str, name: str, environment: Mapping[str, str], packages: Path, events: Sequence[object]) -> Any:
    """Run a script in a process with only the function's own modules and packages. Return the JSON of its last line.

    Its argument is the function's name, and its input the events as JSON.
    """
    run = subprocess.run(
        [sys.executable, "-S", "-c", script, name],
        env=packaged(name, environment, packages).sandbox_environment(""),
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def link_packages(folder: Path) -> Path:
    """Link the packages of the layer's lock file and of the runtime into a folder, from this environment.

    The lock files agree in their versions, so these are the layer's.
    """
    folder.mkdir()
    lock = (ROOT / "layers/shared/requirements.txt").read_text(encoding="utf-8")
    names = {*re.findall(r"^(\S+)==", lock, re.MULTILINE), *RUNTIME}
    for name in names:
        with suppress(PackageNotFoundError):  # another version of Python needs it
            package = distribution(name)
            for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
                (folder / top).symlink_to(str(package.locate_file(top)))
    return folder


def _program() -> str:
    name = f"aws-lambda-rie-{_MACHINES[platform.machine()]}"
    return str(distribution("aws-sam-cli").locate_file(f"samcli/local/rapid/{name}"))


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            time.sleep(0.005)
        else:
            return
    raise AssertionError(f"the emulator does not listen at {address}; its exit status: {process.poll()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the emulator. The functions' processes have their own groups and end when it has ended."""
    process.send_signal(signal.SIGTERM)
    process.wait()
