"""From a config to the input pipeline: which data set, which split, which preprocessing."""

import functools
import logging
import pathlib
from collections.abc import Iterator
from typing import Any

import grain
import jax
import numpy as np
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import augmentations
from input_pipeline.images.preprocessing import Preprocessing, middle_quality
from input_pipeline.images.random_delivery import RandomDelivery
from input_pipeline.loading import pipeline
from input_pipeline.loading.couples import couples_of
from input_pipeline.loading.epochs import steps_per_epoch
from input_pipeline.loading.features import feature_iterator, training_images_once
from input_pipeline.loading.mixture import MixedDataset, MixedSplit
from input_pipeline.loading.readers import BatchReader, Blend
from input_pipeline.loading.sampling import Sampling, held_out, sample
from input_pipeline.storage.path_lists import split_paths
from input_pipeline.storage.tfrecord import TFRecordSource
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training.embeddings import Embedded
from npr_jax.training.processes import wait_for_all

_LOG = logging.getLogger(__name__)


def open_dataset(config: ConfigDict, workdir: pathlib.Path) -> MixedDataset:
    """The data sets a config names; the embedded simulation is generated on first use."""
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

    def __init__(self, config: ConfigDict, dataset: MixedDataset):
        """Raises ``ValueError`` for a data set that the config's system cannot learn from."""
        self._config = config
        self.dataset = dataset
        self._facts = SYSTEMS[config.model.name].data_facts(config, dataset)
        data = config.data
        train = named_split(dataset, data.train_split, "data.train_split", of_all=True)
        table = functools.cache(train.table)
        if data.validation_split:
            records = np.arange(len(train.source))
            validation = named_split(dataset, data.validation_split, "data.validation_split")
            self.validation_source: TFRecordSource = validation.source
        else:
            held = held_out(table(), data.validation_fraction, config.seed)
            records = np.flatnonzero(~held)
            self.validation_source = train.source.subset(np.flatnonzero(held))
        if not len(records):
            raise UserError("the training split is empty; expected images of both classes")
        drawn = Sampling(
            data.fraction,
            data.max_per_class,
            tuple(data.weights),
            data.balance or ("label" if data.couples else ""),
            data.balance_power,
            data.images_per_epoch,
        )
        records, self._groups = sample(table, records, drawn, config.seed)
        self._couples = (
            couples_of(table(), records, 2 if config.consistency else 1) if data.couples else None
        )
        self._read_file = SYSTEMS[config.model.name].read_file
        self._train = train.source.subset(records)
        self.num_train_images = len(records)
        # Batches of one epoch; the last one may be padded.
        self.steps_per_epoch = steps_per_epoch(self._groups.images_per_epoch, config.batch_size)
        if not len(self.validation_source):
            raise UserError("the validation split is empty; expected images of both classes")
        if len(self._groups.sizes) > 1 and jax.process_index() == 0:
            draws = self._groups.quotas / self._groups.sizes
            _LOG.info(
                f"an epoch draws from {len(draws)} groups of images: each image {draws.min():.3g} "
                f"to {draws.max():.3g} times on average"
            )

    @property
    def _share(self) -> dict[str, Any]:
        return {"process_index": jax.process_index(), "process_count": jax.process_count()}

    def describe(self) -> dict[str, Any]:
        """What the run learns from, for its reports."""
        split = self.dataset.split(self._config.data.train_split)
        makers = (name for name, count in split.generators.items() if count["generated"])
        return {
            "train_data": self.dataset.name,
            "train_images": self.num_train_images,
            "train_family": sorted(makers),
            **self._facts,
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
                **self._share,
                groups=self._groups,
            )
        return pipeline.train_iterator(
            self._train,
            batch_size=self._config.batch_size,
            **self._reading(),
            couples=self._couples,
            cache_bytes=data.cache * 10**6,
            workers=data.workers,
            prefetch=data.prefetch,
            **self._share,
            groups=self._groups,
        )

    def _reading(self) -> dict[str, Any]:
        """What becomes of a training image on the host."""
        data = self._config.data
        return {
            "seed": self._config.seed,
            "read_file": self._read_file,
            "resize": data.resize,
            "resize_mode": data.resize_mode,
            "host_crop": data.host_crop,
            "small_images": data.small_images,
            "reencode": tuple(data.reencode),
            "augment": augmentations(data.augment),
            "random_delivery": RandomDelivery.from_settings(data.random_delivery),
            "blend": self._blend(),
        }

    def _blend(self) -> Blend | None:
        data = self._config.data
        if self._couples is None or not data.blend_probability:
            return None
        return Blend(self._couples.originals, data.blend_probability, tuple(data.blend_share))

    def train_images_once(self) -> Iterator[dict]:
        """This process's share of the training images, each once as training would get it.

        What is random about an image is drawn once, from the streams that training draws from;
        it is cropped in the centre and never mirrored. Elements: ``image``, ``label``.
        """
        data = self._config.data
        return training_images_once(
            BatchReader(self._train, **self._reading()),
            crop=data.crop,
            workers=data.workers,
            **self._share,
        )

    def validation_images(self) -> Iterator[dict]:
        """This process's validation images, each once, centre-cropped."""
        data = self._config.data
        return pipeline.evaluation_images(
            self.validation_source,
            Preprocessing(
                resize=data.resize,
                resize_mode=data.resize_mode,
                crop=data.validation_crop,
                small_images=data.small_images,
                jpeg_quality=middle_quality(data.reencode),
                read_file=self._read_file,
            ),
            workers=data.workers,
            **self._share,
        )


def named_split(
    dataset: MixedDataset, name: str, setting: str, *, of_all: bool = False
) -> MixedSplit:
    """A split of the data sets that have it.

    ``UserError``, naming the setting, where no data set has it, or one lacks it and ``of_all``.
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
