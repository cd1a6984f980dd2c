"""Build the environment in VENV for a group of commands, on a bare python3; then run its Python with the arguments.

usage: [VENV=folder] python3 local/environment.py local|tests|scan|sam [argument ...]

This file is read by old versions of Python, too: it says what is needed, and the rest is in local/environments.py.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  # whoever runs this has not been told yet
    print("python3 is {}.{}; 3.11 or newer is needed: make PYTHON=python3.13 ...".format(*sys.version_info))
    sys.exit(2)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120


def main(group: str, *arguments: str) -> int:
    """Return the exit code, unless there are arguments: then their program takes this one's place."""
    from local.environments import EnvironmentFailure, environment

    try:
        python = environment(group)
    except EnvironmentFailure as failure:
        print(failure, file=sys.stderr)
        return 2
    if arguments:
        os.execv(python, [python, *arguments])  # noqa: S606  # no shell is wanted
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
