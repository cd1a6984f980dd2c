"""Assets of the explorer's pages: scripts, styles and images under a folder that is named by their content."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from api.responses import gzip_text

FOLDER_NAME: Final = "explorer_assets"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Media types of the files that are served, by suffix. Other files are not."""


@dataclass(frozen=True)
class Asset:
    """File that is served. Its gzip body is created at the first request."""

    text: str
    media_type: str

    @cached_property
    def gzip(self) -> bytes:
        """Body compressed with gzip level 9: it is compressed once in a process."""
        return gzip_text(self.text, 9)


@dataclass(frozen=True)
class Assets:
    """All files that are served.

    version: hash of all names and contents.
    files: assets by path relative to the folder, such as "pages/home.js".
    """

    version: str
    files: Mapping[str, Asset]

    def url(self, path: str) -> str:
        """Return the path part of an asset's URL. It changes with every change of any asset."""
        return f"/assets/{self.version}/{path}"


def current_assets() -> Assets | None:
    """Return the assets, or None until they are built.

    The layer's folder is beside its packages, on Python's path. A missing folder is looked for again by each request.
    """
    folders = (Path(entry) / FOLDER_NAME for entry in sys.path)
    # layers/explorer/fetch.py renames a complete folder to this name.
    return next((_read(folder) for folder in folders if folder.is_dir()), None)


@lru_cache(maxsize=1)
def _read(folder: Path) -> Assets:
    files = {}
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in MEDIA_TYPES and path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            files[name] = Asset(path.read_text(encoding="utf-8"), MEDIA_TYPES[path.suffix])
            digest.update(f"{name}\0{len(files[name].text)}\0{files[name].text}".encode())
    return Assets(digest.hexdigest()[:16], files)
