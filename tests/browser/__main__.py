"""`make browser-test`: find or install Chromium, then run the tests of this folder."""

import sys

import pytest

from local import ROOT
from tests.browser.chromium import ChromiumMissing, ensure_chromium

if __name__ == "__main__":
    try:
        ensure_chromium()
    except ChromiumMissing as error:
        sys.exit(f"make browser-test: {error}")
    # Each of the two processes starts the services that its files need.
    processes = ["--numprocesses", "2", "--dist", "loadfile"]
    sys.exit(pytest.main([str(ROOT / "tests" / "browser"), "--timeout", "300", *processes, *sys.argv[1:]]))
