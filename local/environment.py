"""Builds .venv with what `make run` (local) or `make test` (tests) needs, on a bare python3; again, it only checks.

usage: [VENV=folder] python3 local/environment.py local|tests|scan|sam
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / os.environ.get("VENV", ".venv")
LOCKS = {
    "local": ["local/requirements.txt"],
    "tests": ["tests/requirements.txt", "tests/emulator.txt"],
    "scan": ["tests/scan.txt"],
    "sam": ["local/sam/requirements.txt"],
}


def main(group: str) -> int:
    """The exit code: 0 when the environment is ready."""
    if sys.version_info < (3, 11):  # noqa: UP036  # whoever runs this has not been told yet
        print("python3 is {}.{}; 3.11 or newer is needed: make PYTHON=python3.13 ...".format(*sys.version_info))
        return 1
    locks = [ROOT / lock for lock in LOCKS[group]]
    stamp = VENV / (group + ".installed")
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    python = VENV / "bin" / "python"
    works = python.exists() and not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode
    if works and stamp.exists() and stamp.read_text() == wanted:
        return 0
    if not works:
        try:
            import ensurepip  # noqa: F401  # Debian ships python3 without it
        except ImportError:
            print("python3 cannot make environments here: install its package, apt-get install python3-venv")
            return 1
        import venv

        print(f"python     {VENV.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(VENV, clear=True, with_pip=True)
    print(f"python     installing what {group} needs, once", flush=True)
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",  # all that is wanted stands in the locks
        *(f"--requirement={lock}" for lock in locks),
    ]
    code = subprocess.run(pip, check=False).returncode
    if code == 0:
        stamp.write_text(wanted)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
