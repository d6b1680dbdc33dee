"""A Slurm cluster: job arrays by submitit; submit and walk away, or wait.

What was submitted is in `slurm/manifest.json` of each study's folder: the job, the index in its array, and the
replicates. What is still alive we ask squeue, because many sites keep no accounting for sacct to read.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mice_sim.errors import MiceSimError
from mice_sim.study.config import Execution
from mice_sim.study.tasks import Done, Task, Work

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two questions to squeue


@dataclass(frozen=True)
class Submission:
    """Tasks handed over to Slurm: the ids of the jobs (of the arrays, not of their elements), and how many tasks."""

    jobs: tuple[str, ...]
    tasks: int


def run_slurm(work: Work, tasks: list[Task], execution: Execution) -> Iterator[Done]:
    """Submit at once; then yield nothing, or with `execution.slurm["wait"]` what `work` returns as tasks end.

    Logs go to `slurm/` in the folder that the studies share. Raises MiceSimError as `submit` does and, when all
    others ended, for tasks that died.
    """
    shared = os.path.commonpath([Path(task.directory).absolute() for task in tasks]) if tasks else "."
    jobs = _submit(work, tasks, execution, Path(shared))
    return _ended(jobs) if execution.slurm["wait"] else iter(())


def submit(work: Work, tasks: list[Task], execution: Execution, folder: str | Path) -> Submission:
    """Submit the tasks as job arrays and return; every study's manifest says which of its replicates they run.

    folder : shared by the cluster's machines; logs and submitit's files go to its `slurm/`.
    Raises MiceSimError if submitit or Slurm is missing, or if Slurm refuses an array; arrays before it stay
    submitted and in the manifest.
    """
    jobs = _submit(work, tasks, execution, Path(folder))
    return Submission(tuple(dict.fromkeys(job.job_id.split("_")[0] for job in jobs)), len(jobs))


def in_flight(directories: Iterable[str]) -> dict[str, set[int]]:
    """Return the replicates of each study folder that wait or run on Slurm; raises MiceSimError if squeue fails."""
    manifests = {directory: _read_manifest(directory) for directory in directories}
    alive = _alive() if any(manifests.values()) else set()
    return {
        directory: {r for entry in entries if _element(entry) in alive for r in entry["replicates"]}
        for directory, entries in manifests.items()
    }


def cut(tasks: list[Task], limit: int) -> list[list[Task]]:
    """Cut tasks into arrays of at most `limit`, each of which counts from 0."""
    return [tasks[i : i + limit] for i in range(0, len(tasks), limit)]


def _submit(work: Work, tasks: list[Task], execution: Execution, folder: Path) -> list[Any]:
    try:
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError
    except ImportError:
        raise MiceSimError("The engine slurm needs submitit; install it with: pip install 'mice_sim[slurm]'") from None
    limit = _array_limit(execution.slurm["array"])
    executor = SlurmExecutor(folder / "slurm")
    executor.update_parameters(**_parameters(execution, limit))
    jobs: list[Any] = []
    for array in cut(tasks, limit):
        try:
            submitted = executor.map_array(_run, [work] * len(array), array)
        except FailedJobError as error:
            raise MiceSimError(
                f"Slurm refused a job array after {len(jobs)} of {len(tasks)} tasks: {str(error).strip()}; change "
                "execution.slurm, or run the same command again when the queue has room."
            ) from None
        _add_to_manifests(array, submitted)
        jobs += submitted
    return jobs


def _run(work: Work, task: Task) -> Done:
    """Run one task without submitit's signal handlers, which ignore SIGTERM and requeue a preempted job.

    Whether to act on a signal is for `work` to say; what a killed task lacks is submitted anew.
    """
    for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    return work(task)


def _parameters(execution: Execution, limit: int) -> dict[str, Any]:
    """Return submitit's parameters; None leaves out an option, so that the site's default holds.

    Slurm sends SIGUSR1 before the time is up: 90 seconds, or a quarter of a short time.
    """
    settings = execution.slurm
    minutes, memory = settings["minutes"], settings["memory_mib"]
    warning = min(90, 15 * minutes) if minutes else 90
    return {
        "job_name": "mice_sim",
        "partition": settings["partition"],
        "account": settings["account"],
        "time": minutes,
        "mem": f"{memory}M" if memory else None,
        "cpus_per_task": 1,
        "setup": list(settings["setup"]),
        "array_parallelism": limit,
        "wckey": None,
        "stderr_to_stdout": True,
        "additional_parameters": {"signal": f"USR1@{warning}", "no-requeue": True},
    }


def _array_limit(cap: int | None) -> int:
    """Return how many tasks an array may have: its indices must be below the site's MaxArraySize (man slurm.conf)."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    if not found:
        raise MiceSimError("`scontrol show config` names no MaxArraySize; is this a Slurm cluster?")
    limit = max(1, int(found.group(1)))  # 0 forbids arrays; a single task is submitted as a plain job
    return min(limit, cap) if cap else limit


def _alive() -> set[str]:
    """Return the user's jobs that wait, run or are ending, as `job` or `job_index`."""
    return set(_ask("squeue", "--me", "--array", "--noheader", "--format=%i").split())


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise MiceSimError(f"There is no `{command[0]}` on this machine; run this where Slurm is.") from None
    except subprocess.CalledProcessError as error:
        raise MiceSimError(f"Slurm does not answer `{' '.join(command)}`: {error.stderr.strip()}") from None


def _ended(jobs: list[Any]) -> Iterator[Done]:
    """Yield the costs of tasks as they leave the queue; then raise MiceSimError if some died."""
    waiting = {job.job_id: job for job in jobs}
    died: list[str] = []
    pause = SHORTEST_PAUSE
    while waiting:
        alive = _alive()
        over = [waiting.pop(name) for name in list(waiting) if name not in alive]
        for job in over:
            done, why = _outcome(job)
            if done is None:
                died.append(f"job {job.job_id} ({why}; log {job.paths.stdout})")
            else:
                yield done
        pause = SHORTEST_PAUSE if over else min(1.5 * pause, LONGEST_PAUSE)
        if waiting:
            time.sleep(pause)
    if died:
        raise MiceSimError(
            f"{len(died)} of {len(jobs)} Slurm tasks died: {', '.join(died[:3])}{', …' if len(died) > 3 else ''}; all "
            "else is kept, run the same command again to go on."
        )


def _outcome(job: Any) -> tuple[Done | None, str]:
    """Return what an ended task cost, or None and why it died."""
    from submitit.core.utils import pickle_load

    path = job.paths.result_pickle
    if path.name not in os.listdir(path.parent):  # listing makes a network file system look again
        return None, "killed"
    outcome, result = pickle_load(path)
    return (result, "") if outcome == "success" else (None, result.strip().splitlines()[-1])


def _element(entry: dict[str, Any]) -> str:
    return entry["job"] if entry["index"] is None else f"{entry['job']}_{entry['index']}"


def _manifest(directory: str | Path) -> Path:
    return Path(directory) / "slurm" / "manifest.json"


def _read_manifest(directory: str) -> list[dict[str, Any]]:
    path = _manifest(directory)
    return json.loads(path.read_text()) if path.exists() else []


def _add_to_manifests(tasks: list[Task], jobs: list[Any]) -> None:
    """Append one entry a task to the manifest of its study, each file replaced whole."""
    for directory in dict.fromkeys(task.directory for task in tasks):
        entries = _read_manifest(directory)
        for task, job in zip(tasks, jobs, strict=True):
            if task.directory == directory:
                name, _, index = job.job_id.partition("_")
                entries.append(
                    {
                        "job": name,
                        "index": int(index) if index else None,
                        "log": str(job.paths.stdout),
                        "replicates": list(task.replicates),
                    }
                )
        path = _manifest(directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(entries, indent=1) + "\n")
        temporary.replace(path)
