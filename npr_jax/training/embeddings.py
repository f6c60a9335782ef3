"""Features of a run's images, computed once and kept: what a head alone is trained on."""

import dataclasses
import hashlib
import json
import logging
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from input_pipeline.storage.atomic_files import whole_file
from input_pipeline.storage.whole_content import read_arrays, whole_content
from npr_jax.inference.scorer import Scorer
from npr_jax.training.processes import gather_rows

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Images by their features: float32 ``[n, d]``, and int32 labels ``[n]``, 1 = generated."""

    features: np.ndarray
    labels: np.ndarray


def identity_of(layout: Mapping[str, Any], frozen: str) -> dict[str, Any]:
    """What the features depend on: the frozen numbers (their fingerprint), images, and what is
    done to them, by the ``layout`` of ``npr_jax.training.resume``."""
    settings = layout["settings"]
    return {
        "frozen": frozen,
        "data fingerprint": layout["data fingerprint"],
        **{key: settings[key] for key in ("seed", "model", "data")},
    }


def embed(
    directory: pathlib.Path,
    identity: Mapping[str, Any],
    images: Callable[[], Iterable[Mapping[str, Any]]],
    scorer: Scorer,
) -> Embedded:
    """Features from the directory's file of that identity; computed and written if there is none.

    The identity is of JSON values; files of others stay as they are. ``images`` gives this
    process's share, every n-th, of elements with ``image`` and ``label``; the scorer's model has
    one feature map.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    path = directory / f"{identity['images']}-{digest[:16]}.npz"
    # All processes compute, or none does.
    if gather_rows(np.array([path.is_file()])).all():
        _LOG.info("features of the %s images: %s", identity["images"], path)
        return _read(path)
    _LOG.info("computing the features of the %s images, once", identity["images"])
    embedded = _compute(images(), scorer)
    if jax.process_index() == 0:
        directory.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            np.savez(file, features=embedded.features, labels=embedded.labels)
    return embedded


def _compute(images: Iterable[Mapping[str, Any]], scorer: Scorer) -> Embedded:
    labels: list[int] = []
    found = dict(scorer.features(labelled(images, labels)))
    features = [found[position][0] for position in range(len(found))]
    return Embedded(
        _in_order(np.array(features, np.float32)), _in_order(np.array(labels, np.int32))
    )


def labelled(images: Iterable[Mapping[str, Any]], labels: list[int]) -> Iterator[np.ndarray]:
    """The pixels of elements with ``image`` and ``label``; the labels go into the list."""
    for element in images:
        labels.append(int(element["label"]))
        yield element["image"]


def _in_order(own: np.ndarray) -> np.ndarray:
    """Rows of all processes, each of which has every n-th."""
    processes = jax.process_count()
    if processes == 1:
        return own
    places = gather_rows(np.arange(len(own)) * processes + jax.process_index())
    return gather_rows(own)[np.argsort(places)]


def _read(path: pathlib.Path) -> Embedded:
    remedy = "delete it to compute it anew"
    arrays = read_arrays(path, remedy)
    with whole_content(path, remedy):
        found = Embedded(arrays["features"], arrays["labels"])
    return found
