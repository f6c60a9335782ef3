"""Runs and sweeps made up for the tests of pages: scores are drawn, nothing was trained."""

import csv
import json

import numpy as np

from npr_jax.evaluation.results import Scores, write_evaluation

FAMILIES = {"nearest": 8.0, "fir": 3.0, "bicubic": 0.0, "control": 0.3}


def make_scores(families=None, count=30, seed=0, weights=True):
    rng = np.random.default_rng(seed)
    families = FAMILIES if families is None else families
    generators = np.repeat(["photographs", *families], count)
    centres = np.repeat([-3.0, *(shift - 3 for shift in families.values())], count)
    total = len(generators)
    attention = rng.dirichlet([3, 2, 1], total).astype(np.float32) if weights else None
    return Scores(
        labels=(generators != "photographs").astype(int),
        logits=rng.normal(centres, 1.5),
        generators=generators,
        filenames=[f"{number}.png" for number in range(total)],
        weights=attention,
        scales=("0.25", "0.5", "0.75") if weights else (),
    )


def make_samples(count=4, size=64):
    rng = np.random.default_rng(1)
    return {
        "images": rng.integers(0, 256, (count, size, size, 3), np.uint8),
        "labels": [number % 2 for number in range(count)],
        "generators": ["photographs", "fir"] * (count // 2),
        "filenames": [f"sample{number}.png" for number in range(count)],
        "logits": [-1.0, 2.0] * (count // 2),
    }


META = {
    "model": "multiscale_attention",
    "parameters": 123456,
    "steps": 500,
    "train_family": "nearest",
    "train_images": 2000,
    "front_ends": [{"mode": "nearest", "factor": f} for f in (0.25, 0.5, 0.75)],
    "delivery": "clean",
    "simulated": True,
    "commit": "abc123",
}


def write_run(path):
    """A run with two evaluations, one of them web, and its curves; with no report yet."""
    baselines = {name: {"metadata": 0.5, "noise_variance": 0.55} for name in FAMILIES}
    write_evaluation(path / "evaluation/test", make_scores(), META, make_samples(), baselines)
    write_evaluation(path / "evaluation/test-web", make_scores(seed=2), META | {"delivery": "web"})
    points = [
        {"step": step, "epoch": step / 10, "split": split, "loss": 1 / step, "ap": 0.9}
        for step in range(1, 30)
        for split in ("train", "validation")
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    (path / "config.json").write_text(json.dumps({"seed": 7, "data": {"resize": 256}}))
    return path


VARIANTS = {"0.25": -0.1, "0.5": 0.0, "both": 0.06}  # AP beside that of 0.5
GENERATORS = {"nearest": "trained", "fir": "unseen", "unet": "unseen", "control": "control"}


def sweep_rows(seeds=(0, 1, 2)):
    """Rows of a runs.csv; what sets the variants apart exceeds what sets the seeds apart."""
    rng = np.random.default_rng(0)
    rows = []
    for variant, shift in VARIANTS.items():
        factors = [0.25, 0.5] if variant == "both" else [float(variant)]
        model = {"factors": factors, "modes": ["nearest"], "phases": [[0, 0]], "colors": ["rgb"]}
        model["name"] = "multiscale" if variant == "both" else "npr"
        for seed in seeds:
            common = {"sweep": "scales", "variant": variant, "seed": seed, "parameters": 1234}
            common |= {"model_settings": json.dumps(model), "data": "simulation", "split": "test"}
            common |= {"delivery": "clean", "train_images": 4000}
            for generator, kind in GENERATORS.items():
                measures = ("accuracy", "best_accuracy", "ap", "auc")
                values = np.clip(0.8 + shift + rng.normal(0, 0.004, 4), 0, 1)
                row = common | {"generator": generator, "kind": kind}
                row |= {"n_photographs": 500, "n_generated": 400}
                rows.append(row | dict(zip(measures, map(float, values), strict=True)))
    return rows


def write_sweep(path, rows):
    """A sweep's directory with its table."""
    path.mkdir(parents=True, exist_ok=True)
    with open(path / "runs.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
