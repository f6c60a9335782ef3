"""Work directories with evaluations of the five tables, their scores drawn at random."""

import pathlib

import numpy as np

from input_pipeline.prepare.catalog import find_entry
from npr_jax.evaluation.results import Scores, write_evaluation

DATASETS = {
    "forensynths": 1,
    "gangen_detection": 2,
    "diffusion_forensics": 3,
    "universal_fake_detect": 4,
    "diffusion_1k_step": 5,
}


def scores_of(generators, *, seed=0, shift=1.0, count=20, noise=0):
    """Photographs and generated images of every generator, `shift` apart on average.

    `seed` decides the images, `noise` what a system adds to their scores.
    """
    names = np.repeat(list(generators), 2 * count)
    labels = np.tile(np.repeat([0, 1], count), len(generators))
    logits = np.random.default_rng(seed).normal(size=names.size)
    logits += np.where(labels == 1, shift, -shift)
    logits += 0.5 * np.random.default_rng([noise, 1]).normal(size=names.size)
    return Scores(
        labels,
        logits,
        names,
        [f"{name}/{index % (2 * count)}.png" for index, name in enumerate(names)],
    )


def write_table(workdir, dataset, *, lacking=(), as_published=True, delivery="clean", **options):
    """Writes one evaluation of a catalogued data set; returns its scores."""
    generators = [g.folder for g in find_entry(dataset).generators if g.folder not in lacking]
    scores = scores_of(generators, **options)
    meta = {
        **{"model": "npr", "weights": None, "catalogue": dataset, "table": DATASETS[dataset]},
        **{"as_published": as_published, "protocol": "as in the paper", "delivery": delivery},
        "preprocessing": "squashed to 256x256 pixels",
    }
    name = f"{dataset}-test-squash256-{delivery}"
    write_evaluation(pathlib.Path(workdir) / "evaluation" / name, scores, meta)
    return scores
