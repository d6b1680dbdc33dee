"""The command line: `mice-sim run`, `report`, `benchmark`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

import mice_sim
from mice_sim.errors import MiceSimError


class _Group(click.Group):
    """Errors meant for users become one line on stderr and exit code 1; Ctrl-C says how to go on."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except MiceSimError as error:
            click.echo(f"mice-sim: {error}", err=True)
            context.exit(1)
        except OSError as error:
            click.echo(
                f"mice-sim: {error.filename or 'a file'}: {error.strerror}; check the path and its rights.", err=True
            )
            context.exit(1)
        except KeyboardInterrupt:
            click.echo(
                "\nmice-sim: interrupted; finished chunks are kept, run the same command again to go on.", err=True
            )
            context.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mice_sim.__version__, prog_name="mice-sim")
def main() -> None:
    """Reproducible simulation studies of synthetic data and multiple imputation."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1)
def run(overrides: tuple[str, ...]) -> None:
    """Run a study, or go on with one that was interrupted, and write its report.

    OVERRIDES are Hydra's: key=value pairs over the files in conf/.

    \b
    Examples:
      mice-sim run experiment=volker_vink_2021
      mice-sim run experiment=volker_vink_2021 replicates=50 output=/tmp/try
      mice-sim run experiment=volker_vink_2021 synthesis.minbucket=50 output=results/minbucket50
      mice-sim run study=mine synthesis.m=10 execution.workers=4

    Running again resumes: replicates that are stored are not run again, and a larger replicates=
    extends the study. The exit code is 0 when the study is complete, 1 for a wrong input, 3 when
    replicates failed (they are recorded in events.parquet).
    """
    from mice_sim.report.published import load_published
    from mice_sim.study.config import compose
    from mice_sim.study.run import run_study

    import_seconds = time.process_time()
    config = compose(overrides)
    if config.report["published"]:
        load_published(config.report["published"])  # a wrong name should not show after the last replicate
    with _progress(config.execution.progress) as update:
        done = run_study(config, update)
    _report(config.directory)
    click.echo(
        f"{done.ran} replicates in {done.wall_seconds:.1f} s "
        f"({1000 * done.cpu_seconds / max(done.ran, 1):.1f} ms CPU each), "
        f"{done.present} were there; start-up {import_seconds + done.startup_seconds:.1f} s, "
        f"of which {done.compiled} kernels compiled; largest worker {done.peak_mib:.0f} MiB."
    )
    if done.failed:
        click.echo(f"mice-sim: {done.failed} of {done.planned} replicates failed; see events.parquet.", err=True)
        sys.exit(3)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Rebuild the tables, figures and report of the study in DIRECTORY from its stored replicates.

    \b
    Example:
      mice-sim report results/volker_vink_2021
    """
    _report(directory)


@main.command()
@click.option("--replicates", default=10, show_default=True, help="Replicates that both R and we run.")
def benchmark(replicates: int) -> None:
    """Time R mice and mice_sim on the same replicates, in one run, and print the ratios.

    Needs R with mice (Debian: apt-get install r-cran-mice) and a checkout; says so if they are missing.
    """
    from mice_sim.study.benchmark import run_benchmark

    run_benchmark(replicates, click.echo)


def _report(directory: Path) -> None:
    from rich.console import Console

    from mice_sim.report.build import build
    from mice_sim.report.referee import judge
    from mice_sim.report.terminal import show
    from mice_sim.study.store import Store
    from mice_sim.study.summary import summarise

    store = Store(directory)
    config = store.config()
    summary = summarise(store, config["replicates"], config["synthesis"]["m"])
    verdict = judge(summary, config)
    build(directory, verdict, summary)
    show(Console(), summary, config, verdict, directory)


class _progress:
    """A progress bar on stderr while `run` works; silent when stderr is no terminal."""

    def __init__(self, wanted: bool):
        self.wanted = wanted and sys.stderr.isatty()

    def __enter__(self):
        if not self.wanted:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        task = self._bar.add_task("Replicates", total=None)
        return lambda done, planned: self._bar.update(task, completed=done, total=planned)

    def __exit__(self, *_: object) -> None:
        if self.wanted:
            self._bar.stop()


if __name__ == "__main__":
    main()
