"""What an evaluation leaves on disk: tables, every score, what else is known, a few images.

`npr_jax.evaluation.tables` turns scores into tables; this module writes them and reads them back.
"""

import io
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.csv_files import csv_text, read_csv
from input_pipeline.storage.records import FACT_COLUMNS
from input_pipeline.storage.whole_content import whole_content
from npr_jax.evaluation import measures, tables
from npr_jax.evaluation.tables import Scores, format_table, tabulate

__all__ = ["Scores", "format_table", "read_scores", "tabulate", "write_evaluation"]

COUNTS = ("tn", "fp", "fn", "tp")
WEIGHT_COLUMN = "weight_"


def write_evaluation(
    directory: str | os.PathLike[str],
    scores: Scores,
    meta: Mapping[str, Any],
    samples: Mapping[str, Any] | None = None,
    baselines: Mapping[str, Any] | None = None,
    facts: Sequence[Mapping[str, Any]] | None = None,
    mistakes: Mapping[int, np.ndarray] | None = None,
    *,
    verdicts: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Writes scores.csv, results.csv, ..., samples.npz and, last, results.json, which it returns.

    Each file is written beside its place and renamed, so that a reader finds either a whole file or
    none; results.json is absent while the others change. ``UserError`` for samples of unequal
    lengths, not uint8 or not [h, w, 3].

    Args:
        directory: `<workdir>/evaluation/<name>`; made where missing, earlier results replaced.
        scores: one row per image.
        meta: what the evaluation was made with, kept as it is under `meta`: anything JSON can hold.
            `train_family` (a name or several) decides which generators count as unseen.
        samples: a few images for the report: images (uint8 [k, h, w, 3], or a list of k [h, w, 3]
            of any sizes), labels, generators, filenames, logits, each of length k.
        baselines: AUC of cheap classifiers, {family: {classifier: AUC}}.
        facts: of each image, as `records.image_facts` gives them, for facts.csv.
        mistakes: rows of scores to small images uint8 [h, w, 3], for mistakes.npz.
        verdicts: rows of `calibration_measures.verdict_rows`; None: not calibrated.
    """
    directory = pathlib.Path(directory)
    families = meta.get("train_family") or ()
    families = [families] if isinstance(families, str) else list(families)
    results = {"name": directory.name} | tables.tabulate(scores, families)
    results |= {"baselines": baselines or None, "verdicts": verdicts, "meta": dict(meta)}
    results = json_values(results)
    contents: dict[str, str | bytes] = {
        "scores.csv": _scores_csv(scores),
        "results.csv": _results_csv(results),
    }
    if samples is not None and len(samples["images"]):
        contents["samples.npz"] = _samples_npz(samples)
    if facts is not None:
        contents["facts.csv"] = _facts_csv(scores, facts)
    if mistakes:
        contents["mistakes.npz"] = _npz(mistakes, rows=np.array(list(mistakes)))
    contents["results.json"] = json.dumps(results, indent=1, allow_nan=False).encode()

    write_together(directory, contents, stale=["samples.npz", "facts.csv", "mistakes.npz"])
    return results


def read_scores(path: str | os.PathLike[str]) -> Scores:
    """Reads a scores.csv that `write_evaluation` has written; every value as it was.

    ``UserError`` where it lacks a column.
    """
    with whole_content(path, "run evaluate again"):
        columns, rows = read_csv(path)
    missing = {"filename", "generator", "label", "logit"} - set(columns)
    if missing:
        raise UserError(f"{path} is no scores.csv of ours: it has no column {sorted(missing)}")
    keys = [name for name in columns if name.startswith(WEIGHT_COLUMN)]
    with whole_content(path, "run evaluate again"):
        weights = np.array([[float(row[key]) for key in keys] for row in rows], np.float32)
        scores = Scores(
            labels=np.array([int(row["label"]) for row in rows]),
            logits=np.array([float(row["logit"]) for row in rows], np.float32),
            generators=np.array([row["generator"] for row in rows], str),
            filenames=np.array([row["filename"] for row in rows], str),
            weights=weights if keys else None,
            scales=tuple(key.removeprefix(WEIGHT_COLUMN) for key in keys),
        )
    return scores


def _scores_csv(scores: Scores) -> str:
    header = ["filename", "generator", "label", "logit", "probability"]
    header += [WEIGHT_COLUMN + scale for scale in scores.scales]
    chances = measures.probabilities(scores.logits)
    rows = []
    for row, chance in enumerate(chances):
        cells = [scores.filenames[row], scores.generators[row], scores.labels[row]]
        cells += [f"{scores.logits[row]:.9g}", f"{chance:.9g}"]
        if scores.weights is not None:
            cells += [f"{weight:.9g}" for weight in scores.weights[row]]
        rows.append(cells)
    return csv_text(header, rows)


def _results_csv(results: Mapping[str, Any]) -> str:
    header = ["kind", "generator", "pairing", "trained", "n_photographs", "n_generated"]
    header += [*tables.METRICS, "best_threshold", *COUNTS]
    rows = [("generator", row) for row in results["generators"]]
    rows += [(key, results[key]) for key in tables.MEANS if results[key]]
    rows += [("control", row) for row in results["control"]]
    rows += [("photographs", row) for row in results["photographs"]]
    return csv_text(
        header, ({"kind": kind} | dict(row) | dict(row.get("confusion", {})) for kind, row in rows)
    )


def _facts_csv(scores: Scores, facts: Sequence[Mapping[str, Any]]) -> str:
    if len(facts) != len(scores):
        raise UserError(f"facts of {len(facts)} images do not fit {len(scores)} scores")
    rows = (
        {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        | {"filename": filename}
        for filename, row in zip(scores.filenames, facts, strict=True)
    )
    return csv_text(("filename", *FACT_COLUMNS), rows)


def _npz(images: Mapping[int, np.ndarray], **columns: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    named = {f"image_{row}": image for row, image in images.items()}
    np.savez_compressed(buffer, allow_pickle=False, **columns, **named)
    return buffer.getvalue()


def _samples_npz(samples: Mapping[str, Any]) -> bytes:
    images = [np.asarray(image) for image in samples["images"]]
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            raise UserError(
                f"a sample image is uint8 [h, w, 3], found {image.dtype} {list(image.shape)}"
            )
    columns: dict[str, np.ndarray] = {
        "labels": np.asarray(samples["labels"], np.int64),
        "logits": np.asarray(samples["logits"], np.float32),
        "generators": np.asarray(samples["generators"], str),
        "filenames": np.asarray(samples["filenames"], str),
    }
    lengths = {key: value.shape for key, value in columns.items()}
    if set(lengths.values()) != {(len(images),)}:
        raise UserError(f"{len(images)} sample images do not fit {lengths}")
    return _npz(dict(enumerate(images)), **columns)


def json_values(value: Any) -> Any:
    """Numpy scalars, arrays and tuples as JSON knows them; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_values(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [json_values(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return str(value)
