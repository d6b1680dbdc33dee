"""The command line: what people type, what they read, and the exit codes that scripts go by."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import mice_sim
from mice_sim import cli_assess, cli_completion, cli_people
from mice_sim.cli_output import Bar, Output, farewell, for_scripts, keeping, terminate, warn
from mice_sim.errors import MiceSimError

if TYPE_CHECKING:
    from mice_sim.study.config import StudyConfig
    from mice_sim.study.run import RunReport
    from mice_sim.study.sweep import PointDone

FAILURES, INCOMPLETE, DIFFERENT = 3, 4, 5


class _Group(click.Group):
    """Errors meant for users become one line on stderr and exit code 1; Ctrl-C says what was kept and how to go on."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        context.obj = list(args)
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except MiceSimError as error:
            warn(str(error))
            context.exit(1)
        except OSError as error:
            named = f"{error.filename}: {error.strerror}; check the path and its rights."
            warn(named if error.filename else str(error))
            context.exit(1)
        except KeyboardInterrupt as stop:
            context.exit(farewell(stop, context.obj))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mice_sim.__version__, prog_name="mice-sim")
def main() -> None:
    """Reproducible simulation studies of synthetic data and multiple imputation.

    \b
    People's own data:
      schema        draft what the columns of a file are, for you to edit
      synthesize    write synthetic versions of a file
      impute        write versions of a file with its missing values filled in
      assess        are synthetic files useful and safe? one page, before release

    \b
    A study's life:
      plan          what will it cost, how many replicates does it need?
      preregister   write down what it will do
      run           run it, or go on with it; run -m is a sweep
      status        what is there, missing, failed?
      collect       gather what a cluster has finished, and report
      retry         run again what failed
      replay        rebuild one replicate alone and check its hashes
      certify       re-run a few replicates by other engines and check them
      report        rebuild tables, figures and page from stored rows
      compare       the difference of two studies, paired by replicate

    \b
    Exit codes: 0 done and complete; 1 wrong input; 2 wrong usage; 3 replicates
    failed, or assess raises an alarm; 4 replicates are still missing; 5 hashes differ; 130 interrupted;
    143 terminated.

    `mice-sim completion SHELL` prints what bash, zsh and fish need to complete all this.

    \b
    For scripts: --quiet prints nothing on stdout; --json prints one document there, whose keys each
    command's --help lists. Errors, warnings and progress are on stderr. NO_COLOR=1 prints no colours.
    """


_CONFIG_DIR = click.option(
    "--config-dir",
    type=click.Path(path_type=Path),
    help="A folder of your own, with groups as in conf/: DIR/experiment/NAME.yaml for experiment=NAME.",
)


# ---- before


@main.command()
@click.argument("overrides", nargs=-1, type=cli_completion.Overrides())
@_CONFIG_DIR
@click.option("-m", "--multirun", is_flag=True, help="Plan a sweep: keys may have several values.")
@click.option("--target-mcse", "targets", multiple=True, metavar="MEASURE=MCSE",
              help="Say how many replicates bring this Monte Carlo error down to that; may be repeated.")  # fmt: skip
@click.option(
    "--pilot",
    default=8,
    type=click.IntRange(min=2),
    show_default=True,
    help="Replicates that the pilot runs at a point.",
)
@for_scripts("points, replicates, present, tasks, chunk, workers, seconds, core_hours, wall_hours, memory_mib, "
             "disk_mib, needs")  # fmt: skip
def plan(
    overrides: tuple[str, ...], config_dir: Path | None, multirun: bool, targets: tuple[str, ...], pilot: int,
    out: Output,
) -> None:  # fmt: skip
    """Say what a study will cost, by a pilot run on the spot; nothing is stored or submitted.

    \b
    Examples:
      mice-sim plan experiment=volker_vink_2021
      mice-sim plan experiment=volker_vink_2021 --target-mcse coverage=0.005
      mice-sim plan -m experiment=volker_vink_2021 synthesis.m=5,10,20 execution=slurm

    Core-hours, wall time and disk carry 95 % limits; memory is 1.5 times the pilot's peak. Coverage is
    planned at its level; other measures by the pilot's own Monte Carlo errors, which a larger --pilot sharpens.
    """
    from mice_sim.report.verbs import show_plan
    from mice_sim.study.config import compose
    from mice_sim.study.plan import plan as make_plan
    from mice_sim.study.sweep import read_sweep
    from mice_sim.study.targets import needs, parse_targets

    wanted = parse_targets(targets)
    if multirun:
        configs = [config for _, config in read_sweep(overrides, config_dir).configs()]
    else:
        configs = [compose(overrides, config_dir)]
    made, first = make_plan(configs, pilot)
    found = needs(first.measured, wanted, configs[0])
    show_plan(out.console, made, found)
    out.document({**vars(made), "needs": found})


@main.command()
@click.argument("overrides", nargs=-1, type=cli_completion.Overrides())
@_CONFIG_DIR
def preregister(overrides: tuple[str, ...], config_dir: Path | None) -> None:
    """Write the ADEMP document of a study, with its hash, before it runs.

    \b
    Example:
      mice-sim preregister experiment=volker_vink_2021 'aims="Is inference from synthetic data valid?"'

    The report of the study then shows what was registered against what was executed. A registration
    stands: a second one for the same folder is refused.
    """
    from mice_sim.report.preregistration import preregister as write
    from mice_sim.study.config import compose

    click.echo(write(compose(overrides, config_dir)))


# ---- running


@main.command()
@click.argument("overrides", nargs=-1, type=cli_completion.Overrides())
@_CONFIG_DIR
@click.option("-m", "--multirun", is_flag=True, help="A sweep: run every combination of keys with several values.")
@for_scripts("study, directory, planned, present, ran, failed, submitted, unmet, agrees, headline, report and what it "
             "cost; of a sweep: study, directory, points, report")  # fmt: skip
def run(overrides: tuple[str, ...], config_dir: Path | None, multirun: bool, out: Output) -> None:
    """Run a study, or go on with one that was interrupted, and write its report.

    OVERRIDES are Hydra's: key=value pairs over the files in conf/, and those of your own in --config-dir.

    \b
    Examples:
      mice-sim run experiment=volker_vink_2021
      mice-sim run experiment=volker_vink_2021 replicates=50 output=/tmp/try
      mice-sim run experiment=volker_vink_2021 synthesis.minbucket=50 output=results/minbucket50
      mice-sim run study=mine synthesis.m=10 execution.workers=4
      mice-sim run study=exact '+until.coverage=0.005' replicates=5000
      mice-sim run -m experiment=volker_vink_2021 synthesis.m=5,10,20 study=sets
      mice-sim run --config-dir studies experiment=mine    # studies/experiment/mine.yaml
      mice-sim run experiment=volker_vink_2021 execution=slurm

    Running again resumes: replicates that are stored are not run again, and a larger replicates=
    extends the study. A sweep names its points by their overrides, skips finished ones, and goes on when a
    point can't run. On Slurm the command submits what is missing and returns with exit code 4; see
    `mice-sim status` and `mice-sim collect`.
    """
    from mice_sim.studies import check_study, start_study
    from mice_sim.study.config import compose
    from mice_sim.study.sweep import read_sweep, run_sweep

    signal.signal(signal.SIGTERM, terminate)
    import_seconds = time.process_time()
    if multirun:
        sweep = read_sweep(overrides, config_dir)
        folder = sweep.base.directory
        with keeping(lambda: _kept(folder)), Bar(_watched(sweep.base, out)) as update:
            points = run_sweep(sweep, update)
        _end_sweep(sweep.base.study, folder, points, out)
        return
    config = compose(overrides, config_dir)
    check_study(config)
    with keeping(lambda: _kept(config.directory)):
        with Bar(_watched(config, out)) as update:
            done, missed = start_study(config, update)
        reported = {} if done.submitted else _report(config.directory, out)
    named = {"study": config.study, "directory": config.directory}
    out.document({**named, **vars(done), "unmet": missed, **reported})
    for measure, mcse in missed.items():
        warn(f"all replicates are there, but {measure} has a Monte Carlo error of {mcse:.2g}; give more replicates=.")
    _end_run(config.directory, done, import_seconds, out)


def _watched(config: StudyConfig, out: Output) -> bool:
    return config.execution.progress and not out.quiet


def _kept(directory: Path) -> str:
    """Say how many replicates of how many are stored, of a study or of all points of a sweep."""
    from mice_sim.study.config import stored_config
    from mice_sim.study.store import Store

    present = planned = 0
    for folder in _studies(directory) if directory.exists() else []:
        if (folder / "config.yaml").exists():
            replicates = stored_config(folder).replicates
            present += sum(number < replicates for number in Store(folder).records())
            planned += replicates
    return f"{present} of {planned} replicates are stored in {directory}" if planned else "nothing is stored yet"


def _end_run(directory: Path, done: RunReport, import_seconds: float, out: Output) -> None:
    for name in done.set_aside:
        warn(f"set aside {name}; its replicates were run again.")
    if done.submitted:
        out.say(f"{done.submitted} replicates submitted; `mice-sim status {directory}` tells how far they are.")
        sys.exit(INCOMPLETE)
    out.say(
        f"{done.ran} replicates in {done.wall_seconds:.1f} s "
        f"({1000 * done.cpu_seconds / max(done.ran, 1):.1f} ms CPU each), "
        f"{done.present} were there; start-up {import_seconds + done.startup_seconds:.1f} s, "
        f"of which {done.compiled} kernels compiled; largest worker {done.peak_mib:.0f} MiB."
    )
    if done.failed:
        warn(f"something failed in {done.failed} of {done.planned} replicates; `mice-sim status {directory}` lists it.")
        sys.exit(FAILURES)


def _end_sweep(study: str, directory: Path, points: list[PointDone], out: Output) -> None:
    reports = [point.report for point in points if point.report]
    reported = _report(directory, out) if any(report.ran or report.present for report in reports) else {"report": None}
    each = [{"name": p.name, "error": p.error or None, **(vars(p.report) if p.report else {})} for p in points]
    out.document({"study": study, "directory": directory, "points": each, **reported})
    for point in points:
        if point.error:
            warn(f"{point.name} can't run: {point.error}")
        elif point.report:
            for name in point.report.set_aside:
                warn(f"{point.name}: set aside {name}; its replicates were run again.")
            if point.report.failed:
                warn(f"{point.name}: something failed in {point.report.failed} of {point.report.planned} replicates.")
    ran, there, submitted = (sum(getattr(r, k) for r in reports) for k in ("ran", "present", "submitted"))
    wall, cpu = max((r.wall_seconds for r in reports), default=0.0), sum(r.cpu_seconds for r in reports)
    out.say(
        f"{len(points)} points: {ran} replicates in {wall:.1f} s ({1000 * cpu / max(ran, 1):.1f} ms CPU each), "
        f"{there} were there{f', {submitted} submitted' if submitted else ''}."
    )
    if submitted:
        sys.exit(INCOMPLETE)
    if any(p.error or (p.report and p.report.failed) for p in points):
        sys.exit(FAILURES)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1)
@for_scripts("directory, studies (directory, ran, failed, submitted), report")
def retry(directory: Path, overrides: tuple[str, ...], out: Output) -> None:
    """Run the replicates again in which something failed, and these alone.

    \b
    Examples:
      mice-sim retry results/mine
      mice-sim retry results/mine execution=serial

    OVERRIDES may change how it runs (execution), nothing else. What fails by its nature fails again; what
    failed for want of memory or disk may not. A replicate that failed twice keeps its failure.
    """
    from mice_sim.study.config import stored_config
    from mice_sim.study.run import run_study

    signal.signal(signal.SIGTERM, terminate)
    studies = []
    for folder in _studies(directory):
        config = stored_config(folder, overrides)
        with keeping(lambda: _kept(directory)), Bar(_watched(config, out)) as update:
            done = run_study(config, update, again=True)
        submitted = f", {done.submitted} submitted" if done.submitted else ""
        out.say(f"{folder}: {done.ran} replicates run again{submitted}, {done.failed} still fail.")
        studies.append({"directory": folder, "ran": done.ran, "failed": done.failed, "submitted": done.submitted})
    out.document({"directory": directory, "studies": studies, **_report(directory, out)})
    if any(study["submitted"] for study in studies):
        sys.exit(INCOMPLETE)
    if any(study["failed"] for study in studies):
        sys.exit(FAILURES)


def _studies(directory: Path) -> list[Path]:
    """Return the folders of a sweep's points, or the one of a study."""
    from mice_sim.study.config import is_sweep
    from mice_sim.study.sweep import point_directories

    return point_directories(directory) if is_sweep(directory) else [directory]


# ---- watching and gathering

_STATUS_KEYS = (
    "directory, complete, studies (directory, planned, present, missing, waiting, failures, unreadable), "
    "errors (of a sweep's points)"
)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@for_scripts(_STATUS_KEYS)
def status(directory: Path, out: Output) -> None:
    """Say what the files in DIRECTORY hold: replicates present, missing, queued, failed; part files of no use.

    \b
    Examples:
      mice-sim status results/volker_vink_2021
      mice-sim status results/volker_vink_2021 && mice-sim report results/volker_vink_2021

    The exit code is 0 if the study is complete, 3 if something failed or a point can't run, 4 if replicates
    are missing.
    """
    _status(directory, out, {})


def _status(directory: Path, out: Output, also: dict[str, Any]) -> None:
    from mice_sim.report.verbs import show_status
    from mice_sim.study.config import is_sweep
    from mice_sim.study.status import status as read
    from mice_sim.study.sweep import point_errors

    errors = point_errors(directory) if is_sweep(directory) else {}
    found = {folder: read(folder) for folder in _studies(directory)}
    for folder, state in found.items():
        show_status(out.console, folder, state)
    for name, error in errors.items():
        warn(f"{name} can't run: {error}")
    complete = all(state.complete for state in found.values())
    studies = [{"directory": folder, **vars(state)} for folder, state in found.items()]
    out.document({"directory": directory, "complete": complete, "studies": studies, "errors": errors, **also})
    if not complete:
        sys.exit(INCOMPLETE)
    if errors or any(state.failures for state in found.values()):
        sys.exit(FAILURES)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@for_scripts(f"{_STATUS_KEYS}, report, agrees, headline")
def collect(directory: Path, out: Output) -> None:
    """Gather the events of all finished replicates, report on them, and say what is missing.

    \b
    Example:
      mice-sim collect results/mine

    For studies on a cluster, at any time: tables and figures are of what is there. Exit codes as `status`.
    """
    from mice_sim.study.config import stored_config
    from mice_sim.study.store import Store

    for folder in _studies(directory):
        stored_config(folder)  # a folder without a study is refused before anything is written
        Store(folder).write_events()
    _status(directory, out, _report(directory, out))


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["html", "latex", "word"]), default="html", show_default=True,
              help="The report with its figures, or the tables alone, for a paper.")  # fmt: skip
def report(directory: Path, form: str) -> None:
    """Rebuild the tables, figures and report of the study or sweep in DIRECTORY from its stored replicates.

    \b
    Examples:
      mice-sim report results/volker_vink_2021
      mice-sim report results/volker_vink_2021 --format latex
      mice-sim report results/volker_vink_2021 --format word

    latex writes a file for each table into DIRECTORY/tables, and tables.tex, which shows all of them; word writes
    tables.docx. A study that is held against a published one has its tables in the published layout.
    """
    from mice_sim.report.build import build_paper

    if form == "html":
        _report(directory, Output())
    else:
        click.echo(f"Tables  {build_paper(directory, form)}")


@main.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--csv", type=click.Path(path_type=Path), help="Write every difference to this file.")
@click.option("--measure", "shown", multiple=True, default=("bias", "emp_se", "model_se", "coverage"),
              show_default=True, help="A measure to print; may be repeated.")  # fmt: skip
@for_scripts("a, b, common, same_samples, differences (measure, source, analysis, term, statistic, …), csv")
def compare(a: Path, b: Path, csv: Path | None, shown: tuple[str, ...], out: Output) -> None:
    """Print A − B for every measure of two studies, paired by replicate.

    \b
    Examples:
      mice-sim compare results/volker_vink_2021 results/volker_vink_2021_mice315
      mice-sim compare results/a results/b --measure width --csv differences.csv

    Studies with the same samples differ by far less than their own Monte Carlo errors suggest: after ± stands
    the paired error of the difference, and beside it how many times larger the unpaired one would be.
    """
    from mice_sim.report.verbs import show_comparison
    from mice_sim.study.measures import get_measure
    from mice_sim.study.performance import compare as differences
    from mice_sim.study.replay import same_samples
    from mice_sim.study.store import Store

    for name in shown:
        get_measure(name)
    one, other = Store(a), Store(b)
    frame = differences(one, one.config(), other, other.config())
    asked = frame[frame["measure"].isin(shown)]
    common, same = same_samples(one, other)
    show_comparison(out.console, asked, common, same)
    if csv:
        frame.to_csv(csv, index=False, lineterminator="\n")
        out.say(f"All measures: {csv}")
    counts = {"common": common, "same_samples": same}
    out.document({"a": a, "b": b, **counts, "differences": asked.to_dict("records"), "csv": csv})


# ---- checking


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("replicate", type=click.IntRange(min=0))
@for_scripts("directory, replicate, agrees, differs, largest_difference, same_code, links, passport, failures")
def replay(directory: Path, replicate: int, out: Output) -> None:
    """Rebuild REPLICATE of the study in DIRECTORY alone, and check the hash of every step.

    \b
    Example:
      mice-sim replay results/volker_vink_2021 417

    Names the first step (sample, synthetic set, fit) whose hash is not the stored one, and what failed in the
    replicate. The exit code is 0 if all hashes agree, 5 if not.
    """
    from mice_sim.report.verbs import show_replay
    from mice_sim.study.replay import replay as rebuild

    found = rebuild(directory, replicate)
    show_replay(out.console, found)
    out.document({"directory": directory, **vars(found), "agrees": not found.differs})
    if found.differs:
        sys.exit(DIFFERENT)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--replicates",
    default=5,
    type=click.IntRange(min=1),
    show_default=True,
    help="How many random replicates to run again.",
)
@click.option("--execution", "named", multiple=True, help="An execution of conf/execution/ to add, such as dask.")
@for_scripts("directory, agrees, replicates, checks (engine, workers, chunk, replicate, hash, differs), study_hash, "
             "report")  # fmt: skip
def certify(directory: Path, replicates: int, named: tuple[str, ...], out: Output) -> None:
    """Run a few random replicates again, by other engines, chunks and orders, and check their hashes.

    \b
    Examples:
      mice-sim certify results/volker_vink_2021
      mice-sim certify results/volker_vink_2021 --replicates 20 --execution "dask execution.address=tcp://host:8786"

    The verdict goes into the report. The exit code is 0 if all hashes agree, 5 if not.
    """
    from mice_sim.study.config import stored_config
    from mice_sim.study.replay import CERTIFYING
    from mice_sim.study.replay import certify as check

    executions = list(CERTIFYING)
    for text in named:
        overrides = [word if "=" in word else f"execution={word}" for word in text.split()]
        executions.append(stored_config(directory, overrides).execution)
    verdict = check(directory, replicates, executions)
    for found in verdict["checks"]:
        if found["differs"]:
            warn(f"replicate {found['replicate']} by {found['engine']}: {found['differs']} differs.")
    tried = sorted({c["replicate"] for c in verdict["checks"]})
    out.say(f"Replicates {', '.join(map(str, tried))}: {'all hashes agree' if verdict['agrees'] else 'they differ'}.")
    reported = _report(directory, out)
    out.document({"directory": directory, **verdict, "report": reported["report"]})
    if not verdict["agrees"]:
        sys.exit(DIFFERENT)


@main.command()
@click.option("--replicates", type=int, help="Replicates that R and we run [10]; of each point of a sweep [200].")
@click.option("--machine", is_flag=True, help="Time the study machine instead: overhead, aggregation, efficiency.")
@click.option("--engine", is_flag=True, help="Time the engine instead: imputation, trees, forests, growth with rows.")
@click.option("--two-level", is_flag=True, help="Time the methods for rows in clusters instead.")
@click.option("--peers", is_flag=True, help="Time imputations by R mice, statsmodels, scikit-learn, miceforest too.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Keep the times in this JSON file, beside those of other benchmarks.")  # fmt: skip
@click.option("--large", is_flag=True, help="With --engine: 100,000 rows in R too (most of an hour), a million here.")
def benchmark(
    replicates: int | None, machine: bool, engine: bool, two_level: bool, peers: bool, save: Path | None, large: bool
) -> None:
    """Time R mice and mice_sim on the same replicates, in one run, and print the ratios.

    \b
    Examples:
      mice-sim benchmark
      mice-sim benchmark --machine
      mice-sim benchmark --engine
      mice-sim benchmark --two-level
      mice-sim benchmark --peers

    Needs R with mice (Debian: apt-get install r-cran-mice) and a checkout; says so if they are missing.
    With --machine: a sweep of 100 points, a million stored rows, and the published study by one worker and two.
    """
    from mice_sim.benchmark_peers import run_peer_benchmark
    from mice_sim.benchmarks import keep_results, kept_results, run_engine_benchmark, run_two_level_benchmark
    from mice_sim.study.benchmark import run_benchmark, run_machine_benchmark

    if machine:
        run_machine_benchmark(replicates or 200, click.echo)
        return
    if save:
        kept_results(save)  # a file that can't be used should not show after the last task
    if engine:
        name, rows = "engine", run_engine_benchmark(large, click.echo)
    elif two_level:
        name, rows = "two_level", run_two_level_benchmark(click.echo)
    elif peers:
        name, rows = "peers", run_peer_benchmark(replicates or 3, click.echo)
    else:
        name, rows = "study", run_benchmark(replicates or 10, click.echo)
    if save:
        keep_results(save, name, rows)


# ---- shared


def _report(directory: Path, out: Output) -> dict[str, Any]:
    """Write the report and show it; return where it is and, of a study, its verdict."""
    from mice_sim.report.terminal import show
    from mice_sim.studies import read_study, read_sweep
    from mice_sim.study.config import is_sweep

    page = directory / "report.html"
    if is_sweep(directory):
        read_sweep(directory).report()
        out.say(f"Report     {page}")
        return {"report": page}
    study = read_study(directory)
    study.report()
    show(out.console, study.summary, study.config, study.verdict, directory)
    if not study.config["report"]["published"]:  # whose rules are what they are
        for (analysis, rule), found in study.invalid_rules.groupby(["analysis", "rule"], sort=False):
            warn(f"{analysis} of {', '.join(found['source'])} is pooled by {rule}: {found['why'].iloc[0]}")
    return {"report": page, "agrees": study.verdict.agrees, "headline": study.verdict.headline}


for command in (
    cli_people.schema, cli_people.synthesize, cli_people.impute, cli_assess.assess, cli_completion.completion,
):  # fmt: skip
    main.add_command(command)


if __name__ == "__main__":
    main()
