"""The ``calibrate`` command: a run's scores become probabilities and verdicts.

The images are divided in two by a hash of their names. One half decides temperature, bias, unsure
band and threshold, the other says what these are worth. Every image is scored once, in one of the
deliveries, a third of the images in each.
"""

import hashlib
import json
import logging
import pathlib
import time
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.degradations import Transformation
from input_pipeline.images.transforms import DELIVERIES, deliver
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.loading.transformed import transformed_images
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.record_table import read_table
from input_pipeline.storage.tfrecord import TFRecordSource
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import probabilities
from npr_jax.evaluation import calibration_fit
from npr_jax.evaluation.calibration_measures import (
    measure_probabilities,
    measure_threshold,
    measure_verdicts,
)
from npr_jax.evaluation.evaluate import check_deliverable
from npr_jax.evaluation.images import scored_elements
from npr_jax.evaluation.provenance import provenance
from npr_jax.evaluation.results import json_values
from npr_jax.inference.detector import Detector
from npr_jax.training import inputs

_LOG = logging.getLogger(__name__)

# Photographs and generated images that either half needs; with fewer, no number means anything.
FEWEST = 20
FIT, MEASURE = 0, 1


class Dealt(NamedTuple):
    """Where each image goes: ``half`` int [n] (``FIT`` or ``MEASURE``) and ``delivery`` int [n], a
    place in ``DELIVERIES``."""

    half: np.ndarray
    delivery: np.ndarray


def calibrate(
    detector: Detector,
    workdir: pathlib.Path,
    *,
    data: str,
    split: str,
    target_error: float,
    false_positive_rate: float,
) -> dict[str, Any]:
    """Fits and measures a calibration; returns what ``calibration/<step>.json`` of the run holds.

    ``UserError`` for a run without config, images that were trained on or are too few, or scores
    that are no higher for generated images.

    Args:
        detector: of the run, as it would score files.
        workdir: of the run.
        data: prepared data sets, separated by commas; empty: the run's own.
        split: which images; empty: the run's validation images, of other data "validation".
        target_error: share of the verdicts that may be wrong, above 0 and below 0.5.
        false_positive_rate: share of photographs above the threshold, above 0 and below 1.
    """
    if not 0 < target_error < 0.5:
        raise UserError(f"--target_error={target_error}; expected above 0 and below 0.5")
    if not 0 < false_positive_rate < 1:
        raise UserError(
            f"--false_positive_rate={false_positive_rate}; expected above 0 and below 1"
        )
    config, step = detector.config, detector.step
    if config is None or step is None:
        raise UserError(f"{detector.source} is no run; calibrate needs --workdir=RUN")
    if data:
        config = config.copy_and_resolve_references()
        config.data.path, config.data.weights = data, ()
    dataset = inputs.open_dataset(config, workdir)
    check_deliverable(detector, config, dataset)
    source, name = _images(detector, config, dataset, data, split)
    labels, logits, dealt, n_not_scored = _score(detector, config, source)
    _check_counts(labels, dealt.half, name)
    fitting, measuring = dealt.half == FIT, dealt.half == MEASURE
    fitted = calibration_fit.fit(labels[fitting], logits[fitting], target_error)
    threshold = calibration_fit.threshold_for(logits[fitting & (labels == 0)], false_positive_rate)
    results: dict[str, Any] = {
        "checkpoint": {"step": step, "hash": calibration_file.fingerprint(detector.model)},
        "preprocessing": detector.preprocessing.values(),
        **calibration_file.to_json(fitted),
        "threshold": {
            "false_positive_rate": false_positive_rate,
            "logit": threshold,
            "probability": None if threshold is None else float(fitted.probabilities(threshold)),
        },
        "fitted_on": _counts(labels[fitting], dealt.delivery[fitting]),
        "measured_on": _counts(labels[measuring], dealt.delivery[measuring]),
        "measured": {
            "before": measure_probabilities(labels[measuring], probabilities(logits[measuring])),
            "after": measure_probabilities(
                labels[measuring], fitted.probabilities(logits[measuring])
            ),
            "verdicts": measure_verdicts(fitted, labels[measuring], logits[measuring]),
            "threshold": measure_threshold(labels[measuring], logits[measuring], threshold),
        },
        "too_small": n_not_scored,
        "meta": {"model": detector.system, "detector": detector.source, "images": name}
        | {"seed": config.seed, "simulated": dataset.simulated, **provenance()},
    }
    results = json_values(results)
    contents = {f"{step}.json": json.dumps(results, indent=1, allow_nan=False).encode()}
    write_together(workdir / calibration_file.FOLDER, contents)
    _LOG.info("wrote %s", calibration_file.file_of(workdir, step))
    return results


def _images(
    detector: Detector, config: ConfigDict, dataset: MixedDataset, data: str, split: str
) -> tuple[TFRecordSource, str]:
    """The images to calibrate with, and what they are in words."""
    if not (data or split):
        source = inputs.TrainInput(config, dataset).validation_source
        return source, f"the validation images of {dataset.name}"
    split = split or "validation"
    trained_on = detector.training_data.get("train_data")
    if split == config.data.train_split and trained_on == dataset.name:
        raise UserError(
            f"split {split!r} of {dataset.name} is what the run was trained on; a calibration "
            "needs other images, as --split=validation"
        )
    source = inputs.named_split(dataset, split, "--split").source
    return source, f"split {split} of {dataset.name}"


def deal(filenames: list[str], labels: np.ndarray, seed: int) -> Dealt:
    """Decides by their names which half and which delivery images belong to.

    Files of one name, directory and suffix aside, stay together: a photograph and its generated
    counterpart, where they are named alike. The order is that of a hash of seed and name; names of
    photographs, of generated images and of both are dealt out apart, so that the halves and
    deliveries have like shares of both classes.
    """
    names = [pathlib.PurePosixPath(name).stem for name in filenames]
    classes: dict[str, set[int]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        classes.setdefault(name, set()).add(label)
    places: dict[str, int] = {}
    for kind in ({0}, {1}, {0, 1}):
        alike = [name for name, found in classes.items() if found == kind]
        alike.sort(key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
        places |= {name: place for place, name in enumerate(alike)}
    place = np.array([places[name] for name in names], np.int64)
    return Dealt(half=place % 2, delivery=place // 2 % len(DELIVERIES))


def _score(
    detector: Detector, config: ConfigDict, source: TFRecordSource
) -> tuple[np.ndarray, np.ndarray, Dealt, int]:
    """Labels and logits of the images that can be scored, where they go, and how many cannot."""
    started = time.monotonic()
    table = read_table(source)
    labels = table.labels.astype(np.int64)
    filenames = [table.facts(index).filename for index in range(len(table))]
    dealt = deal(filenames, labels, config.seed)
    logits = np.full(len(labels), np.nan)
    for number, delivery in enumerate(DELIVERIES):
        records = np.flatnonzero(dealt.delivery == number)
        elements = transformed_images(
            source.subset(records),
            [Transformation("delivery", delivery, deliver, (delivery,))],
            detector.preprocessing,
            seed=config.seed,
            workers=config.data.workers,
        )
        for element, logit in scored_elements(detector, elements):
            logits[records[element["index"]]] = logit
    known = np.isfinite(logits)
    _LOG.info("%d images scored in %.0f s", known.sum(), time.monotonic() - started)
    dealt = Dealt(dealt.half[known], dealt.delivery[known])
    return labels[known], logits[known], dealt, int((~known).sum())


def _check_counts(labels: np.ndarray, half: np.ndarray, name: str) -> None:
    counts = [int(((half == h) & (labels == y)).sum()) for h in (FIT, MEASURE) for y in (0, 1)]
    if min(counts) < FEWEST:
        raise UserError(
            f"{name}: a half to fit with has {counts[0]} photographs and {counts[1]} generated "
            f"images, a half to measure with {counts[2]} and {counts[3]}; each needs at least "
            f"{FEWEST}: give more images with --data=PREPARED --split=NAME"
        )


def _counts(labels: np.ndarray, delivery: np.ndarray) -> dict[str, Any]:
    mixture = {name: int((delivery == number).sum()) for number, name in enumerate(DELIVERIES)}
    return {
        "n_photographs": int((labels == 0).sum()),
        "n_generated": int((labels == 1).sum()),
        "deliveries": mixture,
    }
