"""The images of a test split, prepared as a detector prepares files."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from input_pipeline.images.metadata import read_facts
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset, MixedSplit
from input_pipeline.loading.pipeline import evaluation_images
from input_pipeline.storage.records import decode_record
from npr_jax.inference.detector import Detector
from npr_jax.inference.progress import watched
from npr_jax.training import inputs


def images_of_test_split(
    config: ConfigDict, dataset: MixedDataset, preprocessing: Preprocessing
) -> Iterator[dict[str, Any]]:
    """This process's test images, each once: elements of ``pipeline.evaluation_images``.

    With ``facts``, see ``image_facts``, where the detector looks at pixels. The config names split
    and delivery; of several data sets, file names begin with the name of the set.
    """
    split = named_test_split(config, dataset)
    images = evaluation_images(
        split.source,
        preprocessing,
        delivery=config.data.delivery,
        facts=preprocessing.read_file is None,
        workers=config.data.workers,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    own = len(range(jax.process_index(), len(split.source), jax.process_count()))
    return uniquely_named(watched(images, own), split)


def named_test_split(config: ConfigDict, dataset: MixedDataset) -> MixedSplit:
    """The split that the config calls test; ``UserError`` where the data sets have none."""
    return inputs.named_split(dataset, config.data.test_split, "data.test_split")


def scored_elements(
    detector: Detector, elements: Iterable[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], float]]:
    """The elements whose image is no ``problem``, less the image, with their logits; out of order.

    Elements are those of ``input_pipeline.loading.transformed.transformed_images``.
    """
    under_way: dict[int, dict[str, Any]] = {}

    def images() -> Iterator[np.ndarray]:
        usable = (element for element in elements if not element["problem"])
        for position, element in enumerate(usable):
            under_way[position] = element
            yield element.pop("image")

    for scored in detector.iter_logits(images()):
        yield under_way.pop(scored.position), scored.logit


def chosen_test_images(
    config: ConfigDict, dataset: MixedDataset, preprocessing: Preprocessing, records: Sequence[int]
) -> Iterator[np.ndarray]:
    """The pixels of some test images, uint8 ``[h, w, 3]``, all in this process, in the order given.

    ``records`` are numbers of the test split's records, the ``index`` of their elements.
    """
    source = named_test_split(config, dataset).source.subset(np.array(records, np.int64))
    images = evaluation_images(source, preprocessing, delivery=config.data.delivery)
    return (image["image"] for image in images)


def orientations(
    config: ConfigDict, dataset: MixedDataset, records: Sequence[int]
) -> Iterator[int]:
    """How the files of some test images are to be turned to stand upright: EXIF's numbers.

    1, as they are, where pixels are stored. ``records`` are as in ``chosen_test_images``.
    """
    source = named_test_split(config, dataset).source
    for number in records:
        record = decode_record(source[number])
        yield read_facts(record.image).orientation if record.storage == "encoded" else 1


def uniquely_named(
    elements: Iterator[dict[str, Any]], split: MixedSplit
) -> Iterator[dict[str, Any]]:
    """The elements with file names that no other data set of the split has."""
    return (
        {**one, "filename": split.unique_filename(one["index"], one["filename"])}
        for one in elements
    )
