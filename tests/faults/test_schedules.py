import subprocess
import sys

import pytest

from local import ROOT


@pytest.mark.timeout(900)
def test_after_any_schedule_of_faults_the_table_is_the_exchange() -> None:
    command = [sys.executable, "-m", "tests.faults", "--seeds", "12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert "12 of 12 schedules, 0 failed" in done.stdout
