"""Generator of the lock files: every direct and transitive dependency with its hashes.

Lambda's packages (layers/shared), local and tests have separate lock files. A package has the same version in all of
them. npm's packages have theirs in layers/explorer and local/javascript. checkov, the SAM CLI and Spark need other
versions and have their own environments. The tests use the emulator of the SAM CLI, without its dependencies. The tests
in a browser add packages to those of the tests. npm must be on PATH.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

OPTIONS = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--upgrade"]
# Lambda's Python has the AWS SDK (docs.aws.amazon.com/lambda/latest/dg/lambda-python.html): 17 of our 27 MB, zipped.
IN_LAMBDA = ("boto3", "botocore", "s3transfer", "urllib3")
RUNTIME, LOCAL, TESTS = (f"{folder}/requirements.txt" for folder in ("layers/shared", "local", "tests"))
SAM = "local/sam/requirements.txt"

for output, *arguments in (
    (RUNTIME, "pyproject.toml", *(f"--no-emit-package={name}" for name in IN_LAMBDA)),
    (LOCAL, "pyproject.toml", "--extra", "local", "--constraint", RUNTIME),
    (TESTS, "pyproject.toml", "--extra", "dev", "--constraint", LOCAL),
    ("tests/browser/requirements.txt", "--group", "browser", "--constraint", TESTS),
    (SAM, "--group", "local-sam"),
    ("tests/emulator.txt", "--group", "sam", "--no-deps", "--constraint", SAM),
    ("tests/scan.txt", "--group", "scan"),
    ("tests/engines/requirements.txt", "--group", "lake"),
    ("layers/explorer/requirements.txt", "--group", "node"),
):
    command = [sys.executable, "-m", "uv", "pip", "compile", *arguments, *OPTIONS, "--output-file", output]
    subprocess.run(command, check=True)
    print(f"wrote {output}")

NPM = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
for folder in (Path("layers/explorer"), Path("local/javascript")):
    # In a new folder: beside node_modules, npm would copy its versions without their digests.
    with TemporaryDirectory() as fresh:
        shutil.copy(folder / "package.json", fresh)
        # A lock without the addresses of a registry works with any.
        subprocess.run([*NPM, "--omit-lockfile-registry-resolved"], cwd=fresh, check=True)
        shutil.copy(Path(fresh, "package-lock.json"), folder)
    print(f"wrote {folder}/package-lock.json")
