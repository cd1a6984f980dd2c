"""Entry point of `python -m local.sam`: see local/sam/run.py."""

import signal
import sys

# Until the supervisor installs its signal handlers, Ctrl+C ends the program without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from local.sam.run import SamRun  # noqa: E402  # slow import
from local.supervisor import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(SamRun))
