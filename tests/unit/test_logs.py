import os
import subprocess
import sys

import pytest

from local import ROOT

SOURCES = os.pathsep.join(str(ROOT / folder) for folder in ("functions", "layers/shared"))
READ = """
from {module} import handler
from kalshi_markets.settings import {settings}, SettingsError
try:
    {settings}.from_env()
except SettingsError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        ("api.handler", "ApiSettings"),
        ("crawler.handler", "CrawlerSettings"),
        ("migrator.handler", "MigratorSettings"),
        ("migrator.run", "MigratorSettings"),
    ],
)
def test_an_invalid_log_level_does_not_stop_an_import_and_is_named_by_the_settings(module: str, settings: str) -> None:
    code = READ.format(module=module, settings=settings).replace(
        "migrator.run import handler", "migrator.run import run"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES, "LOG_LEVEL": "trace"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("LOG_LEVEL must be one of DEBUG, INFO"), done.stdout
