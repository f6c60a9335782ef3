"""How well the files alone, without a pixel, tell the classes of a data set apart.

A detector that beats this by little may have learned the file format or the image size.
"""

import hashlib
import json
import pathlib

import numpy as np
import sklearn
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score

from input_pipeline.images.metadata import read_facts
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.records import decode_record
from npr_jax.evaluation.tables import Scores, pair

FILE = "metadata_auc.json"  # beside a data set: {key: {generator: {"metadata": AUC}}}
MAX_FILES = 20_000  # of each split; more add time and no insight
TREES = 300


def metadata_auc(
    dataset: MixedDataset, train_split: str, test_split: str, workdir: pathlib.Path
) -> dict[str, dict[str, float]]:
    """What `measure_metadata` says, measured once and kept.

    It is kept beside the data set; of several, or where that cannot be written to, in the workdir.
    Another content of the data set, other splits or another scikit-learn measure anew.
    """
    facts = (dataset.fingerprint, train_split, test_split, MAX_FILES, TREES, sklearn.__version__)
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
        return json.loads((folder / FILE).read_text())
    except (OSError, ValueError):  # none yet, or of a disk that was full
        return {}


def measure_metadata(
    dataset: MixedDataset, train_split: str, test_split: str
) -> dict[str, dict[str, float]]:
    """AUC per generator of a forest on metadata, trained and tested as a detector would be.

    ``{generator: {"metadata": AUC}}`` of the generators with photographs beside them, paired as in
    the detector's tables. The data sets keep their original bytes.
    """
    train_features, train_labels, _ = _features(dataset, train_split)
    features, labels, generators = _features(dataset, test_split)
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=0)
    forest.fit(train_features, train_labels)
    share = forest.predict_proba(features)[:, 1]
    scores = Scores(
        labels=labels,
        logits=share - 0.5,
        generators=generators,
        filenames=np.arange(len(labels)).astype(str),
    )
    return {
        group.name: {"metadata": float(roc_auc_score(labels[group.index], share[group.index]))}
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


def _features(dataset: MixedDataset, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    source = dataset.split(split).source
    # Evenly spread, so that every generator of a large split is met.
    places = np.unique(np.linspace(0, len(source) - 1, min(len(source), MAX_FILES)).astype(int))
    records = (decode_record(source[int(place)]) for place in places)
    rows = [(read_facts(r.image).features(), r.label, r.generator) for r in records]
    features, labels, generators = zip(*rows, strict=True)
    return np.stack(features), np.array(labels), np.array(generators)
