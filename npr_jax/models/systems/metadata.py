"""The metadata-only baseline: a small perceptron on what a file says without its pixels.

Format, height, width, bytes per pixel, JPEG's luminance table and whether colour is sub-sampled
(``metadata.FEATURES``). A detector that is no better than this may have learned how
the files were saved.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.metadata import FEATURES, LEVELS, LOG_RANGE, SIDE, metadata_picture
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.models import layers
from npr_jax.models.base import Grid, Maps, Mask, Prediction
from npr_jax.models.systems.spectrum import Standardise
from npr_jax.models.systems.system import System, integer
from npr_jax.residuals.front_end import FrontEnd


class Metadata(nnx.Module):
    """Logarithms of the features, standardised, one hidden layer, one logit.

    The features come as a picture, see ``input_pipeline.images.metadata``.
    """

    whole = True
    scales = ()
    image_side = SIDE

    def __init__(self, *, hidden: int, rngs: nnx.Rngs):
        """``hidden``: units of the hidden layer."""
        self.front_ends = (FrontEnd(mode="none"),)
        self.grids = (Grid(stride=SIDE, reach=SIDE, field=SIDE),)
        self.standardise = Standardise(len(FEATURES))
        self.hidden = layers.torch_linear(len(FEATURES), hidden, rngs=rngs)
        self.classifier = layers.torch_linear(hidden, 1, rngs=rngs)

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """See ``npr_jax.models.base.Model``; one position, ``log(1 + feature)`` standardised."""
        del mask
        red, green, blue = jnp.split(views[0][:, None, : len(FEATURES), 0], 3, axis=-1)
        # Exact in float32: at most 24 bits.
        levels = 65536.0 * red + 256.0 * green + blue
        return [self.standardise(levels[..., 0][:, :, None] * (LOG_RANGE / LEVELS), examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(nnx.relu(self.hidden(features[0])))[:, 0], None)


def _problems(config: ConfigDict) -> list[str]:
    data = config.data
    wanted: dict[str, Any] = dict.fromkeys(("resize", "evaluate_resize"), 0)
    wanted |= dict.fromkeys(("host_crop", "crop", "validation_crop", "evaluate_crop"), SIDE)
    wanted |= {"flip": False, "evaluate_even": False, "delivery": "clean", "reencode": ()}
    problems = [
        f"data.{key} is {data[key]!r}, but metadata are of files as they lie, which no pixel is "
        f"read of; expected {value!r}"
        for key, value in wanted.items()
        if (tuple(data[key]) if key == "reencode" else data[key]) != value
    ]
    changes = ("blur", "jpeg", "webp", "mask")
    used = [f"{change}_probability" for change in changes if data.augment[f"{change}_probability"]]
    used += [key for key in ("rotation", "color_jitter") if data.augment[key]]
    return problems + [
        f"data.augment.{key} is {data.augment[key]}, but metadata are not augmented; expected 0"
        for key in used
    ]


def _data_facts(config: ConfigDict, dataset: MixedDataset) -> dict[str, Any]:
    del config
    if dataset.storages != {"encoded"}:
        raise UserError(
            f"{dataset.name} holds pixels without their files, which have no metadata; prepare it "
            "with --storage=encoded and give that directory as --config.data.path"
        )
    return {}


SYSTEM = System(
    build=lambda config, dtype, rngs: Metadata(hidden=config.hidden, rngs=rngs),
    rules={"hidden": integer(1, 4096)},
    paper="baseline: format, size and compression of the file, no pixels",
    problems=_problems,
    data_facts=_data_facts,
    read_file=metadata_picture,
)
