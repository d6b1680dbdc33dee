"""A dask cluster that is already there, by the address of its scheduler.

We speak to distributed ourselves: joblib's dask backend waits for ever for a task whose worker was killed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from mice_sim.errors import MiceSimError
from mice_sim.study.config import Execution
from mice_sim.study.tasks import Done, Task, Work

PATIENCE = 30.0  # seconds for a first worker to appear, or for the last one lost to come back

_ALONE = threading.Lock()


def run_dask(work: Work, tasks: list[Task], execution: Execution) -> Iterator[Done]:
    """Yield what `work` returns, in the order of completion.

    dask runs the task of a killed worker again elsewhere, until it has cost as many workers as the scheduler
    allows (`distributed.scheduler.allowed-failures`). The first error is raised when all other tasks have ended,
    so that nothing is left running. Raises MiceSimError if distributed is not installed, the scheduler does not
    answer or goes away, no workers are there or left, a worker can't import the work, or a task was given up
    because of its killed workers.
    """
    try:
        from distributed import KilledWorker
    except ImportError:
        raise MiceSimError("The engine dask needs distributed; install it with: pip install 'mice_sim[dask]'") from None
    address = execution.address
    first_error: BaseException | None = None
    with _client(address) as client:
        _check_imports(client, work)
        ended: queue.Queue[Any] = queue.Queue()
        futures = [client.submit(_run, work, task, pure=False) for task in tasks]
        for future in futures:
            future.add_done_callback(ended.put)
        left = len(futures)
        while left:
            future = _next(ended, client, address)
            if future.status in ("pending", "lost"):  # its worker died with the result, and dask does it again
                future.add_done_callback(ended.put)
                continue
            left -= 1
            if future.status == "finished":
                yield future.result()
            elif future.status == "error":
                first_error = first_error or future.exception()
            else:
                raise MiceSimError(
                    f"The dask scheduler at '{address}' went away; finished chunks are kept, start it and run the same "
                    "command again."
                )
    if isinstance(first_error, KilledWorker):
        raise MiceSimError(
            "dask gave up a task because its workers were killed, perhaps for want of memory; all else is kept, run "
            "the same command again to go on."
        )
    if first_error:
        raise first_error


def _run(work: Work, task: Task) -> Done:
    """Run one task; alone in its process even if the worker has several threads, for a study's state is not shared."""
    with _ALONE:
        return work(task)


def _client(address: str | None) -> Any:
    """Connect, and wait for a first worker."""
    from distributed import Client

    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MiceSimError(
            f"No dask scheduler answers at execution.address '{address}' ({error}); start one with `dask scheduler` "
            "and give the address it prints."
        ) from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise _no_workers(address) from None
    return client


def _check_imports(client: Any, work: Work) -> None:
    """Ask every worker to import the work, for one that can't would die of it without a word."""
    modules = (__name__, work.__module__)

    def find() -> None:  # local, and so sent by value
        import importlib

        for module in modules:
            importlib.import_module(module)

    try:
        client.run(find)
    except ImportError as error:
        raise MiceSimError(
            f"A dask worker can't import {error.name}; scheduler and workers need the same mice_sim as this machine."
        ) from None


def _next(ended: queue.Queue[Any], client: Any, address: str | None) -> Any:
    """Return the next future that ended; raises MiceSimError if nobody is left who could end one."""
    while True:
        try:
            return ended.get(timeout=PATIENCE)
        except queue.Empty:
            if not client.nthreads():
                raise _no_workers(address) from None


def _no_workers(address: str | None) -> MiceSimError:
    return MiceSimError(
        f"The dask scheduler at '{address}' has no workers; start some with `dask worker {address} --nthreads 1` and "
        "run the same command again."
    )
