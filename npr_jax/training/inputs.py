"""From a config to the input pipeline: which data set, which split, which preprocessing."""

from __future__ import annotations

import functools
import logging
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import grain
import jax
import ml_collections
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import augmentations
from input_pipeline.images.degradations import Transformation
from input_pipeline.loading import pipeline
from input_pipeline.loading.epochs import steps_per_epoch
from input_pipeline.loading.features import feature_iterator, training_images_once
from input_pipeline.loading.file_source import FileReader, ViewedSource
from input_pipeline.loading.holdout import SubsetSource, held_out
from input_pipeline.loading.mixture import MixedDataset, MixedSplit
from input_pipeline.loading.preparation import Preparation
from input_pipeline.loading.sampling import Groups, Sampling, sample
from input_pipeline.loading.transformed import transformed_images
from input_pipeline.storage.path_lists import split_paths
from input_pipeline.storage.tfrecord import RecordSource
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training.embeddings import Embedded
from npr_jax.training.processes import wait_for_all

_LOG = logging.getLogger(__name__)


def open_dataset(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> MixedDataset:
    """The data sets a config names; the embedded simulation is generated on first use.

    Raises:
        ValueError: where ``data.path`` holds no prepared data set.
    """
    if config.data.path:
        return MixedDataset.load(split_paths(config.data.path, "data.path"))
    from input_pipeline.simulation.dataset import build_simulation

    settings = config.data.simulation.to_dict()
    directory = pathlib.Path(settings.pop("directory") or workdir / "simulation")
    if jax.process_index() == 0:
        build_simulation(directory, seed=config.seed, photos=config.data.photos, **settings)
    wait_for_all("simulation written")
    return MixedDataset.load([directory])


class TrainInput:
    """The training and validation images of a run, held apart by file name if need be."""

    def __init__(self, config: ml_collections.ConfigDict, dataset: MixedDataset):
        self._config = config
        self._dataset = dataset
        data = config.data
        train = named_split(dataset, data.train_split, "data.train_split", of_all=True)
        table = functools.cache(train.table)
        if data.validation_split:
            records = np.arange(len(train.source))
            validation = named_split(dataset, data.validation_split, "data.validation_split")
            self._validation: RecordSource = validation.source
        else:
            held = held_out(table(), data.validation_fraction, config.seed)
            records = np.flatnonzero(~held)
            self._validation = SubsetSource(train.source, np.flatnonzero(held))
        if not len(records):
            raise UserError("the training split is empty; expected images of both classes")
        records, self._groups = sample(table, records, _sampling(data), config.seed)
        read_file = SYSTEMS[config.model.name].read_file
        self._train: RecordSource = _viewed(SubsetSource(train.source, records), read_file)
        self._validation = _viewed(self._validation, read_file)
        if not len(self._validation):
            raise UserError("the validation split is empty; expected images of both classes")
        if len(self._groups.sizes) > 1 and jax.process_index() == 0:
            _LOG.info(_in_words(self._groups))

    @property
    def validation_source(self) -> RecordSource:
        """The records of the validation images."""
        return self._validation

    @property
    def num_train_images(self) -> int:
        """Images of one epoch."""
        return len(self._train)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch; the last one may be padded."""
        return steps_per_epoch(len(self._train), self._config.batch_size)

    def describe(self) -> dict[str, Any]:
        """What the run learns from, for its reports."""
        split = self._dataset.split(self._config.data.train_split)
        makers = (name for name, count in split.generators.items() if count["generated"])
        return {
            "train_data": self._dataset.name,
            "train_images": self.num_train_images,
            "train_family": sorted(makers),
        }

    def train_batches(self, embedded: Embedded | None = None) -> grain.DatasetIterator:
        """This process's share of endless epochs: uint8 images, labels and masks.

        With the features of all images in the order of ``train_images_once``, these take the
        place of the images.
        """
        data = self._config.data
        if embedded is not None:
            return feature_iterator(
                embedded.features,
                embedded.labels,
                batch_size=self._config.batch_size,
                seed=self._config.seed,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
                groups=self._groups,
            )
        return pipeline.train_iterator(
            self._train,
            batch_size=self._config.batch_size,
            seed=self._config.seed,
            resize=data.resize,
            resize_mode=data.resize_mode,
            host_crop=data.host_crop,
            small_images=data.small_images,
            reencode=tuple(data.reencode),
            augment=augmentations(data.augment),
            workers=data.workers,
            prefetch=data.prefetch,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            groups=self._groups,
        )

    def train_images_once(self) -> Iterator[dict]:
        """This process's share of the training images, each once as training would get it.

        What is random about an image is drawn once, from the streams that training draws from;
        it is cropped in the centre and never mirrored. Elements: ``image``, ``label``.
        """
        data = self._config.data
        return training_images_once(
            self._train,
            seed=self._config.seed,
            resize=data.resize,
            resize_mode=data.resize_mode,
            host_crop=data.host_crop,
            crop=data.crop,
            small_images=data.small_images,
            reencode=tuple(data.reencode),
            augment=augmentations(data.augment),
            workers=data.workers,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    def validation_images(self) -> Iterator[dict]:
        """This process's validation images, each once, centre-cropped."""
        data = self._config.data
        return evaluation_images(
            self._validation,
            data,
            resize=data.resize,
            resize_mode=data.resize_mode,
            crop=data.validation_crop,
            delivery="clean",
        )


def test_images(
    config: ml_collections.ConfigDict, dataset: MixedDataset, system: str
) -> Iterator[dict]:
    """This process's test images, each once, as the config's protocol wants them.

    Elements of a system that looks at pixels also have ``facts``, see
    ``image_facts``. Of several data sets, file names begin with the name of the
    data set. ``system`` names the one that scores them.

    Raises:
        ValueError: for a delivery of images to a system that does not look at pixels.
    """
    data = config.data
    read_file = SYSTEMS[system].read_file
    if read_file and data.delivery != "clean":
        raise UserError(
            f"--delivery={data.delivery} changes pixels, which {system} does not look at; leave it "
            "out, or deliver the files themselves before `prepare`"
        )
    split = test_split(config, dataset)
    images = evaluation_images(
        _viewed(split.source, read_file),
        data,
        resize=data.evaluate_resize,
        crop=data.evaluate_crop,
        even=data.evaluate_even,
        delivery=data.delivery,
        facts=read_file is None,
    )
    return (
        {**image, "filename": split.unique_filename(image["index"], image["filename"])}
        for image in images
    )


def test_split(config: ml_collections.ConfigDict, dataset: MixedDataset) -> MixedSplit:
    """The split that the config calls test.

    Raises:
        ValueError: the data set has no such split.
    """
    return named_split(dataset, config.data.test_split, "data.test_split")


def transformed_test_images(
    config: ml_collections.ConfigDict,
    split: MixedSplit,
    transformations: Sequence[Transformation],
) -> Iterator[dict]:
    """Every test image in every transformation, prepared as ``test_images`` prepares it.

    Elements are those of ``input_pipeline.loading.transformed.transformed_images``.
    """
    images = transformed_images(
        split.source,
        transformations,
        Preparation(**_preparation(config.data)),
        seed=config.seed,
        workers=config.data.workers,
    )
    return (
        {**image, "filename": split.unique_filename(image["index"], image["filename"])}
        for image in images
    )


def chosen_test_images(
    config: ml_collections.ConfigDict, dataset: MixedDataset, records: Sequence[int]
) -> Iterator[np.ndarray]:
    """The pixels of some test images, uint8 ``[h, w, 3]``, all in this process, in the order given.

    Args:
        config: as for ``test_images``.
        dataset: as for ``test_images``.
        records: numbers of the test split's records, the ``index`` of their elements.
    """
    split = test_split(config, dataset)
    images = pipeline.evaluation_images(
        SubsetSource(split.source, np.array(records, np.int64)),
        delivery=config.data.delivery,
        **_preparation(config.data),
    )
    return (image["image"] for image in images)


def _preparation(data: ml_collections.ConfigDict) -> dict[str, Any]:
    """What happens to a test image before it is scored, as ``Preparation`` wants it."""
    return {
        "resize": data.evaluate_resize,
        "crop": data.evaluate_crop,
        "small_images": data.small_images,
        "even": data.evaluate_even,
        "reencode": tuple(data.reencode),
    }


def evaluation_images(
    source,
    data,
    *,
    resize: int,
    crop: int,
    delivery: str,
    resize_mode: str = "squash",
    even: bool = False,
    facts: bool = False,
) -> Iterator[dict]:
    """Elements with uint8 ``image [h, w, 3]``, label, generator, filename and index."""
    return pipeline.evaluation_images(
        source,
        resize=resize,
        resize_mode=resize_mode,
        crop=crop,
        small_images=data.small_images,
        even=even,
        reencode=tuple(data.reencode),
        delivery=delivery,
        facts=facts,
        workers=data.workers,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


def _viewed(source: RecordSource, read_file: FileReader | None) -> RecordSource:
    return source if read_file is None else ViewedSource(source, read_file)


def _sampling(data: ml_collections.ConfigDict) -> Sampling:
    return Sampling(
        fraction=data.fraction,
        max_per_class=data.max_per_class,
        weights=tuple(data.weights),
        balance=data.balance,
    )


def named_split(
    dataset: MixedDataset, name: str, setting: str, *, of_all: bool = False
) -> MixedSplit:
    """A split of the data sets that have it.

    Args:
        dataset: the data sets.
        name: of the split.
        setting: what names it, for the error.
        of_all: whether each data set has to have it.

    Raises:
        ValueError: a data set that has to have it, or every one, lacks the split.
    """
    lacking = dataset.lacking(name)
    if lacking and (of_all or len(lacking) == len(dataset.names)):
        several = len(dataset.names) > 1
        raise UserError(
            f"{setting} is {name!r}; "
            + "; ".join(
                f"the data set {f'{own} ' if several else ''}has {', '.join(splits)}"
                for own, splits in lacking.items()
            )
        )
    return dataset.split(name)


def _in_words(groups: Groups) -> str:
    draws = groups.quotas / groups.sizes
    return (
        f"an epoch draws from {len(draws)} groups of images: each image {draws.min():.3g} to "
        f"{draws.max():.3g} times on average"
    )
