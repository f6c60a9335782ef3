"""``report``: pages, the attention in detail and the five tables, from results on disk."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import Command, switch, text
from npr_jax.cli.detector_flags import workdirs_of


def _report(flags: Any) -> int:
    from npr_jax.analysis.sweep_results import is_sweep

    if not flags.workdir:
        raise UserError("report needs --workdir=DIR, a run, a sweep or the --output of evaluate")
    workdirs = workdirs_of(flags.workdir)
    lines = report_sweep(flags) if any(map(is_sweep, workdirs)) else report_runs(workdirs, flags)
    for line in lines:
        print(line)
    return 0


def report_sweep(flags: Any) -> Iterator[str]:
    """The page of a sweep; a line that says where it is."""
    from npr_jax.analysis.report import build_report
    from npr_jax.analysis.sweep_results import is_sweep

    if not is_sweep(flags.workdir):
        raise UserError(f"--workdir={flags.workdir}; a sweep is reported alone")
    of_runs = ("attention", "sweep", "families", "output", "intervals")
    if given := [f"--{name}" for name in of_runs if flags[name].value]:
        raise UserError(
            f"{', '.join(given)} are of runs, and {flags.workdir} is a sweep; leave them out, or "
            "name one of its runs"
        )
    yield f"report: {build_report(flags.workdir, flags.baseline)}"


def report_runs(workdirs: Sequence[str], flags: Any) -> Iterator[str]:
    """The pages of runs and what else the flags ask for; lines that say where it is."""
    from npr_jax.analysis.paper_tables.export import report_tables
    from npr_jax.analysis.report import build_report

    baseline = workdirs_of(flags.baseline, "--baseline") if flags.baseline else []
    ours = {pathlib.Path(workdir).resolve() for workdir in workdirs}
    for name in baseline:
        if not pathlib.Path(name).is_dir():
            raise UserError(f"--baseline: {name} does not exist; give runs, A or A,B,C")
        if pathlib.Path(name).resolve() in ours:
            raise UserError(f"--baseline: {name} is in --workdir too; compare with another run")
    if (flags.sweep or flags.families) and not flags.attention:
        raise UserError("--sweep and --families are of report --attention; give that too")
    if flags.output and pathlib.Path(flags.output).is_file():
        raise UserError(f"--output={flags.output} is a file; report needs a directory")
    for workdir in workdirs:
        if flags.attention:
            yield from _attention(workdir, flags)
        yield f"report: {build_report(workdir)}"
    tables = report_tables(
        workdirs, flags.output or workdirs[0], baseline=baseline, intervals=flags.intervals
    )
    if flags.output and not tables:
        raise UserError(
            f"nothing for --output={flags.output}: no evaluation of a data set of the five tables "
            "lies in the workdir; evaluate one that was prepared with --dataset=NAME"
        )
    yield from tables


def _attention(workdir: str, flags: Any) -> Iterator[str]:
    from npr_jax.analysis.attention.files import write_attention
    from npr_jax.analysis.families import parse_families
    from npr_jax.sweep.table import read_table

    table = pathlib.Path(flags.sweep)
    if flags.sweep and not table.is_file():
        raise UserError(f"--sweep={flags.sweep} does not exist; give the runs.csv of a sweep")
    folders = write_attention(
        pathlib.Path(workdir),
        families=parse_families(flags.families),
        sweep_rows=read_table(table) if flags.sweep else (),
    )
    for folder in folders:
        yield f"attention: {folder}"


REPORT = Command(
    name="report",
    summary="Write the pages, tables and figures again from a run's or sweep's results.",
    usage="--workdir=RUN_OR_SWEEP [--baseline=RUN_OR_VARIANT] [--output=DIR] "
    "[--intervals] [--attention [--sweep=FILE] [--families=TEXT]]",
    examples=(
        "report --workdir=runs/npr",
        "report --workdir=runs/seed0,runs/seed1,runs/seed2 --intervals --output=tables",
        "report --workdir=sweeps/scales --baseline=half",
    ),
    define=(
        text(
            "workdir",
            "A run, a sweep or the --output of evaluate; A,B,C: runs that differ in their seed.",
        ),
        text(
            "baseline",
            "What to compare with: runs A,B,C (seeds) of a system, or a sweep's variant. "
            "Without it: the paper's NPR, and the sweep's own.",
        ),
        switch("intervals", "Bootstrap intervals of every generator."),
        switch("attention", "Also write the weights of the scales in detail."),
        text("sweep", "With --attention: runs.csv of a sweep that also left scales out."),
        text("families", "With --attention: FAMILY:generator,generator;FAMILY:generator,..."),
        text("output", "Directory for the tables. Without it: the first run's."),
    ),
    run=_report,
)
