"""`comparison.csv` and `comparison.md`: two systems on every evaluation that both have."""

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.csv_files import csv_text
from npr_jax.analysis.run_results import read_results
from npr_jax.analysis.statistics.systems import SystemsComparison, common_images, compare_systems
from npr_jax.evaluation.results import read_scores

NAME = "comparison"
Path = str | os.PathLike[str]


def write_comparison(
    workdirs: Sequence[Path], baseline: Sequence[Path], output: Path
) -> list[pathlib.Path]:
    """Compares workdirs with those of the baseline, the first with the first and so on.

    Args:
        workdirs, baseline: one for each seed; those without a partner are left out.
        output: directory, made where missing.

    Returns:
        The files; none if no two have an evaluation of the same name.

    Raises:
        ValueError: a file that cannot be read, or evaluations of one name without a common image.
    """
    found = list(_comparisons(workdirs, baseline))
    if not found:
        return []
    contents = {f"{NAME}.csv": csv_text(_COLUMNS, _csv_rows(found)), f"{NAME}.md": _markdown(found)}
    return write_together(output, contents)


_COLUMNS = (
    *("a", "b", "evaluation", "generator", "measure", "n_photographs", "n_generated"),
    *("value_a", "value_b", "difference", "low", "high", "test", "n", "p_value"),
    *("adjusted_p", "smallest_p", "effect_name", "effect"),
)
_Found = tuple[str, str, str, SystemsComparison]  # a, b, evaluation


def _comparisons(workdirs: Sequence[Path], baseline: Sequence[Path]) -> Iterator[_Found]:
    for a, b in zip(workdirs, baseline, strict=False):
        of_a, of_b = read_results(a), read_results(b)
        for name in of_a:
            if name in of_b:
                scores = [
                    read_scores(pathlib.Path(workdir) / "evaluation" / name / "scores.csv")
                    for workdir in (a, b)
                ]
                try:
                    compared = compare_systems(*common_images(*scores))
                except ValueError as error:
                    raise UserError(f"evaluation {name} of {a} and {b}: {error}") from error
                yield os.fspath(a), os.fspath(b), name, compared


def _markdown(found: Sequence[_Found]) -> str:
    parts = [
        "# Two systems on the same images",
        "Every difference is the first system minus the second; accuracies at probability 0.5. "
        "DeLong's test compares AUC, McNemar's exact test accuracy, both on the images, with "
        "p-values Holm-adjusted over the generators. These tests know the seeds at hand alone.",
    ]
    for a, b, name, compared in found:
        parts += [f"## {a} and {b} on {name}"]
        parts.append("\n".join(f"- {said}" for said in compared.sentences(a, b)))
    return "\n\n".join(parts) + "\n"


def _csv_rows(found: Sequence[_Found]) -> Iterator[dict[str, Any]]:
    for a, b, name, compared in found:
        for row in _rows(compared):
            yield {"a": a, "b": b, "evaluation": name} | row


def _rows(compared: SystemsComparison) -> Iterator[dict[str, Any]]:
    for one in compared.images:
        counts = {"n_photographs": one.n_photographs, "n_generated": one.n_generated}
        values = {"value_a": one.a, "value_b": one.b, "difference": one.a - one.b}
        bounds = {"low": one.low, "high": one.high, "adjusted_p": one.adjusted_p}
        names = {"generator": one.generator, "measure": one.measure}
        yield {**names, **counts, **values, **bounds, **_test(one.test)}
    for key, tests in compared.generators.items():
        a, b = compared.means[key]
        values = {"value_a": a, "value_b": b, "difference": a - b}
        for test in tests:
            bounds = {"low": test.low, "high": test.high} if test.low == test.low else {}
            yield {"generator": "mean", "measure": key, **values, **bounds, **_test(test)}


def _test(test: Any) -> dict[str, Any]:
    facts = {"test": test.name, "n": test.n, "p_value": test.p_value}
    return facts | {
        "smallest_p": test.smallest_p,
        "effect_name": test.effect_name,
        "effect": test.effect,
    }
