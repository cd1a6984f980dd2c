"""Process that ends the children of another one after it, on systems without setpriv (see local/processes.py).

It reads lines `process-id signal-number` until the other process ends, which closes the pipe.
"""

import sys
from contextlib import suppress

import psutil


def main() -> None:
    """Read all lines, then signal the processes that are still running."""
    children: list[tuple[psutil.Process, int]] = []
    for line in sys.stdin:
        pid, number = map(int, line.split())
        with suppress(psutil.NoSuchProcess):
            children.append((psutil.Process(pid), number))
    for process, number in children:
        with suppress(psutil.Error):  # also if the id belongs to another process by now, which psutil notices
            process.send_signal(number)


if __name__ == "__main__":
    main()
