"""Sweeps whose runs cost nothing: scores drawn from the seed stand in for training."""

import pathlib

import ml_collections
import numpy as np

from npr_jax.evaluation.results import Scores, write_evaluation
from tests import runs

VARIANTS = (
    {"name": "0.25", "settings": {"model.factors": (0.25,)}},
    {"name": "0.5", "settings": {"model.factors": (0.5,)}},
)


def sweep_on(data: pathlib.Path, seeds=(0, 1), variants=VARIANTS) -> ml_collections.ConfigDict:
    """Two factors on a tiny data set."""
    return ml_collections.ConfigDict(
        {"base": runs.tiny_config(data), "variants": variants, "grid": (), "seeds": seeds}
    )


class Trainer:
    """Writes an evaluation for each run; remembers what it was asked for."""

    def __init__(
        self, refuse=None, weights: bool = False, scales=("0.25", "0.5"), deliveries=("clean",)
    ):
        self.calls: list[list[tuple]] = []
        self.refuse = refuse or (lambda configs: None)
        self.weights = weights
        self.scales = scales
        self.deliveries = deliveries

    def __call__(self, configs, workdirs):
        self.calls.append([(tuple(c.model.factors), c.seed) for c in configs])
        self.refuse(configs)
        return [
            [self.write(config, workdir, delivery) for delivery in self.deliveries]
            for config, workdir in zip(configs, workdirs, strict=True)
        ]

    def write(self, config, workdir, delivery):
        rng = np.random.default_rng(config.seed)
        labels = np.repeat([0, 1, 1, 1], 6)
        weights = rng.dirichlet([1, 1], 24).astype(np.float32) if self.weights else None
        scores = Scores(
            labels=labels,
            logits=rng.normal(labels),
            generators=np.repeat(["camera", "alpha", "beta", "control"], 6),
            filenames=[f"{index}.png" for index in range(24)],
            weights=weights,
            scales=self.scales if self.weights else (),
        )
        meta = {
            "train_family": ["alpha"],
            "train_images": 21,
            "steps": 4,
            "data": "tiny",
            "commit": "abc",
            "parameters": 7,
            "delivery": delivery,
        }
        name = "tiny-test" if delivery == "clean" else f"tiny-test-{delivery}"
        return write_evaluation(workdir / "evaluation" / name, scores, meta)
