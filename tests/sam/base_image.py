"""Substitute for AWS's base image, built from this machine's Python, with the minimum that the SAM CLI needs.

Its C library is this machine's, not Amazon Linux's: a package that loads here may still fail to load on AWS.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from local import ROOT
from local.sam.cli import RUNTIME, sam_environment

PROGRAMS: Final = ("sh", "mv", "cp", "rm", "chmod", "cat", "ls", "mkdir", "env")
"""Programs of busybox. The build of the SAM CLI's image uses some of them."""
NOT_COPIED: Final = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "*-packages", "__pycache__", "config-*")
"""Parts of the standard library that are not copied."""
LIBRARIES: Final = (
    *("librt.so.1", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libutil.so.1", "libresolv.so.2"),
    *("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libnss_files.so.2", "libnss_dns.so.2"),
)
"""Libraries that compiled packages expect on every system (PEP 599), and those that the C library loads itself."""
ENVIRONMENT: Final = {
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}
"""Environment variables of AWS's image, and SSL_CERT_FILE."""
BOOTSTRAP: Final = f"""#!/bin/sh
export PYTHONPATH=/opt/python/lib/{RUNTIME}/site-packages:/opt/python:/var/runtime
cd "$LAMBDA_TASK_ROOT"
exec /var/lang/bin/{RUNTIME} -m awslambdaric "$_HANDLER"
"""
FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "var/runtime/bootstrap": BOOTSTRAP,
}


def make(root: Path) -> None:
    """Fill the folder with the files of the image."""
    shutil.rmtree(root, ignore_errors=True)
    python = _python()
    _copy_python(python, root / "var" / "lang")
    _install_runtime(root / "var" / "runtime")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    (root / "var" / "runtime" / "bootstrap").chmod(0o755)
    (root / "bin").mkdir()
    shutil.copy(shutil.which("busybox") or "busybox", root / "bin")
    for program in PROGRAMS:
        (root / "bin" / program).symlink_to("busybox")
    for folder in ("etc/ssl/certs", "usr/share/zoneinfo"):
        _copy(Path("/", folder), root)
    for library in _libraries(root):
        _copy(library, root)
    for folder in ("tmp", "var/task", "opt"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    _compile(python["executable"], root)


def load(root: Path, name: str) -> None:
    """Import the folder into the container engine as an image with the given name."""
    changes = [f"ENV {key}={value}" for key, value in ENVIRONMENT.items()] + ["WORKDIR /var/task"]
    options = [part for change in changes for part in ("--change", change)]
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as files:
        subprocess.run(["docker", "import", *options, "-", name], stdin=files.stdout, check=True)


def _python() -> dict[str, Any]:
    """Return the paths of the program and the standard library of the functions' version of Python."""
    script = (
        "import json, os, sys, sysconfig as c; base = {'base': sys.base_prefix, 'installed_base': sys.base_prefix};"
    )
    script += "print(json.dumps({'executable': os.path.realpath(sys.executable), 'library': c.get_path('stdlib', vars=base)}))"
    output = subprocess.run(
        [RUNTIME, "-c", script], env=sam_environment(), capture_output=True, text=True, check=True
    ).stdout
    paths: dict[str, Any] = json.loads(output)
    return paths


def _copy_python(python: dict[str, Any], prefix: Path) -> None:
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(python["executable"], prefix / "bin" / RUNTIME)
    shutil.copytree(python["library"], prefix / "lib" / RUNTIME, ignore=shutil.ignore_patterns(*NOT_COPIED))


def _install_runtime(folder: Path) -> None:
    """Install the runtime client and the AWS SDK, in the versions of `make test`."""
    pip = [RUNTIME, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-warn-conflicts"]
    lock = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^(?:awslambdaric|boto3)==\S+", lock, re.MULTILINE)
    subprocess.run([*pip, "--target", folder, *packages], env=sam_environment(), check=True)


def _libraries(root: Path) -> Iterator[Path]:
    """Yield the shared libraries of this machine that the image's programs load."""
    programs = [root / "bin" / "busybox", root / "var" / "lang" / "bin" / RUNTIME, *root.rglob("*.so")]
    output = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    paths = {Path(path) for path in re.findall(r"(/\S+) \(0x", output)}
    yield from paths
    [c_library] = {path.parent for path in paths if path.name == "libc.so.6"}
    yield from (c_library / name for name in LIBRARIES if (c_library / name).exists())


def _copy(path: Path, root: Path) -> None:
    """Copy a file or folder to the same path in the image."""
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, dirs_exist_ok=True)
    else:
        shutil.copy(path, target)


def _compile(python: str, root: Path) -> None:
    """Compile the standard library and the runtime, which halves the start time of a container."""
    environment_variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [python, "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash"]
    subprocess.run(
        [*command, root / "var" / "lang" / "lib", root / "var" / "runtime"], env=environment_variables, check=True
    )
