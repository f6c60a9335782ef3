"""What ``report`` makes of its flags: pages, the attention in detail, the five tables."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.analysis.attention_files import write_attention
from npr_jax.analysis.families import parse_families
from npr_jax.analysis.report import build_report
from npr_jax.analysis.sweep_results import is_sweep
from npr_jax.analysis.table_export import report_tables
from npr_jax.cli.opening import workdirs_of
from npr_jax.sweep.publish import read_table


def report_sweep(flags: Any) -> Iterator[str]:
    """The page of a sweep; a line that says where it is.

    Raises:
        ValueError: for flags that are of runs, or for more than the one sweep.
    """
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
    """The pages of runs and what else the flags ask for; lines that say where it is.

    Raises:
        ValueError: for flags that do not go together, or name what is not there.
    """
    baseline = workdirs_of(flags.baseline) if flags.baseline else []
    _check_baseline(workdirs, baseline)
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


def _check_baseline(workdirs: Sequence[str], baseline: Sequence[str]) -> None:
    ours = {pathlib.Path(workdir).resolve() for workdir in workdirs}
    for name in baseline:
        if not pathlib.Path(name).is_dir():
            raise UserError(f"--baseline: {name} does not exist; give runs, A or A,B,C")
        if pathlib.Path(name).resolve() in ours:
            raise UserError(f"--baseline: {name} is in --workdir too; compare with another run")


def _attention(workdir: str, flags: Any) -> Iterator[str]:
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
