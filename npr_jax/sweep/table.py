"""``runs.csv``: one row per run and generator, rebuilt from the runs that lie on disk."""

import json
import pathlib
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.csv_files import read_csv, write_csv
from input_pipeline.storage.locks import locked
from input_pipeline.storage.whole_content import whole_content
from npr_jax.evaluation.tables import METRICS
from npr_jax.evaluation.text_tables import Sheet, markdown
from npr_jax.residuals.front_end import distinct
from npr_jax.sweep.record import Record, read_record

FILE = "runs.csv"
BEFORE_SETTINGS = ("sweep", "variant", "system", "seed")
AFTER_SETTINGS = (
    "model_settings", "data", "data_fingerprint", "split", "delivery", "commit", "date", "machine",
    "parameters", "train_images", "steps", "images_trained",
    "generator", "kind", "pairing", "n_photographs", "n_generated",
    *METRICS,
    "best_threshold",
)  # fmt: skip
WEIGHT_COLUMN = "weight_"


def write_table(
    workdir: pathlib.Path, sweep: str, planned: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Writes ``runs.csv`` of all finished runs in a sweep's workdir, whole or not at all; its rows.

    The runs are read while a lock is held, so of several processes the last one to write has seen
    what the others finished before. ``planned``: {folder: settings as ``record.settings_of``} of
    the runs of this sweep. They decide which settings are columns; a finished run that lies in such
    a folder with other settings will be repeated and is left out. Runs in other folders are kept.
    """
    with locked(workdir / f".{FILE}.lock", wait=True):
        found = (read_record(path.parent) for path in workdir.glob("*/seed*/sweep_run.json"))
        records = sorted(filter(None, found), key=lambda record: (record.variant, record.seed))
        folders = [record.folder.relative_to(workdir).as_posix() for record in records]
        records = [
            record
            for record, folder in zip(records, folders, strict=True)
            if planned.get(folder, record.settings) == record.settings
        ]
        varied = varied_settings([*planned.values(), *(record.settings for record in records)])
        rows = [row for record in records for row in run_rows(record, sweep, varied)]
        weights = {key for row in rows for key in row if key.startswith(WEIGHT_COLUMN)}
        columns = [*BEFORE_SETTINGS, *varied, *AFTER_SETTINGS, *sorted(weights)]
        write_csv(workdir / FILE, columns, rows)
    return rows


def read_table(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a ``runs.csv``; seeds and measures as numbers, None where there is none.

    ``UserError`` where it is another table.
    """
    measures = {measure for _, _, measure in COLUMNS}
    remedy = "run the sweep again"
    with whole_content(path, remedy):
        columns, cells = read_csv(path)
    rows: list[dict[str, Any]] = [dict(row) for row in cells]
    needed = {"variant", "seed", "generator", *measures}
    if columns and (missing := sorted(needed - set(columns))):
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; give a sweep's runs.csv")
    with whole_content(path, remedy):
        for row in rows:
            row["seed"] = int(row["seed"])
            row |= {key: float(row[key]) if row[key] else None for key in measures}
    return rows


def varied_settings(all_settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Settings, seed aside, that are not the same in all of these, sorted."""
    values: dict[str, set[str]] = {}
    for settings in all_settings:
        for key, value in settings.items():
            values.setdefault(key, set()).add(json.dumps(value))
    varied = {key for key, found in values.items() if len(found) > 1}
    varied |= {key for key in values if not all(key in settings for settings in all_settings)}
    return sorted(varied - {"seed"})


def run_rows(record: Record, sweep: str, varied: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of one run, delivery by delivery, in the order of results.json: generators,
    controls, photographs."""
    for results in record.results():
        yield from _rows_of(results, record, sweep, varied)


def _rows_of(
    results: Mapping[str, Any], record: Record, sweep: str, varied: Iterable[str]
) -> Iterator[dict[str, Any]]:
    settings, meta = record.settings, results["meta"]
    model = {k.removeprefix("model."): v for k, v in settings.items() if k.startswith("model.")}
    common = {
        "sweep": sweep,
        "variant": record.variant,
        "system": settings["model.name"],
        "seed": record.seed,
        "data_fingerprint": record.data[:12],
        **{key: _cell(settings[key]) for key in varied if key in settings},
        "model_settings": json.dumps(model, sort_keys=True, separators=(",", ":")),
        **{key: meta.get(key) for key in AFTER_SETTINGS if key in meta},
        "images_trained": _images_trained(meta, settings),
    }
    attention = _mean_weights(results["attention"])
    rows = [("unseen" if not row["trained"] else "trained", row) for row in results["generators"]]
    rows += [("control", row) for row in results["control"]]
    rows += [("photographs", row) for row in results["photographs"]]
    for kind, row in rows:
        measures = {key: value for key, value in row.items() if key in AFTER_SETTINGS}
        label = 0 if kind == "photographs" else 1
        weights = attention.get((row["generator"], label), {})
        yield {**common, "kind": kind, **measures, **weights}


def _images_trained(meta: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    """Images seen up to the checkpoint that was scored, repeats counted, padding not."""
    steps, images = meta.get("steps"), meta.get("train_images")
    if steps is None or images is None:
        return None
    images, batch_size = settings["data.images_per_epoch"] or images, settings["batch_size"]
    epochs, rest = divmod(steps, -(-images // batch_size))
    return epochs * images + min(rest * batch_size, images)


def _mean_weights(attention: Mapping[str, Any] | None) -> dict[tuple[str, int], dict[str, float]]:
    """Mean weight of each scale by (generator, label)."""
    if not attention:
        return {}
    # Results of before scales were told apart hold the same name more than once.
    columns = [WEIGHT_COLUMN + scale for scale in distinct(attention["scales"])]
    return {
        (row["generator"], row["label"]): dict(zip(columns, row["mean"], strict=True))
        for row in attention["rows"]
    }


def _cell(value: Any) -> Any:
    """Lists as JSON, without blanks; all else as it is."""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value


# (head, kind of row, measure), each the mean over a run's rows of that kind.
COLUMNS = (
    ("AP trained", "trained", "ap"),
    ("AP unseen", "unseen", "ap"),
    ("AUC unseen", "unseen", "auc"),
    ("acc unseen", "unseen", "accuracy"),
    ("best unseen", "unseen", "best_accuracy"),
    ("AUC control", "control", "auc"),
)


def summarize(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry per variant: how many seeds, and for each column the runs' values.

    ``rows`` are those of ``runs.csv``. ``variant``, ``seeds`` and, by head of ``COLUMNS``, a list
    with one mean over generators per seed; runs without such rows are left out of the list. Where
    runs are evaluated after several deliveries, each is an entry, ``variant, delivery``.
    """
    rows = list(rows)
    several = len({row.get("delivery") for row in rows}) > 1
    by_run: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        name = f"{row['variant']}, {row['delivery']}" if several else row["variant"]
        by_run.setdefault((name, row["seed"]), []).append(row)
    entries: dict[str, dict[str, Any]] = {}
    for (variant, _), its_rows in by_run.items():
        entry = entries.setdefault(variant, {"variant": variant, "seeds": 0})
        entry["seeds"] += 1
        for head, kind, measure in COLUMNS:
            values = [row[measure] for row in its_rows if row["kind"] == kind]
            values = [value for value in values if value is not None]
            entry.setdefault(head, []).extend([statistics.fmean(values)] if values else [])
    return list(entries.values())


def format_summary(rows: Iterable[Mapping[str, Any]]) -> str:
    """The summary as a Markdown table, in percent: mean and standard deviation over seeds."""
    entries = summarize(rows)
    if not entries:
        return "no run is finished yet"
    heads = ["variant", "seeds", *(head for head, _, _ in COLUMNS)]
    cells = [[_in_percent(entry[head]) for head in heads] for entry in entries]
    return markdown(Sheet("", heads, cells))


def _in_percent(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    if not value:
        return "-"
    mean = f"{100 * statistics.fmean(value):.1f}"
    return f"{mean} ± {100 * statistics.stdev(value):.1f}" if len(value) > 1 else mean
