"""`<workdir>/report.html`: one page, self-contained, made only from what lies on disk."""

import os
import pathlib

from npr_jax.analysis.failures import find_failures, write_failures
from npr_jax.analysis.page.render import render, write_page
from npr_jax.analysis.page.sweep_contexts import sweep_context
from npr_jax.analysis.run_results import read_run
from npr_jax.analysis.sweep_results import is_sweep, read_sweep

REPORT_FILE = "report.html"


def build_report(workdir: str | os.PathLike[str], baseline: str = "") -> pathlib.Path:
    """Writes `<workdir>/report.html` of a run or, where there is a runs.csv, of a sweep.

    The page refers to nothing outside itself. It is made from metrics.jsonl, config.json and what
    evaluate, robustness, calibrate and localize left beside them, or from runs.csv; a run that was
    not evaluated yet shows its curves so far. The mistakes of a run are also written beside it, as
    files: see ``failures.write_failures``.
    `baseline` is the variant of a sweep that the others are compared with; empty: see `read_sweep`.

    Raises:
        ValueError: there is nothing to report, a file cannot be read, or there is no such variant.
    """
    if is_sweep(workdir):
        sweep = read_sweep(workdir, baseline)
        body = render("sweep.html", **sweep_context(sweep))
        return write_page(sweep.workdir / REPORT_FILE, f"Sweep: {sweep.name}", body)
    run = read_run(workdir)
    failures = None
    for evaluation in run.evaluations[:1]:
        failures = find_failures(evaluation, run.workdir / "evaluation" / evaluation.name)
        write_failures(run.workdir, evaluation, failures)
    name = run.leading_meta.get("model") or run.workdir.resolve().name
    body = render("run.html", run=run, failures=failures)
    return write_page(run.workdir / REPORT_FILE, f"Detector of generated images: {name}", body)
