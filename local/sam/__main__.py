"""python -m local.sam: see local/sam/run.py."""

import signal
import sys

# Until the supervisor listens, Ctrl+C just ends the program.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from local.sam.run import SamRun  # noqa: E402  # its imports take a while
from local.supervisor import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(SamRun))
