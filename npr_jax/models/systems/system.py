"""How a system of the field enters the harness: one entry that says all others need to know."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.images.preprocessing import FileReader
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.models.base import Model
from npr_jax.models.pretrained.torch_weights import KeyTable
from npr_jax.models.systems.setting_rules import Rule


@dataclasses.dataclass(frozen=True)
class Published:
    """The weights that a system's authors publish, and how their evaluation prepares files."""

    table: KeyTable  # their keys
    build: Callable[[nnx.Rngs], Model]  # the model as published, from ``nnx.Rngs``
    # pixels: side of the square that files are squashed to before scoring; 0: native size
    resize: int
    crop: int = 0  # pixels: side of the centre crop that is scored after that; 0: the whole image

    def abstract(self) -> Model:
        """The model's shapes, without numbers."""
        return nnx.eval_shape(lambda: self.build(nnx.Rngs(0)))


class FileView(Protocol):
    """Turns users' files into what the system's prepared data sets hold."""

    @property
    def description(self) -> str:
        """What it makes of an image, in words."""
        ...

    def stream(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """uint8 ``[h, w, 3]`` each, in order, to uint8 images of any other size."""
        ...


@dataclasses.dataclass(frozen=True)
class System:
    """One entry of ``npr_jax.models.systems.registry``.

    Attributes:
        build: makes the model from the config's ``model`` section, a dtype for its arithmetic and
            ``nnx.Rngs`` whose stream ``params`` draws the initial weights.
        rules: what the settings of the ``model`` section may be, besides ``name`` and ``dtype``.
        paper: where the system is described, in one line.
        problems: settings of a whole config that are each allowed but not together.
        start: the parameters and running statistics that a new run begins with, from the
            ``model`` section and those that ``build`` has drawn; weights that the user gives
            are read here, and never again: a checkpoint holds what became of them.
        data_facts: what a run records of its data sets, JSON values; raises ``ValueError`` for
            data sets that are not what the system learns from.
        file_view: from the ``model`` section and what ``data_facts`` recorded, what files go
            through before they are scored; None (also as its result): nothing.
        load: gives a built model its ``Frozen`` numbers, as the ``model`` section says.
        frozen_file: the setting of the ``model`` section that names their file; empty: the
            system has none.
        read_file: what is made of an image file's bytes, in data sets and when files are scored,
            for systems that do not look at its pixels; uint8 ``[h, w, 3]``. None: they are decoded.
        published: the weights that its authors publish, in one file; None: none are known.
        trains_head_only: whether everything before the head is frozen. Training then computes
            the features of every image once and trains the head on them.
    """

    build: Callable[..., Model]
    rules: Mapping[str, Rule]
    paper: str
    problems: Callable[[ConfigDict], list[str]] = dataclasses.field(default=lambda config: [])
    start: Callable[[ConfigDict, nnx.State, nnx.State], tuple] = dataclasses.field(
        default=lambda config, params, batch_stats: (params, batch_stats)
    )
    data_facts: Callable[[ConfigDict, MixedDataset], dict[str, Any]] = dataclasses.field(
        default=lambda config, dataset: {}
    )
    file_view: Callable[[ConfigDict, Mapping[str, Any]], FileView | None] | None = None
    load: Callable[[Model, ConfigDict], Model] = dataclasses.field(
        default=lambda model, config: model
    )
    frozen_file: str = ""
    read_file: FileReader | None = None
    published: Published | None = None
    trains_head_only: bool = False
