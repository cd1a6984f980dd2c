"""pip settings for the environments: of pip's own settings, only those for the network are used."""

import ast
import os
import subprocess
from typing import Final

NETWORK: Final = {
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "keyring-provider"),
    *("cert", "client-cert", "proxy", "timeout", "default-timeout", "retries", "use-feature", "use-deprecated"),
    *("cache-dir", "no-cache-dir"),
}
"""Options of pip that say where packages come from. All other options say what is installed and where."""
SECTIONS: Final = ("global.", "install.", ":env:.")
"""Prefixes in the output of `pip config list`. A later one takes precedence."""

LIST_ALL: Final = {"PIP_QUIET": "0", "PIP_USER": "0", "PIP_GLOBAL": "0", "PIP_SITE": "0"}
"""Overrides for settings that `pip config list` would use as its own options. user = true shows one file of three."""


def pip_environment(python: str) -> dict[str, str]:
    """Return the variables for pip: this process's environment, with only the network settings of pip.

    The network settings come from variables and from pip's configuration files.
    python: Python of the environment whose pip reads the files.
    Raises subprocess.CalledProcessError if pip cannot read them.
    """
    command = [python, "-I", "-m", "pip", "config", "list"]
    environment = {name: value for name, value in os.environ.items() if name != "PIP_PYTHON"} | LIST_ALL
    settings = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    variables["PIP_CONFIG_FILE"] = os.devnull
    for section in SECTIONS:
        for line in settings.splitlines():
            name, _, value = line.removeprefix(section).partition("=")
            if line.startswith(section) and name in NETWORK:
                variables[f"PIP_{name.upper().replace('-', '_')}"] = ast.literal_eval(value)
    return variables
