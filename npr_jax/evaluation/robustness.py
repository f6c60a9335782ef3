"""One test split in every transformation, and what is left of it.

Scores are computed here; ``robustness_table`` makes tables of them.
"""

from __future__ import annotations

import logging
import pathlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ml_collections
import numpy as np

from input_pipeline.images.degradations import Transformation
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.atomic_files import write_together
from npr_jax.evaluation.evaluate import check_deliverable, config_of, describe, evaluation_name
from npr_jax.evaluation.results import plain
from npr_jax.evaluation.robustness_table import (
    NotScored,
    TransformedScores,
    files_of,
    format_table,
    tabulate,
)
from npr_jax.inference.detector import Detector
from npr_jax.inference.ensemble import Ensemble
from npr_jax.inference.tiling import check_size
from npr_jax.training import inputs

_LOG = logging.getLogger(__name__)


def measure_robustness(
    detector: Detector | Ensemble,
    config: ml_collections.ConfigDict,
    dataset: MixedDataset,
    workdir: pathlib.Path,
    transformations: Sequence[Transformation],
    *,
    chosen: str = "",
) -> dict[str, Any]:
    """Scores every test image in every transformation; writes tables and scores.

    Args:
        detector: its own preprocessing is used, after the transformation; of each member of an
            ensemble for itself.
        config: names the test split; its delivery has no effect, deliveries are transformations.
        dataset: prepared images.
        workdir: gets ``robustness/<name>/``, all files of it or none.
        transformations: the first is the unchanged image.
        chosen: the families asked for, a part of the name; empty: all.

    Returns:
        The results as in results.json.

    Raises:
        ValueError: where the data set is not what the system learns from, or holds error maps.
    """
    for member in detector.members:
        check_deliverable(member, config, dataset)
    started = time.monotonic()
    configs = [config_of(member, config) for member in detector.members]
    parts = [
        _score(member, own, dataset, transformations)
        for member, own in zip(detector.members, configs, strict=True)
    ]
    scores = _mean(parts)
    meta = describe(detector, configs[0], dataset, seconds=time.monotonic() - started)
    meta["delivery"] = None
    name = evaluation_name(configs[0], dataset, detector.members[0], delivery=False)
    name = "-".join([name, *(part.strip() for part in chosen.split(",") if part.strip())])
    results = plain({"name": name} | tabulate(scores, transformations) | {"meta": meta})
    directory = workdir / "robustness" / name
    write_together(directory, files_of(results, scores, transformations))
    print(format_table(results))
    _LOG.info("wrote %s", directory)
    return results


def _score(
    detector: Detector,
    config: ml_collections.ConfigDict,
    dataset: MixedDataset,
    transformations: Sequence[Transformation],
) -> TransformedScores:
    split = inputs.test_split(config, dataset)
    scores = TransformedScores.empty(len(transformations), len(split.source))
    images = inputs.transformed_test_images(config, split, transformations)
    under_way: dict[int, tuple[int, int]] = {}
    for scored in detector.iter_logits(_scorable(images, detector, scores, under_way)):
        scores.logits[under_way.pop(scored.position)] = scored.logit
    return scores


def _scorable(
    elements: Iterable[dict[str, Any]],
    detector: Detector,
    scores: TransformedScores,
    under_way: dict[int, tuple[int, int]],
) -> Iterator[np.ndarray]:
    """The images that can be scored; where the logit of each belongs goes into under_way."""
    position = 0
    for element in elements:
        place = element["transformation"], element["index"]
        scores.set_facts(element)
        problem = element["problem"]
        if not problem:
            try:
                height, width = element["image"].shape[:2]
                check_size(height, width, detector.model)
            except ValueError as error:
                problem = str(error)
        if problem:
            scores.not_scored.append(NotScored(*place, problem))
            continue
        under_way[position] = place
        position += 1
        yield element["image"]


def _mean(parts: Sequence[TransformedScores]) -> TransformedScores:
    """The members' mean logits; an image that one member cannot score has none."""
    first = parts[0]
    first.logits = np.stack([part.logits for part in parts]).mean(axis=0, dtype=np.float32)
    known = {(one.transformation, one.image): one for part in parts for one in part.not_scored}
    first.not_scored = [known[key] for key in sorted(known)]
    return first
