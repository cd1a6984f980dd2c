"""The whole service on one machine: PostgreSQL, an exchange, a scheduler and a gateway around the real handlers."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Same layout as on Lambda: /var/task holds the functions, /opt/python holds the layers.
PYTHON_PATH = [str(ROOT / "functions"), str(ROOT / "layers" / "shared"), str(ROOT / "layers" / "explorer")]

sys.path[:0] = [path for path in PYTHON_PATH if path not in sys.path]
