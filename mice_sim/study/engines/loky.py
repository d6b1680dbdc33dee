"""Worker processes on this machine, by joblib; linear algebra on one thread each."""

from __future__ import annotations

from collections.abc import Iterator

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from mice_sim.errors import MiceSimError
from mice_sim.study.config import Execution
from mice_sim.study.tasks import Done, Task, Work


def run_loky(work: Work, tasks: list[Task], execution: Execution) -> Iterator[Done]:
    """Yield what `work` returns, in the order of completion; raises MiceSimError if a worker is killed."""
    with parallel_config("loky", n_jobs=execution.cores(), inner_max_num_threads=1):
        try:
            yield from Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs")(
                delayed(work)(task) for task in tasks
            )
        except TerminatedWorkerError:
            raise MiceSimError(
                "A worker process was killed, perhaps for want of memory; finished replicates are kept, run the same "
                "command again to go on."
            ) from None
