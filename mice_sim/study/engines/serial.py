"""One process: the same code path, for debugging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from threadpoolctl import threadpool_limits


def run_serial(work: Callable[[list[int]], Any], chunks: list[list[int]], workers: int) -> Iterator[Any]:
    """Yield what `work` returns, chunk by chunk."""
    with threadpool_limits(1):
        for chunk in chunks:
            yield work(chunk)
