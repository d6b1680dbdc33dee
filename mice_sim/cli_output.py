"""What the commands share: output for people or for programs, progress, and how one leaves when interrupted."""

from __future__ import annotations

import functools
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from mice_sim.study.watch import Watch


@dataclass(frozen=True)
class Output:
    """Where a command's words go: to people on stdout, or with --json one document in their place, or nowhere."""

    quiet: bool = False
    json: bool = False

    @property
    def console(self) -> Console:
        """The terminal of tables and sentences; silent if it is not people who read."""
        from rich.console import Console

        return Console(quiet=self.quiet or self.json)

    def say(self, text: str) -> None:
        if not (self.quiet or self.json):
            click.echo(text)

    def document(self, content: Mapping[str, Any]) -> None:
        """Print what was found as JSON, if that is asked for."""
        if self.json:
            from mice_sim.resources import dump_json

            click.echo(dump_json(content))


def for_scripts(keys: str) -> Callable[[Callable], Callable]:
    """Add --quiet and --json to a command, which is given an `Output` as `out`; `keys` are those of its document."""

    def add(command: Callable) -> Callable:
        @click.option(
            "-q", "--quiet", is_flag=True, help="Print nothing on stdout; errors and warnings stay on stderr."
        )
        @click.option("--json", "as_json", is_flag=True, help=f"Print one JSON document, and nothing else: {keys}.")
        @functools.wraps(command)
        def wrapped(*args: Any, quiet: bool, as_json: bool, **given: Any) -> Any:
            return command(*args, out=Output(quiet, as_json), **given)

        return wrapped

    return add


def warn(text: str) -> None:
    """Say something on stderr."""
    click.echo(f"mice-sim: {text}", err=True)


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def terminate(number: int, frame: object) -> None:
    """Handle SIGTERM."""
    raise Terminated


@contextmanager
def keeping(kept: Callable[[], str]) -> Iterator[None]:
    """If the work inside is interrupted, let the interrupt say what was kept: `kept()`, a clause."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise type(stop)(kept()) from None
    except SystemExit as stop:  # of a process that was told to end while it had something to store
        if stop.code != 128 + signal.SIGTERM:
            raise
        raise Terminated(kept()) from None


def farewell(stop: KeyboardInterrupt, arguments: list[str]) -> int:
    """Say what was kept and how to go on, and return the exit code."""
    terminated = isinstance(stop, Terminated)
    kept = f"{stop}; " if str(stop) else ""
    how = "terminated" if terminated else "interrupted"
    warn(f"{how}; {kept}to go on: {shlex.join(['mice-sim', *arguments])}")
    return 143 if terminated else 130


class Bar:
    """A progress bar on stderr with the time that is left; silent if not wanted, or if stderr is no terminal."""

    def __init__(self, wanted: bool):
        self.wanted = wanted and sys.stderr.isatty()

    def __enter__(self) -> Watch | None:
        if not self.wanted:
            return None
        from rich.console import Console
        from rich.live import Live

        from mice_sim.study.watch import Watch

        self._file = tempfile.NamedTemporaryFile(prefix="mice-sim-")
        watch = Watch(self._file.name)
        self._bar = Live(console=Console(stderr=True), get_renderable=lambda: _bar(watch), transient=True)
        self._bar.start()
        return watch

    def __exit__(self, *_: object) -> None:
        if self.wanted:
            self._bar.stop()
            self._file.close()


def _bar(watch: Watch) -> RenderableType:
    """Return the line that shows how far a run is."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    done, planned, left = watch.look()
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=planned or None, completed=done, width=40, pulse=not planned)
    line.add_row("Replicates", bar, f"{done}/{planned}", time_left(left))
    return line


def time_left(seconds: float | None) -> str:
    """Return a time in words that are as exact as it deserves."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s left"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s left"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min left"
