"""From a config to the input pipeline: which data set, which split, which preprocessing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import grain
import jax
import ml_collections

from input_pipeline import pipeline
from input_pipeline.augmentations import augmentations
from input_pipeline.holdout import holdout
from input_pipeline.prepared import PreparedDataset
from npr_jax.processes import wait_for_all


def open_dataset(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> PreparedDataset:
    """The data set a config names; the embedded simulation is generated on first use.

    Raises:
        ValueError: where ``data.path`` holds no prepared data set.
    """
    if config.data.path:
        return PreparedDataset.load(config.data.path)
    from input_pipeline.simulation.dataset import build_simulation

    settings = config.data.simulation.to_dict()
    directory = pathlib.Path(settings.pop("directory") or workdir / "simulation")
    if jax.process_index() == 0:
        build_simulation(directory, seed=config.seed, photos=config.data.photos, **settings)
    wait_for_all("simulation written")
    return PreparedDataset.load(directory)


class TrainInput:
    """The training and validation images of a run, held apart by file name if need be."""

    def __init__(self, config: ml_collections.ConfigDict, dataset: PreparedDataset):
        self._config = config
        self._dataset = dataset
        data = config.data
        train = _split(dataset, data.train_split, "data.train_split")
        if data.validation_split:
            self._train = train
            self._validation = _split(dataset, data.validation_split, "data.validation_split")
        else:
            division = (data.validation_fraction, config.seed)
            self._train = holdout(train, *division, "train")
            self._validation = holdout(train, *division, "validation")
        for name, source in (("training", self._train), ("validation", self._validation)):
            if not len(source):
                raise ValueError(f"the {name} split is empty; expected images of both classes")

    @property
    def num_train_images(self) -> int:
        """Images of one epoch."""
        return len(self._train)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch; the last one may be padded."""
        return pipeline.steps_per_epoch(len(self._train), self._config.batch_size)

    def describe(self) -> dict[str, Any]:
        """What the run learns from, for its reports."""
        split = self._dataset.splits[self._config.data.train_split]
        makers = (name for name, count in split.generators.items() if count["generated"])
        return {
            "train_data": self._dataset.info["name"],
            "train_images": self.num_train_images,
            "train_family": sorted(makers),
        }

    def train_batches(self) -> grain.DatasetIterator:
        """This process's share of endless epochs: uint8 images, labels and masks."""
        data = self._config.data
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


def test_images(config: ml_collections.ConfigDict, dataset: PreparedDataset) -> Iterator[dict]:
    """This process's test images, each once, as the config's protocol wants them."""
    data = config.data
    source = _split(dataset, data.test_split, "data.test_split")
    return evaluation_images(
        source, data, resize=data.evaluate_resize, crop=0, delivery=data.delivery
    )


def evaluation_images(
    source, data, *, resize: int, crop: int, delivery: str, resize_mode: str = "squash"
) -> Iterator[dict]:
    """Elements with uint8 ``image [h, w, 3]``, label, generator, filename and index."""
    return pipeline.evaluation_images(
        source,
        resize=resize,
        resize_mode=resize_mode,
        crop=crop,
        small_images=data.small_images,
        reencode=tuple(data.reencode),
        delivery=delivery,
        workers=data.workers,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


def _split(dataset: PreparedDataset, name: str, setting: str):
    if name not in dataset.splits:
        raise ValueError(
            f"{setting} is {name!r}; the data set has {', '.join(sorted(dataset.splits))}"
        )
    return dataset.source(name)
