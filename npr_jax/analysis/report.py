"""`<workdir>/report.html`: one page, self-contained, made only from what lies on disk."""

import os
import pathlib
from collections.abc import Callable

from npr_jax.analysis import markup
from npr_jax.analysis.page import write_page
from npr_jax.analysis.run_results import Evaluation, Run, read_run
from npr_jax.analysis.sections.attention import attention
from npr_jax.analysis.sections.attention_tests import attention_tests
from npr_jax.analysis.sections.baselines import baselines
from npr_jax.analysis.sections.calibration import calibration
from npr_jax.analysis.sections.comparison import comparison
from npr_jax.analysis.sections.failures import failures
from npr_jax.analysis.sections.generators import generators, photographs
from npr_jax.analysis.sections.in_short import in_short
from npr_jax.analysis.sections.localization import localization
from npr_jax.analysis.sections.paper_tables import paper_tables
from npr_jax.analysis.sections.provenance import provenance, sweep_provenance
from npr_jax.analysis.sections.robustness import robustness
from npr_jax.analysis.sections.samples import samples
from npr_jax.analysis.sections.scores import scores
from npr_jax.analysis.sections.sweep_differences import sweep_differences
from npr_jax.analysis.sections.sweep_generators import sweep_generators
from npr_jax.analysis.sections.sweep_short import sweep_short
from npr_jax.analysis.sections.sweep_variants import sweep_seeds, sweep_variants
from npr_jax.analysis.sections.training import training
from npr_jax.analysis.sections.verdicts import verdicts
from npr_jax.analysis.sweep_results import Sweep, is_sweep, read_sweep

REPORT_FILE = "report.html"
FULL_EVALUATIONS = 3  # those beyond get their tables without figures, to keep the page small

# The page in reading order. A section is a function that returns pieces of HTML, none where it has
# nothing to say; a new one is added by its line here. Between OPENING_SECTIONS and RUN_SECTIONS
# stands the leading evaluation, after RUN_SECTIONS the others, each with EVALUATION_SECTIONS.
RunSection = Callable[[Run], list[str]]
EvaluationSection = Callable[[Evaluation, bool], list[str]]  # with figures or without
OPENING_SECTIONS: tuple[RunSection, ...] = (in_short, comparison, paper_tables)
EVALUATION_SECTIONS: tuple[EvaluationSection, ...] = (
    generators,
    photographs,
    verdicts,
    scores,
    attention,
    attention_tests,
    baselines,
)
RUN_SECTIONS: tuple[RunSection, ...] = (
    training,
    robustness,
    calibration,
    samples,
    failures,
    localization,
)
CLOSING_SECTIONS: tuple[RunSection, ...] = (provenance,)
SweepSection = Callable[[Sweep], list[str]]
SWEEP_SECTIONS: tuple[SweepSection, ...] = (
    sweep_short,
    sweep_variants,
    sweep_seeds,
    sweep_generators,
    sweep_differences,
    sweep_provenance,
)


def build_report(workdir: str | os.PathLike[str], baseline: str = "") -> pathlib.Path:
    """Writes `<workdir>/report.html` of a run or, where there is a runs.csv, of a sweep.

    The page refers to nothing outside itself and is made from metrics.jsonl, config.json and
    what evaluate, robustness, calibrate and localize left beside them, or from runs.csv; a run with
    no evaluation yet shows its curves so far.

    Args:
        workdir: work directory of a run or of a sweep.
        baseline: variant of a sweep that the others are compared with; empty: see `read_sweep`.

    Returns:
        The path of the report.

    Raises:
        ValueError: there is nothing to report, a file cannot be read, or there is no such variant.
    """
    if is_sweep(workdir):
        sweep = read_sweep(workdir, baseline)
        parts = [piece for section in SWEEP_SECTIONS for piece in section(sweep)]
        return write_page(sweep.workdir / REPORT_FILE, f"Sweep: {sweep.name}", parts)
    run = read_run(workdir)
    parts = [piece for section in OPENING_SECTIONS for piece in section(run)]
    for evaluation in run.evaluations[:1]:
        parts += _evaluation(evaluation, with_figures=True)
    parts += [piece for section in RUN_SECTIONS for piece in section(run)]
    for number, evaluation in enumerate(run.evaluations[1:], start=1):
        parts += _evaluation(evaluation, with_figures=number < FULL_EVALUATIONS)
    parts += [piece for section in CLOSING_SECTIONS for piece in section(run)]
    return write_page(run.workdir / REPORT_FILE, _title(run), parts)


def _evaluation(evaluation: Evaluation, with_figures: bool) -> list[str]:
    parts = [markup.heading(f"Evaluation “{evaluation.name}”")]
    return parts + [
        piece for section in EVALUATION_SECTIONS for piece in section(evaluation, with_figures)
    ]


def _title(run: Run) -> str:
    meta = run.evaluations[0].results["meta"] if run.evaluations else {}
    name = meta.get("model") or run.workdir.resolve().name
    return f"Detector of generated images: {name}"
