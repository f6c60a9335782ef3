"""What stands behind a number, in words: which data, how many images, how many seeds."""

from collections.abc import Mapping
from typing import Any


def measured_on(results: Mapping[str, Any]) -> str:
    """A sentence on the images and the run of one evaluation's results.json."""
    meta = results["meta"]
    told = [f"data {meta['data']}"] if meta.get("data") else []
    told += [f"split {meta['split']}"] if meta.get("split") else []
    told += [f"delivered {meta['delivery']}"] if meta.get("delivery") else []
    text = ", ".join(told) or "data not recorded"
    return (
        f"{text[0].upper()}{text[1:]}: {results['n_photographs']:,} photographs and "
        f"{results['n_generated']:,} generated images; {one_run(meta)}."
    )


def one_run(meta: Mapping[str, Any]) -> str:
    """Which detector was measured: a run with its seed, or published weights."""
    if meta.get("weights"):
        return f"weights from {meta['weights']}, no seed of ours"
    if meta.get("seed") is None:
        return "one run, seed not recorded"
    return f"one run, seed {meta['seed']}"


def trained_on(meta: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """A sentence on the training, from what the evaluation or else the config recorded."""
    data = meta.get("train_data") or config.get("data", {}).get("path") or "data not recorded"
    text = f"Trained on {data}" if data != "data not recorded" else "Training data not recorded"
    if meta.get("train_images"):
        text += f", {meta['train_images']:,} images"
    return f"{text}; {one_run({'seed': config.get('seed')} | dict(meta))}."
