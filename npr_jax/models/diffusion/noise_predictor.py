"""A noise predictor: a trained U-Net and the forward process that it was trained for."""

from __future__ import annotations

import dataclasses

import jax
from flax import nnx

from npr_jax.models.diffusion.noise_schedule import Trajectory, trajectory
from npr_jax.models.diffusion.unet import UNet


@dataclasses.dataclass(frozen=True)
class NoisePredictor:
    """A trained U-Net and the forward process it was trained for.

    Attributes:
        unet: predicts the noise.
        schedule: name of the noise schedule.
        steps: of the forward process.
        image_size: side in pixels of the images it was trained on; it takes others too.
        sha256: of the file it came from, in hex; empty where it came from none.
        source: that file.
    """

    unet: UNet
    schedule: str
    steps: int
    image_size: int
    sha256: str = ""
    source: str = ""

    @property
    def stride(self) -> int:
        """Height and width of images must be multiples of this."""
        return self.unet.shape.stride

    def trajectory(self, count: int) -> Trajectory:
        """The noise levels of a sampler with ``count`` steps."""
        return trajectory(self.schedule, self.steps, count)

    def split(self) -> tuple[nnx.GraphDef, nnx.State]:
        """Structure and parameters, the latter to be given to a jitted function."""
        graphdef, params = nnx.split(self.unet)
        return graphdef, params


def predict_noise(
    graphdef: nnx.GraphDef, params: nnx.State, x: jax.Array, timesteps: jax.Array
) -> jax.Array:
    """The noise in ``x`` float32 ``[b, h, w, 3]`` at ``timesteps`` int32 ``[b]``."""
    return nnx.merge(graphdef, params)(x, timesteps)[..., :3]
