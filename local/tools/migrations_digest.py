"""Generator of the digest of the migrations in template.yaml.

usage: python -m local.tools.migrations_digest

CloudFormation updates a custom resource only if one of its properties changes.
"""

import hashlib
import re
from typing import Final

from local import ROOT

TEMPLATE: Final = ROOT / "template.yaml"
_MIGRATOR: Final = ROOT / "functions" / "migrator"
_LAYER: Final = ROOT / "layers" / "shared" / "kalshi_markets"
_COLUMNS: Final = (_LAYER / "columns.py", _LAYER / "event_columns.py")
_LINE: Final = re.compile(r'(?<=\n      Digest: ")[^"]*')


def digest() -> str:
    """Return a digest of the names and contents of the migrator's files and of the tables of columns."""
    sha256 = hashlib.sha256()
    for path in sorted([*_MIGRATOR.rglob("*.py"), *_MIGRATOR.rglob("*.sql"), *_COLUMNS]):
        sha256.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return sha256.hexdigest()[:16]


if __name__ == "__main__":
    TEMPLATE.write_text(_LINE.sub(digest(), TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
