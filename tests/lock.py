"""Pins every dependency, direct or not, with its hashes: layers/shared for the Lambda artefacts, local and tests apart.

The three agree: what a larger set shares with a smaller one has the same version.
"""

import subprocess
import sys

OPTIONS = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--upgrade"]
RUNTIME, LOCAL, TESTS = (f"{folder}/requirements.txt" for folder in ("layers/shared", "local", "tests"))

for output, *more in (
    (RUNTIME,),
    (LOCAL, "--extra", "local", "--constraint", RUNTIME),
    (TESTS, "--extra", "dev", "--constraint", LOCAL),
):
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *OPTIONS, *more, "--output-file", output]
    subprocess.run(command, check=True)
    print(f"wrote {output}")
