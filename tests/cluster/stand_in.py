"""A study's work in small, for the engines' tests: a line for every time a replicate ran.

`r.began` gets the process when it begins, `r.txt` a number when it ends.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from mice_sim.streams import stream
from mice_sim.study.tasks import Done, Task


def task(directory: Path, *replicates: int, **how: object) -> Task:
    """how : gate, a file to wait for; kill or fail, replicates at which the process is killed or an error raised."""
    return Task(json.dumps(how), str(directory), replicates, "0123456789abcdef")


def work(task: Task) -> Done:
    how = json.loads(task.key)
    folder = Path(task.directory) / "replicates"
    folder.mkdir(parents=True, exist_ok=True)
    for replicate in task.replicates:
        with (folder / f"{replicate}.began").open("a") as file:
            file.write(f"{os.getpid()}\n")
        while "gate" in how and not Path(how["gate"]).exists():
            time.sleep(0.1)
        if replicate in how.get("kill", ()):
            os.kill(os.getpid(), signal.SIGKILL)
        if replicate in how.get("fail", ()):
            raise ArithmeticError(f"replicate {replicate} cannot be had")
        with (folder / f"{replicate}.txt").open("a") as file:
            file.write(f"{stream(1, 'stand_in', replicate).random().hex()}\n")
    return Done(task.directory, len(task.replicates), 0.0, 0.0)


def results(directory: Path) -> dict[int, str]:
    """Return what is stored of every replicate."""
    return {int(file.stem): file.read_text() for file in (directory / "replicates").glob("*.txt")}


def handlers(task: Task) -> Done:
    """Store which of the signals that submitit handles are handled."""
    numbers = (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2)
    handled = [number.name for number in numbers if signal.getsignal(number) is not signal.SIG_DFL]
    (Path(task.directory) / "handled").write_text(" ".join(handled))
    return Done(task.directory, len(task.replicates), 0.0, 0.0)
