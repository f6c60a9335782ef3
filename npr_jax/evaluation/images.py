"""The images of a test split, prepared as a detector prepares files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import ml_collections
import numpy as np

from input_pipeline.images.degradations import Transformation
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.holdout import SubsetSource
from input_pipeline.loading.mixture import MixedDataset, MixedSplit
from input_pipeline.loading.pipeline import evaluation_images
from input_pipeline.loading.transformed import transformed_images
from npr_jax.training import inputs


def test_images(
    config: ml_collections.ConfigDict, dataset: MixedDataset, preprocessing: Preprocessing
) -> Iterator[dict[str, Any]]:
    """This process's test images, each once.

    Args:
        config: names the split and the delivery.
        dataset: prepared images; of several, file names begin with the name of the data set.
        preprocessing: the detector's own.

    Yields:
        Elements of ``pipeline.evaluation_images``; where the detector looks at pixels with
        ``facts``, see ``image_facts``.
    """
    split = test_split(config, dataset)
    images = evaluation_images(
        split.source,
        preprocessing,
        delivery=config.data.delivery,
        facts=preprocessing.read_file is None,
        workers=config.data.workers,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    return _uniquely_named(images, split)


def test_split(config: ml_collections.ConfigDict, dataset: MixedDataset) -> MixedSplit:
    """The split that the config calls test.

    Raises:
        ValueError: the data set has no such split.
    """
    return inputs.named_split(dataset, config.data.test_split, "data.test_split")


def transformed_test_images(
    config: ml_collections.ConfigDict,
    split: MixedSplit,
    transformations: Sequence[Transformation],
    preprocessing: Preprocessing,
) -> Iterator[dict[str, Any]]:
    """Every test image in every transformation, then prepared as ``test_images`` prepares it.

    Elements are those of ``input_pipeline.loading.transformed.transformed_images``.
    """
    images = transformed_images(
        split.source,
        transformations,
        preprocessing,
        seed=config.seed,
        workers=config.data.workers,
    )
    return _uniquely_named(images, split)


def chosen_test_images(
    config: ml_collections.ConfigDict,
    dataset: MixedDataset,
    preprocessing: Preprocessing,
    records: Sequence[int],
) -> Iterator[np.ndarray]:
    """The pixels of some test images, uint8 ``[h, w, 3]``, all in this process, in the order given.

    Args:
        config: as for ``test_images``.
        dataset: as for ``test_images``.
        preprocessing: as for ``test_images``.
        records: numbers of the test split's records, the ``index`` of their elements.
    """
    source = SubsetSource(test_split(config, dataset).source, np.array(records, np.int64))
    images = evaluation_images(source, preprocessing, delivery=config.data.delivery)
    return (image["image"] for image in images)


def _uniquely_named(
    elements: Iterator[dict[str, Any]], split: MixedSplit
) -> Iterator[dict[str, Any]]:
    return (
        {**one, "filename": split.unique_filename(one["index"], one["filename"])}
        for one in elements
    )
