"""Worker processes on this machine, by joblib; linear algebra on one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from mice_sim.errors import MiceSimError


def run_loky(work: Callable[[list[int]], Any], chunks: list[list[int]], workers: int) -> Iterator[Any]:
    """Yield what `work` returns, in the order of completion; raises MiceSimError if a worker is killed."""
    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        try:
            yield from Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs")(
                delayed(work)(chunk) for chunk in chunks
            )
        except TerminatedWorkerError:
            raise MiceSimError(
                "A worker process was killed, perhaps for want of memory; finished chunks are kept, run the same "
                "command again to go on."
            ) from None
