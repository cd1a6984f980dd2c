"""Java for Spark: found, or installed from Debian's package."""

import os
import shutil
import subprocess
from typing import Final

PACKAGE: Final = "default-jre-headless"


class NoJava(Exception):
    """Java that is missing and cannot be installed. The message gives a solution."""


def ensure_java() -> None:
    """Install Java if there is none. Raises NoJava."""
    if shutil.which("java") or os.environ.get("JAVA_HOME"):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise NoJava(f"Spark needs Java 17: install it (Debian's package {PACKAGE}), or set JAVA_HOME.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "--quiet", "--quiet"]
    install = [*apt, "install", "--yes", "--no-install-recommends", PACKAGE]
    if subprocess.run(install, env=environment, check=False).returncode:  # apt's package lists are missing or outdated
        subprocess.run([*apt, "update"], env=environment, check=True)
        if subprocess.run(install, env=environment, check=False).returncode:
            raise NoJava(f"Debian's package {PACKAGE} was not installed: see the output of apt-get above.")
