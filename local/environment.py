"""Build the environment in VENV for a group of commands with a bare python3, then run its Python with the arguments.

usage: [VENV=folder] python3 local/environment.py local|tests|browser|scan|sam|lake [argument ...]

Old versions of Python must be able to parse this file: it reports the required version. The work is done in
local/environments.py.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python gets a message, not a SyntaxError
    print("python3 is {}.{}; 3.11 or newer is needed: make PYTHON=python3.13 ...".format(*sys.version_info))
    sys.exit(2)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120


def main(group: str, *arguments: str) -> int:
    """Build the environment and return the exit code. With arguments, replace this process by its Python."""
    from local.environments import EnvironmentFailure, environment

    try:
        python = environment(group)
    except EnvironmentFailure as failure:
        print(failure, file=sys.stderr)
        return 2
    if arguments:
        os.execv(python, [python, *arguments])  # noqa: S606  # no shell is needed
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
