"""How well files alone, and nuisances of pixels alone, tell the classes of a data set apart.

A detector that beats these by little may have learned the file format, the image size, the grid of
JPEG's blocks or the brightness.
"""

import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import sklearn
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score

from input_pipeline.errors import UserError
from input_pipeline.images.metadata import read_facts
from input_pipeline.images.nuisances import measure_nuisances
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.records import ImageRecord, decode_record, image_array
from input_pipeline.storage.whole_content import read_object
from npr_jax.evaluation.tables import Scores, pair

FILE = "metadata_auc.json"  # beside a data set: {key: {generator: {"metadata": AUC, ...}}}
MAX_FILES = 20_000  # of each split; more add time and no insight
MAX_IMAGES = 500  # of each split, whose pixels are measured
TREES = 300


def metadata_auc(
    dataset: MixedDataset, train_split: str, test_split: str, workdir: pathlib.Path
) -> dict[str, dict[str, float]]:
    """What `measure_metadata` says, measured once and kept.

    It is kept beside the data set; of several, or where that cannot be written to, in the workdir.
    Another content of the data set, other splits or another scikit-learn measure anew.
    """
    facts = (
        dataset.fingerprint,
        train_split,
        test_split,
        MAX_FILES,
        MAX_IMAGES,
        TREES,
        sklearn.__version__,
    )
    key = hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()
    folders = [workdir]
    if len(dataset.datasets) == 1:
        folders.insert(0, dataset.datasets[0].path)
    for folder in folders:
        if (known := _kept(folder).get(key)) is not None:
            return known
    found = measure_metadata(dataset, train_split, test_split)
    for folder in folders:
        content = json.dumps(_kept(folder) | {key: found}, indent=1).encode()
        try:
            write_together(folder, {FILE: content})
        except OSError:
            continue
        break
    return found


def _kept(folder: pathlib.Path) -> dict[str, dict[str, dict[str, float]]]:
    try:
        return read_object(folder / FILE, "")
    except (OSError, UserError):  # none yet, or of a disk that was full
        return {}


def measure_metadata(
    dataset: MixedDataset, train_split: str, test_split: str
) -> dict[str, dict[str, float]]:
    """AUC per generator of two forests, trained and tested as a detector would be.

    ``{generator: {"metadata": AUC, "nuisances": AUC}}`` of the generators with photographs beside
    them, paired as in the detector's tables. The second sees what `measure_nuisances` measures in a
    sample of the images; generators without any in it lack that AUC. The data sets keep their
    original bytes.
    """
    splits = train_split, test_split
    found: dict[str, dict[str, float]] = {}
    for name, describe, most in (
        ("metadata", _metadata, MAX_FILES),
        ("nuisances", _nuisances, MAX_IMAGES),
    ):
        train, test = (_features(dataset, split, describe, most) for split in splits)
        for generator, auc in _forest_aucs(train, test).items():
            found.setdefault(generator, {})[name] = auc
    return found


class _Features(NamedTuple):
    features: np.ndarray  # [n, d]
    labels: np.ndarray  # [n]
    generators: np.ndarray  # [n]


def _metadata(record: ImageRecord) -> np.ndarray:
    return read_facts(record.image).features()


def _nuisances(record: ImageRecord) -> np.ndarray:
    return np.concatenate(measure_nuisances(image_array(record)))


def _forest_aucs(train: _Features, test: _Features) -> dict[str, float]:
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=0)
    forest.fit(train.features, train.labels)
    share = forest.predict_proba(test.features)[:, 1]
    scores = Scores(
        labels=test.labels,
        logits=share - 0.5,
        generators=test.generators,
        filenames=np.arange(len(test.labels)).astype(str),
    )
    return {
        group.name: float(roc_auc_score(test.labels[group.index], share[group.index]))
        for group in pair(scores)
        if group.pairing != "none"
    }


def can_measure(dataset: MixedDataset, train_split: str, test_split: str) -> bool:
    """Whether the set keeps original files and has both classes to learn from."""
    if dataset.storages != {"encoded"} or train_split == test_split:
        return False
    splits = (train_split, test_split)
    if any(len(dataset.lacking(split)) == len(dataset.names) for split in splits):
        return False
    counts = dataset.split(train_split).generators.values()
    return all(any(count[kind] for count in counts) for kind in ("photographs", "generated"))


def _features(
    dataset: MixedDataset, split: str, describe: Callable[[ImageRecord], np.ndarray], most: int
) -> _Features:
    source = dataset.split(split).source
    # Evenly spread, so that every generator of a large split is met.
    places = np.unique(np.linspace(0, len(source) - 1, min(len(source), most)).astype(int))
    records = (decode_record(source[int(place)]) for place in places)
    rows = [(describe(record), record.label, record.generator) for record in records]
    features, labels, generators = zip(*rows, strict=True)
    return _Features(np.stack(features), np.array(labels), np.array(generators))
