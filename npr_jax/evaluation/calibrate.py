"""The ``calibrate`` command: a detector's scores become probabilities and verdicts.

Every image is scored in each delivery. The calibration that is kept is fitted to all of them. What
it is worth is measured crosswise: a hash of their names divides the images in two, and either half
is judged by a calibration fitted to the other. Limits of verdicts that were fitted before, to other
images, can be kept.
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
from input_pipeline.storage.csv_files import csv_text
from input_pipeline.storage.record_table import read_table
from input_pipeline.storage.tfrecord import TFRecordSource
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import Calibration, probabilities, to_json
from npr_jax.evaluation.calibration_fit import fit, with_limits_of
from npr_jax.evaluation.calibration_measures import measure, verdicts_of
from npr_jax.evaluation.evaluate import check_deliverable
from npr_jax.evaluation.images import scored_elements
from npr_jax.evaluation.provenance import provenance
from npr_jax.evaluation.results import json_values
from npr_jax.inference.detector import Detector
from npr_jax.inference.progress import watched
from npr_jax.training import inputs

_LOG = logging.getLogger(__name__)

# Photographs and generated images that either half needs; with fewer, no number means anything.
FEWEST = 20


class Scored(NamedTuple):
    """The n images that can be scored in each of the d deliveries."""

    filenames: np.ndarray  # str [n]
    labels: np.ndarray  # int [n]
    sources: np.ndarray  # str [n], who made them
    logits: np.ndarray  # float [n, d]
    half: np.ndarray  # int [n], 0 or 1

    def of(self, chosen: np.ndarray) -> "Scored":
        """Those that bool [n] says."""
        return Scored(*(values[chosen] for values in self))

    def fitted(
        self, target_error: float, source_error: float, limits: Calibration | None
    ) -> Calibration:
        """Their calibration, with the limits of another one where there is one."""
        found = fit(self.labels, self.logits, self.sources, target_error, source_error)
        return found if limits is None else with_limits_of(limits, found)

    def table(self) -> str:
        """CSV: a row for each image with its logits, a column for each delivery."""
        return csv_text(
            ("filename", "source", "label", *DELIVERIES),
            (
                (name, source, label, *(f"{logit:.5f}" for logit in logits))
                for name, source, label, logits in zip(
                    self.filenames, self.sources, self.labels, self.logits, strict=True
                )
            ),
        )


def calibrate(
    detector: Detector,
    directory: pathlib.Path,
    *,
    data: str,
    split: str,
    target_error: float,
    source_error: float,
    keep_limits: bool = False,
    settings: ConfigDict | None = None,
) -> dict[str, Any]:
    """Fits and measures a calibration; returns what ``calibration/<step>.json`` holds.

    The logits that it was fitted to lie beside it, ``<step>.csv``.

    ``UserError`` for a detector of neither a run nor a card, images that were trained on or are too
    few, or scores that are no higher for generated images.

    Args:
        detector: of a run or a card, as it would score files.
        directory: of the run; of a card, where the calibration is to lie.
        data: prepared data sets, separated by commas; empty: the run's own.
        split: which images; empty: the run's validation images, of other data "validation" or,
            where that is no split of theirs, those that the run holds out of its training split. A
            card says nothing of such a rule: of its data then the only split.
        target_error: share of photographs that may be called generated, and of generated images
            that may be called photograph, in each delivery, above 0 and below 0.5.
        source_error: share of the photographs of one source that may be called generated, likewise.
        keep_limits: verdicts begin where they do by the detector's calibration, which was fitted to
            other images; of these, only probabilities are.
        settings: a config as of configs/default.py, in place of the run's that a card lacks.
    """
    errors = {"target_error": target_error, "source_error": source_error}
    for name, share in errors.items():
        if not 0 < share < 0.5:
            raise UserError(f"--{name}={share}; expected above 0 and below 0.5")
    config, step = detector.config or settings, detector.step
    if config is None or step is None:
        raise UserError(
            f"{detector.source} is of neither a run nor a card, so that its calibration could not "
            "be kept; give --workdir=RUN, or --weights=CARD"
        )
    limits = detector.calibration if keep_limits else None
    if keep_limits and limits is None:
        raise UserError(
            f"--keep_limits: step {step} of {detector.source} has no calibration whose limits "
            "could be kept; calibrate it with other images first"
        )
    if data:
        config = config.copy_and_resolve_references()
        config.data.path, config.data.weights = data, ()
    dataset = inputs.open_dataset(config, directory)
    check_deliverable(detector, config, dataset)
    source, name = _images(detector, config, dataset, data, split)
    scored, too_small = _score(detector, config, source)
    _check_counts(scored, name)
    fitted = scored.fitted(**errors, limits=limits)
    results: dict[str, Any] = {
        "checkpoint": {"step": step, "hash": calibration_file.fingerprint(detector.model)},
        "preprocessing": detector.preprocessing.values(),
        **to_json(fitted),
        "source_error": source_error,
        "limits_kept": keep_limits,
        "n_photographs": int((scored.labels == 0).sum()),
        "n_generated": int((scored.labels == 1).sum()),
        "too_small": too_small,
        "measured": _measured_crosswise(scored, **errors, limits=limits),
        "meta": {"model": detector.system, "detector": detector.source, "images": name}
        | {"seed": config.seed, "simulated": dataset.simulated, **provenance()},
    }
    results = json_values(results)
    contents = {
        f"{step}.csv": scored.table().encode(),
        f"{step}.json": json.dumps(results, indent=1, allow_nan=False).encode(),
    }
    write_together(directory / calibration_file.FOLDER, contents)
    _LOG.info("wrote %s", calibration_file.file_of(directory, step))
    return results


def _images(
    detector: Detector, config: ConfigDict, dataset: MixedDataset, data: str, split: str
) -> tuple[TFRecordSource, str]:
    """The images to calibrate with, and what they are in words."""
    if not split and detector.config is None:
        split = _only_split(dataset)
    nowhere = len(dataset.lacking("validation")) == len(dataset.names)
    if not split and (not data or (nowhere and not config.data.validation_split)):
        # Names and seed alone decide what is held out: of a part of the run's data what is held out
        # of the whole.
        source = inputs.TrainInput(config, dataset).validation_source
        if not data:
            return source, f"the validation images of {dataset.name}"
        return source, (
            f"the images of {dataset.name} that the run holds out of split "
            f"{config.data.train_split} by their names"
        )
    split = split or "validation"
    trained_on = str(detector.training_data.get("train_data"))
    trained = {trained_on, *trained_on.split("+")}  # a name joins those of several data sets
    if split == config.data.train_split and not trained.isdisjoint([dataset.name, *dataset.names]):
        raise UserError(
            f"split {split!r} of {dataset.name} is what the run was trained on; a calibration "
            "needs other images, as --split=validation"
        )
    source = inputs.named_split(dataset, split, "--split").source
    return source, f"split {split} of {dataset.name}"


def _only_split(dataset: MixedDataset) -> str:
    splits = sorted({name for each in dataset.datasets for name in each.splits})
    if len(splits) != 1:
        raise UserError(f"{dataset.name} has the splits {', '.join(splits)}; give one by --split")
    return splits[0]


def _score(detector: Detector, config: ConfigDict, source: TFRecordSource) -> tuple[Scored, int]:
    """The images that can be scored in all deliveries, and how many cannot."""
    started = time.monotonic()
    table = read_table(source)
    facts = [table.facts(index) for index in range(len(table))]
    labels = table.labels.astype(np.int64)
    everything = Scored(
        filenames=np.array([fact.filename for fact in facts], str),
        labels=labels,
        sources=np.array([fact.generator for fact in facts], str),
        logits=np.full((len(facts), len(DELIVERIES)), np.nan),
        half=halves([fact.filename for fact in facts], labels, config.seed),
    )
    elements = transformed_images(
        source,
        [Transformation("delivery", how, deliver, (how,)) for how in DELIVERIES],
        detector.preprocessing,
        seed=config.seed,
        workers=config.data.workers,
    )
    elements = watched(elements, len(DELIVERIES) * len(source))
    for element, logit in scored_elements(detector, elements):
        everything.logits[element["index"], element["transformation"]] = logit
    known = np.isfinite(everything.logits).all(axis=1)
    _LOG.info("%d images scored in %.0f s", known.sum(), time.monotonic() - started)
    return everything.of(known), int((~known).sum())


def halves(filenames: list[str], labels: np.ndarray, seed: int) -> np.ndarray:
    """Decides by their names which half images belong to, int ``[n]``, 0 or 1.

    Files of one name, directory and suffix aside, stay together: a photograph and its generated
    counterpart, where they are named alike. The order is that of a hash of seed and name; names of
    photographs, of generated images and of both are dealt out apart, so that the halves have like
    shares of both classes.
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
    return np.array([places[name] for name in names], np.int64) % 2


def _check_counts(scored: Scored, name: str) -> None:
    counts = [
        int(((scored.half == h) & (scored.labels == y)).sum()) for h in (0, 1) for y in (0, 1)
    ]
    if min(counts) < FEWEST:
        raise UserError(
            f"{name}: one half has {counts[0]} photographs and {counts[1]} generated images, the "
            f"other {counts[2]} and {counts[3]}; each needs at least {FEWEST}: give more images "
            "with --data=PREPARED --split=NAME"
        )


def _measured_crosswise(
    scored: Scored, target_error: float, source_error: float, limits: Calibration | None
) -> dict[str, Any]:
    """What calibrations are worth that are fitted to the half that they are not measured on."""
    calibrated = np.empty(scored.logits.shape)
    verdicts = np.empty(scored.logits.shape, object)
    for half in (0, 1):
        mine = scored.half == half
        of_others = scored.of(~mine).fitted(target_error, source_error, limits)
        calibrated[mine] = of_others.probabilities(scored.logits[mine])
        verdicts[mine] = verdicts_of(of_others, scored.logits[mine])
    return measure(
        scored.labels, scored.sources, probabilities(scored.logits), calibrated, verdicts
    )
