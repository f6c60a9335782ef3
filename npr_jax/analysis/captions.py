"""Captions: what a number was measured on, that is which data, how many images, which seeds."""

from collections.abc import Iterable, Mapping
from typing import Any

from npr_jax.analysis.sweep_results import Sweep


def measured_on(results: Mapping[str, Any]) -> str:
    """A sentence on the images and the run of one evaluation's results.json."""
    meta = results["meta"]
    told = [f"data {meta['data']}"] if meta.get("data") else []
    told += [f"split {meta['split']}"] if meta.get("split") else []
    told += [f"delivered {meta['delivery']}"] if meta.get("delivery") else []
    text = ", ".join(told) or "data not recorded"
    return f"{text[0].upper()}{text[1:]}: {images_of(results)}; {one_run(meta)}."


def images_of(counts: Mapping[str, Any]) -> str:
    """How many images of each class were measured on."""
    return f"{counts['n_photographs']:,} photographs and {counts['n_generated']:,} generated images"


def one_run(meta: Mapping[str, Any]) -> str:
    """Which detector was measured: a run with its seed, or published weights."""
    if meta.get("weights"):
        return f"weights from {meta['weights']}, no seed of ours"
    if meta.get("seed") is None:
        return "one run, seed not recorded"
    return f"one run, seed {meta['seed']}"


def of_sweep(sweep: Sweep) -> str:
    """A sentence on the runs, seeds and images of a sweep."""
    runs = {(row["variant"], row["seed"]) for row in sweep.rows}
    tested = [row for row in sweep.rows if row["kind"] != "photographs"]
    return (
        f"{len(runs)} runs: {len(sweep.variants)} variants, {len(sweep.seeds)} seeds "
        f"({', '.join(map(str, sweep.seeds))}). Data {_values(sweep.rows, 'data')}, split "
        f"{_values(sweep.rows, 'split')}, delivered {_values(sweep.rows, 'delivery')}; "
        f"{_values(sweep.rows, 'train_images')} training images; for each generator "
        f"{_values(tested, 'n_generated')} generated images beside "
        f"{_values(tested, 'n_photographs')} photographs."
    )


def _values(rows: Iterable[Mapping[str, Any]], column: str) -> str:
    """The different values, as they are few; a range where there are more than three."""
    found = sorted({str(row[column]) for row in rows}, key=lambda text: (len(text), text))
    return " and ".join(found) if len(found) <= 3 else f"{found[0]} to {found[-1]}"
