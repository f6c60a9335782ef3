"""Scores a test split with a detector and leaves tables, scores and a report on disk."""

import collections
import dataclasses
import logging
import math
import pathlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.orientation import upright
from input_pipeline.images.preprocessing import NATIVE, Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.prepared_dataset import missing_labels
from input_pipeline.storage.whole_content import read_object, whole_content
from npr_jax.evaluation.calibration_measures import verdict_rows
from npr_jax.evaluation.calibration_words import format_verdicts
from npr_jax.evaluation.images import chosen_test_images, images_of_test_split, orientations
from npr_jax.evaluation.metadata_baseline import can_measure, metadata_auc
from npr_jax.evaluation.mistakes import most_confident, reduced
from npr_jax.evaluation.protocol import published_table
from npr_jax.evaluation.provenance import provenance
from npr_jax.evaluation.results import write_evaluation
from npr_jax.evaluation.tables import Scores, format_baselines, format_table
from npr_jax.inference.detector import Detector
from npr_jax.inference.ensemble import Ensemble
from npr_jax.models.base import count_parameters, period
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training.inputs import open_dataset
from npr_jax.training.processes import gather_lists, gather_rows

_LOG = logging.getLogger(__name__)

SAMPLES_PER_GENERATOR = 10  # images of each kind kept for the report's residual maps
FEWEST_SAMPLES = 2  # that many are kept whatever their size
SAMPLE_PIXELS = 256 * 256  # of a sample, on average, beyond those
SAMPLE_SIDE = 1024  # pixels; larger images are no use in a report


def evaluate_run(
    detector: Detector | Ensemble,
    config: ConfigDict,
    dataset: MixedDataset,
    workdir: pathlib.Path,
    *,
    name: str = "",
    samples: int = SAMPLES_PER_GENERATOR,
) -> dict[str, Any] | None:
    """Scores every test image once, prints the table and writes the evaluation.

    Returns the results as in results.json; None on all processes but the first. ``UserError`` where
    the data set is not what the system learns from, or images are delivered to a system that does
    not look at pixels.

    Args:
        detector: its own preprocessing is used, that of each member of an ensemble for itself.
        config: names the test split and the delivery.
        dataset: prepared images.
        workdir: gets ``evaluation/<name>/``.
        name: empty: made of the data set, split, delivery and preprocessing.
        samples: images of each generator and class kept for the report, fewer where they are large.
    """
    for member in detector.members:
        if member.config:
            SYSTEMS[member.system].data_facts(member.config, dataset)
        if member.preprocessing.read_file and config.data.delivery != "clean":
            raise UserError(
                f"--delivery={config.data.delivery} changes pixels, which {member.system} does not "
                "look at; leave it out, or deliver the files themselves before `prepare`"
            )
    directory = workdir / "evaluation" / (name or evaluation_name(detector, config, dataset))
    check_place(directory, detector)
    started = time.monotonic()
    parts = [_score(member, config, dataset, samples) for member in detector.members]
    if jax.process_index() != 0:
        return None
    scores = mean_scores([part.scores for part in parts])
    meta = describe(detector, config, dataset, seconds=time.monotonic() - started)
    results = write_evaluation(
        directory,
        scores,
        meta,
        parts[0].samples.as_dict(np.mean([part.logits for part in parts], axis=0)),
        cheap_baselines(detector, config, dataset, workdir),
        parts[0].facts,
        _mistakes(scores, detector.members[0].preprocessing, config, dataset),
        verdicts=verdict_rows(scores, detector.calibration),
    )
    print(format_table(results))
    if results["verdicts"]:
        print(f"\n{format_verdicts(results['verdicts'])}")
    if beside := format_baselines(results):
        print(f"\n{beside}")
    for text in missing_labels(dataset.split(config.data.test_split).generators):
        print(f"WARNING: {text}; what it is scored against is not its own")
    _LOG.info("wrote %s", directory)
    return results


def evaluate_trained(config: ConfigDict, workdir: pathlib.Path) -> dict[str, Any] | None:
    """As ``evaluate_run``, of a run that has just been trained, with its best checkpoint."""
    detector, dataset = Detector.load(workdir), open_dataset(config, workdir)
    return evaluate_run(detector, config, dataset, workdir)


class SampleKeeper:
    """Keeps the first few images of each generator and class while they pass by."""

    def __init__(self, per_kind: int) -> None:
        self._per_kind = per_kind
        self._kept: list[dict[str, Any]] = []
        self._counts: collections.Counter[tuple[str, int]] = collections.Counter()
        self._pixels: collections.Counter[tuple[str, int]] = collections.Counter()

    def see(self, position: int, element: dict[str, Any]) -> None:
        """Keeps the element if its kind is not yet well represented."""
        kind = (element["generator"], element["label"])
        count = self._counts[kind]
        height, width = element["image"].shape[:2]
        pixels = self._pixels[kind] + height * width
        if count >= self._per_kind or max(height, width) > SAMPLE_SIDE:
            return
        if count >= FEWEST_SAMPLES and pixels > self._per_kind * SAMPLE_PIXELS:
            return
        self._counts[kind], self._pixels[kind] = count + 1, pixels
        self._kept.append({**element, "position": position})

    def as_dict(self, logits: np.ndarray) -> dict[str, Any]:
        """As ``write_evaluation`` wants them; logits are of all images that passed, in order."""
        for sample in self._kept:
            sample["logit"] = float(logits[sample["position"]])
        names = ("image", "label", "generator", "filename", "logit")
        return {f"{name}s": [sample[name] for sample in self._kept] for name in names}


@dataclasses.dataclass(frozen=True)
class _Part:
    """One detector's scores of all test images, in their order, and what else is known of them;
    and of the images that passed through this process, in the order they did, a few and all
    logits."""

    scores: Scores
    facts: list[dict[str, Any]] | None
    samples: SampleKeeper
    logits: np.ndarray


def check_place(directory: pathlib.Path, detector: Detector | Ensemble) -> None:
    """Raises ``UserError`` where the results of other weights lie: their name says nothing of them.

    Results of a run may take the place of earlier ones: a run goes on learning, and can be moved.
    """
    path = directory / "results.json"
    if not path.is_file():
        return
    content = read_object(path, "remove it")
    with whole_content(path, "remove it"):
        meta = content["meta"]
        before, digest = meta.get("weights"), meta.get("weights_sha256")
    now = _weights_of(detector)
    # Published weights are called by their path, which may be written otherwise; a card by its
    # version, with the same weights and another calibration otherwise too.
    same = before == now
    if before and now and digest:
        same = digest == detector.members[0].weights_sha256 and (
            same or detector.members[0].card is None
        )
    if not same:
        raise UserError(
            f"{directory} holds the results of {before or meta.get('checkpoint')}; give another "
            f"--output for those of {detector.source}, or remove it"
        )


def _weights_of(detector: Detector | Ensemble) -> str | None:
    """Which weights of no run; None: those of a run, or of several."""
    alone = len(detector.members) == 1 and not detector.config
    return detector.source if alone else None


def check_deliverable(detector: Detector, config: ConfigDict, dataset: MixedDataset) -> None:
    """Raises ``UserError`` unless images can be re-saved and resized before the detector's own
    preparation, and the data set is what its system learns from."""
    if not detector.config:
        return
    system = SYSTEMS[detector.system]
    if detector.preprocessing.read_file:
        raise UserError(
            f"{detector.system} looks at files and not at pixels; what changes pixels says nothing "
            "about it"
        )
    system.data_facts(detector.config, dataset)
    delivered = config.copy_and_resolve_references()
    delivered.model, delivered.data.delivery = detector.config.model, "web"
    if problems := system.problems(delivered):
        raise UserError(f"{detector.system} cannot score re-saved images: {problems[0]}")


def _score(detector: Detector, config: ConfigDict, dataset: MixedDataset, per_kind: int) -> _Part:
    rows: list[dict[str, Any]] = []
    # What a system that looks at no pixels reads is nothing for a report to show.
    samples = SampleKeeper(0 if detector.preprocessing.read_file else per_kind)
    images = _observe(images_of_test_split(config, dataset, detector.preprocessing), rows, samples)
    own_logits, weights = detector.logits_and_weights(images)
    logits = gather_rows(own_logits)
    weights = None if weights is None else gather_rows(weights)
    rows = gather_lists(rows)
    order = np.argsort([row["index"] for row in rows], kind="stable")
    scores = Scores(
        labels=np.array([rows[i]["label"] for i in order], np.int64),
        logits=logits[order],
        generators=np.array([rows[i]["generator"] for i in order]),
        filenames=np.array([rows[i]["filename"] for i in order]),
        weights=None if weights is None else weights[order],
        scales=() if weights is None else detector.model.scales,
    )
    facts = [rows[i]["facts"] for i in order] if rows and "facts" in rows[0] else None
    return _Part(scores, facts, samples, own_logits)


def _mistakes(
    scores: Scores, preprocessing: Preprocessing, config: ConfigDict, dataset: MixedDataset
) -> dict[int, np.ndarray]:
    """The most confident mistakes by their row, reduced and upright, to be looked at."""
    rows = most_confident(scores)
    shown = NATIVE if preprocessing.read_file else preprocessing
    images = chosen_test_images(config, dataset, shown, rows)
    turns = orientations(config, dataset, rows)
    seen = map(upright, map(reduced, images), turns)
    return dict(zip(rows, seen, strict=True))


def evaluation_name(
    detector: Detector | Ensemble,
    config: ConfigDict,
    dataset: MixedDataset,
    *,
    delivery: bool = True,
) -> str:
    """One folder name per data set, split, preprocessing, delivery and checkpoint.

    The best checkpoint and published weights go without saying.
    """
    parts = [dataset.name, config.data.test_split]
    ways = list(dict.fromkeys(member.preprocessing for member in detector.members))
    one = ways[0] if len(ways) == 1 else None
    if one is None:
        parts.append("mixed")
    else:
        mode = "squash" if one.resize_mode == "squash" else "short"
        parts.append(f"{mode}{one.resize}" if one.resize else "native")
        if one.crop:
            parts.append(f"crop{one.crop}")
        # The networks' own period goes without saying.
        if one.multiple_of > math.lcm(*(period(member.model) for member in detector.members)):
            parts.append("even")
    if delivery:
        parts.append(config.data.delivery)
    if one and one.jpeg_quality:
        parts.append("reencoded")
    if detector.members[0].checkpoint == "last":
        parts.append("last")
    return "-".join(parts)


def describe(
    detector: Detector | Ensemble, config: ConfigDict, dataset: MixedDataset, *, seconds: float
) -> dict[str, Any]:
    """What the numbers were made with, for whoever wants to make them again."""
    members = detector.members
    names = [member.system for member in members]
    run = detector.config if len(members) == 1 else None
    front_ends = dict.fromkeys(f for member in members for f in member.model.front_ends)
    weights = _weights_of(detector)
    return {
        "model": names[0] if len(names) == 1 else f"ensemble of {', '.join(names)}",
        "front_ends": [dataclasses.asdict(front_end) for front_end in front_ends],
        "parameters": sum(count_parameters(member.model) for member in members),
        "weights": weights,
        "weights_sha256": members[0].weights_sha256 if weights else None,
        "checkpoint": None if weights else detector.source,
        "steps": detector.step,
        "seed": run.seed if run else None,
        "preprocessing": detector.preprocessing_in_words,
        "delivery": config.data.delivery,
        "data": dataset.name,
        "split": config.data.test_split,
        "simulated": dataset.simulated,
        **published_table(members, config, dataset),
        "scoring_seconds": round(seconds, 1),
        **detector.training_data,
        **provenance(),
    }


def cheap_baselines(
    detector: Detector | Ensemble, config: ConfigDict, dataset: MixedDataset, workdir: pathlib.Path
) -> dict[str, Any] | None:
    """AUC per generator of classifiers that see no up-sampling; None where there are none.

    The simulation measured them on its own images; of original files their metadata is tried.
    """
    if len(dataset.datasets) == 1:
        path = dataset.datasets[0].path / "baselines.json"
        if path.is_file():
            return read_object(path, "prepare the data set again, or remove the file")
    splits = config.data.train_split, config.data.test_split
    reencoded = detector.members[0].preprocessing.jpeg_quality
    files_as_they_lie = config.data.delivery == "clean" and not reencoded
    if files_as_they_lie and can_measure(dataset, *splits):
        return metadata_auc(dataset, *splits, workdir)
    return None


def _observe(
    elements: Iterable[dict[str, Any]], rows: list[dict[str, Any]], samples: SampleKeeper
) -> Iterator[np.ndarray]:
    """The elements' images; everything else about them goes into rows."""
    for position, element in enumerate(elements):
        samples.see(position, element)
        row = {key: element[key] for key in ("generator", "filename", "facts") if key in element}
        rows.append(row | {key: int(element[key]) for key in ("label", "index")})
        yield element["image"]


def mean_scores(parts: Sequence[Scores]) -> Scores:
    """The members' scores of the same images as one; a single member's as they are.

    Scales' weights of several members are left out: their scales need not be the same. Raises
    ``UserError`` if the members did not score the same images in the same order.
    """
    first, *others = parts
    if not others:
        return first
    for other in others:
        if not np.array_equal(first.filenames, other.filenames):
            raise UserError("the members of the ensemble scored different images")
    logits = np.stack([part.logits for part in parts]).mean(axis=0, dtype=np.float32)
    return dataclasses.replace(first, logits=logits, weights=None, scales=())
