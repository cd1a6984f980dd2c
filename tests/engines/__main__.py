"""`make lake-test`: statements of the lake's tables in Spark and DuckDB, with results that plain Python computed.

usage: [LAKE_CHANGES=6000000] python -m tests.engines [arguments of pytest]
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from local import ROOT
from tests.engines.java import NoJava, ensure_java

OF_PYSPARK: Final = ("ignore::ResourceWarning", "ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning")
"""Warnings of PySpark 3.5: it closes its sockets late, and is older than the deprecation."""


def main(arguments: Sequence[str]) -> int:
    """Run `make lake-test` and return the exit code. arguments: for pytest."""
    try:
        ensure_java()
    except NoJava as error:
        print(f"make lake-test: {error}", file=sys.stderr)
        return 2
    warnings = [f"--pythonwarnings={warning}" for warning in OF_PYSPARK]
    tests = [sys.executable, "-m", "pytest", *warnings, "tests/engines", *arguments]
    return subprocess.run(tests, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
