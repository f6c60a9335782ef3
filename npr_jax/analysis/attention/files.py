"""``report --attention``: the scales' weights as tables, drawings and residual maps, on disk."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import replaced_directory
from input_pipeline.storage.csv_files import write_csv
from npr_jax.analysis import captions
from npr_jax.analysis.attention import figures as attention_figures
from npr_jax.analysis.attention import wording as attention_words
from npr_jax.analysis.attention.gates import Gate, agreement, gates
from npr_jax.analysis.attention.weights import QUARTILES, Findings, study
from npr_jax.analysis.figures import style
from npr_jax.analysis.run_results import Evaluation, Sample, read_run
from npr_jax.analysis.statistics.permutation import PermutationTest
from npr_jax.inference.evidence_images import residual_pixels, residuals, write_png
from npr_jax.residuals.front_end import FrontEnd

FOLDER = "attention"
MAPS_FOLDER = "residual_maps"
GAP = 4  # pixels between the pictures of a sheet
LARGEST_TILE = 256  # pixels: larger images are shown by their centre
SMALLEST_TILE = 128  # pixels: smaller images are enlarged by a whole number, pixel by pixel


def write_attention(
    workdir: pathlib.Path,
    *,
    families: Mapping[str, str] | None = None,
    sweep_rows: Sequence[Mapping[str, Any]] = (),
) -> list[pathlib.Path]:
    """Writes ``<workdir>/attention/<evaluation>`` for each evaluation of a run.

    Args:
        workdir: of the run.
        families: generator to family, see ``npr_jax.analysis.families``.
        sweep_rows: of a sweep's runs.csv, for gates.csv; none: no such comparison.

    Returns:
        The folders, each with summary.md first to read.

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
            measured = captions.measured_on(evaluation.results)
            _write_summary(folder / "summary.md", evaluation.name, measured, said)
        folders.append(target)
    return folders


def save_figure(drawing: figure.Figure, path: pathlib.Path) -> None:
    """Writes a figure as ``<path>.svg`` and ``<path>.png``."""
    path.with_suffix(".svg").write_text(style.svg(drawing), encoding="utf-8")
    drawing.savefig(path.with_suffix(".png"), dpi=150)


def _write_rows(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    write_csv(path, list(rows[0]), rows)


def _write_weights(
    folder: pathlib.Path, evaluation: Evaluation, families: Mapping[str, str] | None
) -> list[str]:
    if evaluation.scores.weights is None:
        return ["This system does not weigh scales: there are no weights, only residual maps."]
    findings = study(evaluation.scores, families)
    _write_rows(folder / "weights.csv", _weight_rows(findings))
    _write_rows(folder / "tests.csv", list(_test_rows(findings)))
    measured = captions.measured_on(evaluation.results)
    for name, draw in (
        ("box", attention_figures.boxes),
        ("violin", attention_figures.violins),
        ("heat_map", attention_figures.heat_map),
    ):
        with style.styled():
            save_figure(draw(findings, measured), folder / name)
    return attention_words.sentences(findings)


def _weight_rows(findings: Findings) -> list[dict[str, Any]]:
    rows = []
    for kind in findings.kinds:
        for number, scale in enumerate(findings.scales):
            values = kind.weights[:, number]
            row = {"generator": kind.generator, "family": kind.family, "label": kind.label}
            row |= {"scale": scale, "images": len(values), "accuracy": kind.right.mean()}
            row |= {"mean": values.mean(), "std": values.std()}
            shares = np.percentile(values, QUARTILES)
            row |= {f"percentile_{q}": v for q, v in zip(QUARTILES, shares, strict=True)}
            rows.append(row)
    return rows


def _test_rows(findings: Findings) -> Iterable[dict[str, Any]]:
    def row(test: str, scale: str, found: PermutationTest | None, **other: Any) -> dict[str, Any]:
        numbers = (found.statistic, found.p_value, found.smallest_p) if found else ("",) * 3
        named = dict(zip(("statistic", "p_value", "smallest_p"), numbers, strict=True))
        blank = dict.fromkeys(("adjusted_p", "low", "high", "right", "wrong"), "")
        return {"test": test, "scale": scale} | named | blank | other

    yield row("generators differ (share of variance between them)", "", findings.images)
    yield row("families cohere (distance between minus within)", "", findings.families)
    for found in findings.correlations:
        adjusted = found.across_p if found.across_p is not None else ""
        name = "mean weight and accuracy over generators (Spearman)"
        yield row(name, found.scale, found.across, adjusted_p=adjusted)
        if found.within is not None:
            one = found.within
            yield row(
                "larger weight where right, within generators (share of pairs)",
                found.scale,
                None,
                statistic=one.auc,
                p_value=one.p_value,
                adjusted_p=found.within_p,
                low=one.low,
                high=one.high,
                right=one.n_with,
                wrong=one.n_without,
            )


def _write_gates(folder: pathlib.Path, found: Sequence[Gate]) -> list[str]:
    if not found:
        return []
    _write_rows(
        folder / "gates.csv",
        [
            {
                "variant": gate.variant,
                "without": gate.without,
                "scale": gate.scale,
                "generator": gate.generator,
                "seeds": len(gate.weights),
                "mean_weight": gate.weights.mean(),
                "ap_lost": gate.losses.mean(),
                "ap_lost_std": gate.losses.std(ddof=1) if len(gate.losses) > 1 else "",
            }
            for gate in found
        ],
    )
    with style.styled():
        save_figure(attention_figures.gate_panels(found), folder / "gates")
    return attention_words.gate_sentences(found, agreement(found))


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
        name = f"{number:03d}-{kind}-{_file_name(generator)}.png"
        write_png(folder / MAPS_FOLDER / name, _stacked(lines))
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
    gap = np.full((shown[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for tile in shown for part in (tile, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _stacked(lines: Sequence[np.ndarray]) -> np.ndarray:
    width = max(line.shape[1] for line in lines)
    height = sum(line.shape[0] + GAP for line in lines) - GAP
    page = np.full((height, width, 3), 255, np.uint8)
    top = 0
    for line in lines:
        page[top : top + line.shape[0], : line.shape[1]] = line
        top += line.shape[0] + GAP
    return page


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:80]


def _write_summary(path: pathlib.Path, name: str, measured: str, said: Sequence[str]) -> None:
    lines = [f"# Attention: {name}", "", measured, "", *(f"- {text}" for text in said)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
