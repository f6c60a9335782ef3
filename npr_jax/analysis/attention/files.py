"""``report --attention``: the scales' weights as tables, drawings and residual maps, on disk."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import replaced_directory
from input_pipeline.storage.csv_files import write_csv
from npr_jax.analysis.attention import figures as attention_figures
from npr_jax.analysis.attention.gates import Gate, agreement, by_scale, gates
from npr_jax.analysis.attention.weights import QUARTILES, Findings, study
from npr_jax.analysis.figures import style
from npr_jax.analysis.page.contexts import measured_on
from npr_jax.analysis.page.render import lines_of
from npr_jax.analysis.run_results import Evaluation, Sample, read_run
from npr_jax.analysis.statistics.permutation import PermutationTest
from npr_jax.inference.evidence_images import residual_pixels, residuals, write_png
from npr_jax.residuals.front_end import FrontEnd

FOLDER = "attention"
MAPS_FOLDER = "residual_maps"
GAP = 4  # pixels between the pictures of a sheet
LARGEST_TILE = 256  # pixels: larger images are shown by their centre
TEST_COLUMNS = (
    "test", "scale", "statistic", "p_value", "smallest_p",
    "adjusted_p", "low", "high", "right", "wrong",
)  # fmt: skip
SMALLEST_TILE = 128  # pixels: smaller images are enlarged by a whole number, pixel by pixel


def write_attention(
    workdir: pathlib.Path,
    *,
    families: Mapping[str, str] | None = None,
    sweep_rows: Sequence[Mapping[str, Any]] = (),
) -> list[pathlib.Path]:
    """Writes folders ``<workdir>/attention/<evaluation>``, each with summary.md first to read.

    Args:
        workdir: of a run.
        families: generator to family, see ``npr_jax.analysis.families``.
        sweep_rows: of a sweep's runs.csv, for gates.csv; none: no such comparison.

    Raises:
        ValueError: the run has no evaluation, or the sweep no pair to compare.
    """
    run = read_run(workdir)
    if not run.evaluations:
        raise UserError(f"{workdir} has no evaluation yet; run the evaluate command on it first")
    found = gates(sweep_rows)
    if sweep_rows and not found:
        raise UserError(
            "--sweep: its table has no weighing system beside the same system without one of its "
            "scales; docs/results/scales.csv is one that has"
        )
    folders = []
    for evaluation in run.evaluations:
        target = run.workdir / FOLDER / evaluation.name
        with replaced_directory(target) as folder:
            said = _write_weights(folder, evaluation, families)
            said += _write_gates(folder, found)
            said += _write_maps(folder, evaluation)
            measured = measured_on(evaluation.results)
            lines = [f"# Attention: {evaluation.name}", "", measured, ""]
            text = "\n".join([*lines, *(f"- {sentence}" for sentence in said)])
            (folder / "summary.md").write_text(f"{text}\n", encoding="utf-8", errors="replace")
        folders.append(target)
    return folders


@style.styled()
def save_figure(drawing: figure.Figure, path: pathlib.Path) -> None:
    """Writes a figure as ``<path>.svg`` and ``<path>.png``."""
    path.with_suffix(".svg").write_text(style.svg(drawing), encoding="utf-8")
    drawing.savefig(path.with_suffix(".png"), dpi=150)


def _write_weights(
    folder: pathlib.Path, evaluation: Evaluation, families: Mapping[str, str] | None
) -> list[str]:
    if evaluation.scores.weights is None:
        return ["This system does not weigh scales: there are no weights, only residual maps."]
    findings = study(evaluation.scores, families)
    weights = list(_weight_rows(findings))
    write_csv(folder / "weights.csv", list(weights[0]), weights)
    write_csv(folder / "tests.csv", TEST_COLUMNS, _test_rows(findings))
    measured = measured_on(evaluation.results)
    for name, draw in (
        ("box", attention_figures.boxes),
        ("violin", attention_figures.violins),
        ("heat_map", attention_figures.heat_map),
    ):
        save_figure(draw(findings, measured), folder / name)
    return lines_of("attention.txt", findings=findings, gates={})


def _weight_rows(findings: Findings) -> Iterator[dict[str, Any]]:
    for kind in findings.kinds:
        for number, scale in enumerate(findings.scales):
            values = kind.weights[:, number]
            row = {"generator": kind.generator, "family": kind.family, "label": kind.label}
            row |= {"scale": scale, "images": len(values), "accuracy": kind.right.mean()}
            row |= {"mean": values.mean(), "std": values.std()}
            shares = np.percentile(values, QUARTILES)
            yield row | {f"percentile_{q}": v for q, v in zip(QUARTILES, shares, strict=True)}


def _test_rows(findings: Findings) -> Iterator[dict[str, Any]]:
    yield _row("generators differ (share of variance between them)", findings.images)
    yield _row("families cohere (distance between minus within)", findings.families)
    for found in findings.correlations:
        name = "mean weight and accuracy over generators (Spearman)"
        yield _row(name, found.across) | {"scale": found.scale, "adjusted_p": found.across_p}
        if (one := found.within) is not None:
            name = "larger weight where right, within generators (share of pairs)"
            row = {"test": name, "scale": found.scale, "statistic": one.auc, "low": one.low}
            row |= {"high": one.high, "p_value": one.p_value, "adjusted_p": found.within_p}
            yield row | {"right": one.n_with, "wrong": one.n_without}


def _row(name: str, test: PermutationTest | None) -> dict[str, Any]:
    return {"test": name} | (vars(test) if test else {})


def _write_gates(folder: pathlib.Path, found: Sequence[Gate]) -> list[str]:
    if not found:
        return []
    rows = [
        {
            **{key: getattr(gate, key) for key in ("variant", "without", "scale", "generator")},
            "seeds": len(gate.weights),
            "mean_weight": gate.weight,
            "ap_lost": gate.loss,
            "ap_lost_std": gate.losses.std(ddof=1) if len(gate.losses) > 1 else "",
        }
        for gate in found
    ]
    write_csv(folder / "gates.csv", list(rows[0]), rows)
    save_figure(attention_figures.gate_panels(found), folder / "gates")
    said = {"gates": by_scale(found), "tests": agreement(found)}
    return lines_of("attention.txt", findings=None, **said)


def _write_maps(folder: pathlib.Path, evaluation: Evaluation) -> list[str]:
    """One picture per generator and class: a line per sample, the image and its residuals."""
    recorded = evaluation.results["meta"].get("front_ends") or []
    # Branches of one scale see the same.
    front_ends = list(dict.fromkeys(residuals([FrontEnd.from_json(v) for v in recorded])))
    kinds: dict[tuple[int, str], list[Sample]] = {}
    for sample in evaluation.samples:
        kinds.setdefault((sample.label, sample.generator), []).append(sample)
    if not kinds or not front_ends:
        return ["There are no residual maps: the evaluation kept no samples or no residuals."]
    (folder / MAPS_FOLDER).mkdir()
    for number, ((label, generator), samples) in enumerate(sorted(kinds.items())):
        lines = [_line(sample.image, front_ends) for sample in samples]
        kind = "generated" if label else "photographs"
        # The number keeps names apart that differ in what a file name cannot hold.
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in generator)[:80]
        write_png(folder / MAPS_FOLDER / f"{number:03d}-{kind}-{safe}.png", _stacked(lines))
    names = ", ".join(front_end.name for front_end in front_ends)
    counts = sorted({len(samples) for samples in kinds.values()})
    return [
        f"{MAPS_FOLDER}/ has a picture per generator and class, a line per sample "
        f"({' or '.join(map(str, counts))} of each): the image, then its residuals at {names}; "
        "a difference of −0.1, 0, +0.1 of the pixel range is black, grey, white."
    ]


def _line(image: np.ndarray, front_ends: Sequence[FrontEnd]) -> np.ndarray:
    """An image and its residuals, made of the whole image, side by side."""
    tiles = [image, *(residual_pixels(image, front_end) for front_end in front_ends)]
    top, left = (max(0, (length - LARGEST_TILE) // 2) for length in image.shape[:2])
    centre = (slice(top, top + LARGEST_TILE), slice(left, left + LARGEST_TILE))
    times = max(1, SMALLEST_TILE // max(image.shape[:2]))
    shown = [tile[centre].repeat(times, 0).repeat(times, 1) for tile in tiles]
    apart = [np.pad(tile, ((0, 0), (0, GAP), (0, 0)), constant_values=255) for tile in shown]
    return np.concatenate(apart, axis=1)[:, :-GAP]


def _stacked(lines: Sequence[np.ndarray]) -> np.ndarray:
    width = max(line.shape[1] for line in lines)
    pads = [((0, GAP), (0, width - line.shape[1]), (0, 0)) for line in lines]
    padded = [np.pad(line, pad, constant_values=255) for line, pad in zip(lines, pads, strict=True)]
    return np.concatenate(padded)[:-GAP]
