"""The wheel works outside the checkout: configuration and published numbers ship inside it."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.wheel


def test_the_wheel_runs_a_study_away_from_the_checkout(tmp_path):
    def run(*command: object, cwd: Path = tmp_path) -> str:
        done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    run(tmp_path / "env/bin/python", "-m", "pip", "install", "--quiet", wheel)
    printed = run(
        tmp_path / "env/bin/mice-sim", "run", "experiment=volker_vink_2021", "replicates=4", "output=out",
    )  # fmt: skip
    assert "Not judged: 4 of the published 1000 replicates were run." in printed
    assert (tmp_path / "out/report.html").exists()
