"""pip's own settings, of which only the network's reach the environments."""

import ast
import os
import subprocess
from typing import Final

NETWORK: Final = {
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "keyring-provider"),
    *("cert", "client-cert", "proxy", "timeout", "default-timeout", "retries", "use-feature", "use-deprecated"),
    *("cache-dir", "no-cache-dir"),
}
"""Options of pip that say where packages come from; the others say where they go and which they are."""
SECTIONS: Final = ("global.", "install.", ":env:.")
"""Prefixes in the output of `pip config list`; a later one takes precedence."""

LIST_ALL: Final = {"PIP_QUIET": "0", "PIP_USER": "0", "PIP_GLOBAL": "0", "PIP_SITE": "0"}
"""Settings of other commands would be options of `pip config list`, too: user = true shows one file of three."""


def pip_environment(python: str) -> dict[str, str]:
    """Return variables for pip: the environment's, and of pip's own, from files too, those of the network.

    python: an environment's, whose pip reads them. Raises subprocess.CalledProcessError when it cannot.
    """
    command = [python, "-I", "-m", "pip", "config", "list"]
    asking = {name: value for name, value in os.environ.items() if name != "PIP_PYTHON"} | LIST_ALL
    listed = subprocess.run(command, env=asking, capture_output=True, text=True, check=True).stdout
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    variables["PIP_CONFIG_FILE"] = os.devnull
    for section in SECTIONS:
        for line in listed.splitlines():
            name, _, value = line.removeprefix(section).partition("=")
            if line.startswith(section) and name in NETWORK:
                variables[f"PIP_{name.upper().replace('-', '_')}"] = ast.literal_eval(value)
    return variables
