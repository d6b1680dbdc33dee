"""Worker processes on this machine, by joblib; linear algebra on one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from joblib import Parallel, delayed, parallel_config


def run_loky(work: Callable[[list[int]], Any], chunks: list[list[int]], workers: int) -> Iterator[Any]:
    """Yield what `work` returns, in the order of completion."""
    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs")(
            delayed(work)(chunk) for chunk in chunks
        )
