"""`make run` as root with full and reduced capabilities, in a folder with mode 700."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.env.conftest import Start

pytestmark = pytest.mark.timeout(900)  # the first test in the session also waits for the installation
DOCKER = (
    *("chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap"),
    *("net_bind_service", "sys_chroot", "kill", "audit_write"),
)
"""Default capabilities of root in a Docker container (docs.docker.com/engine/containers/run, runtime privilege)."""
ROOT_ONLY = os.geteuid() == 0


def holding(*capabilities: str, no_new_privileges: bool = False) -> list[str]:
    """Return a command prefix that leaves root only these capabilities, and any other user none."""
    bounds = ["--bounding-set", ",".join(["-all", *(f"+{name}" for name in capabilities)])] if ROOT_ONLY else []
    return ["setpriv", *bounds, *(["--no-new-privs"] if no_new_privileges else []), "--inh-caps=-all"]


CASES = {
    "all": [],
    "docker": holding(*DOCKER),
    "docker-no-new-privileges": holding(*DOCKER, no_new_privileges=True),
}


@pytest.mark.parametrize("prefix", CASES.values(), ids=CASES)
def test_the_server_starts_in_a_private_folder_and_keeps_its_data(ready: Path, start: Start, prefix: list[str]) -> None:
    assert ready.parent.stat().st_mode & 0o777 == 0o700
    first = start(ready, prefix=prefix)
    first.wait_until_serving()
    first.stop()
    second = start(ready, prefix=prefix)
    second.wait_for_line("the schema is up to date")
    second.wait_until_serving()
    second.stop()


@pytest.mark.parametrize("lacking", ["setuid", "dac_override"])
def test_a_root_that_cannot_run_postgresql_gets_a_message_that_names_what_it_lacks(
    ready: Path, start: Start, lacking: str
) -> None:
    run = start(ready, prefix=holding(*(name for name in DOCKER if name != lacking)))
    if not ROOT_ONLY:  # an ordinary user has no capabilities and needs none
        run.wait_until_serving()
        run.stop()
        return
    assert run.wait() == 2
    assert f"root lacks {lacking.upper()} to run it as another user" in run.output
    assert "Traceback" not in run.output


def test_the_data_of_a_user_stay_that_users_when_root_runs_it(ready: Path, start: Start) -> None:
    first = start(ready)
    first.wait_until_serving()
    first.stop()
    data = ready / ".data" / "postgres" / "data"
    owner = 12_345 if ROOT_ONLY else os.geteuid()
    subprocess.run(["chown", "-R", str(owner), data], check=True)
    second = start(ready)
    second.wait_until_serving()
    process = re.search(r"\d+", (data / "postmaster.pid").read_text())
    assert process
    assert Path(f"/proc/{process[0]}").stat().st_uid == owner
    second.stop()
