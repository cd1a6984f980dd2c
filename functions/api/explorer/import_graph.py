"""Import graph of ES modules, for the modulepreload links of a page."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final

from api.explorer.assets import Asset

_STATIC_IMPORT: Final = re.compile(r'^(?:import|export)\s*(?:[\w$*{},\s]+?\bfrom\s*)?"(\.[^"]+)"', re.MULTILINE)
"""Import or re-export of a relative path at the start of a line. A dynamic import has a parenthesis before its path."""


def static_imports(path: str, files: Mapping[str, Asset]) -> list[str]:
    """Return the modules that a module loads with it, directly and through others, in the order of a search by breadth.

    path: the module. A path that no file has is left out.
    """
    pending, imported = [path], list[str]()
    for module in pending:
        for target in _imports_of(module, files):
            if target not in pending:
                pending.append(target)
                imported.append(target)
    return imported


def _imports_of(module: str, files: Mapping[str, Asset]) -> Iterator[str]:
    if module not in files:
        return
    for specifier in _STATIC_IMPORT.findall(files[module].text):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(module), specifier))
        if target in files:
            yield target
