"""The smallest noise predictor, and data sets to try it on."""

import io
import pathlib

import ml_collections
import numpy as np
from PIL import Image

from configs.diffusion import noise_predictor
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.models.diffusion.unet import NoisePredictor, UNet, UNetShape
from npr_jax.models.pretrained import noise_predictor_file
from npr_jax.models.pretrained.noise_predictor_file import (
    load_noise_predictor,
    load_unet,
    save_noise_predictor,
)

SIDE = 32
SHAPE = UNetShape(8, (1, 2), 1, head_channels=8, groups=4)


def published_shapes(shape):
    """Names and shapes of the arrays that ``load_unet`` expects; no numbers are made."""
    _, ours = noise_predictor_file._abstract(shape)
    return {
        noise_predictor_file.published_name(path): noise_predictor_file._published_shape(
            path, value
        )
        for path, value in ours.items()
    }


def unet(seed: int = 0) -> UNet:
    """All its parameters random, also those that training starts from zero."""
    rng = np.random.default_rng(seed)
    shapes = published_shapes(SHAPE)
    arrays = {name: np.float32(0.1 * rng.normal(size=s)) for name, s in shapes.items()}
    return load_unet(arrays, SHAPE)


def predictor(folder: pathlib.Path, seed: int = 0) -> NoisePredictor:
    """Written to a file and read again."""
    path = folder / f"predictor{seed}.safetensors"
    save_noise_predictor(NoisePredictor(unet(seed), "linear", 1000, SIDE), path)
    return load_noise_predictor(path)


def config(data: pathlib.Path, **changes) -> ml_collections.ConfigDict:
    """The recipe, shrunk."""
    config = noise_predictor.get_config()
    config.unet.update(channels=8, multipliers=(1, 2), head_channels=8, groups=4)
    config.update(batch_size=4, num_steps=6, log_every_steps=2, checkpoint_every_steps=3)
    config.data.path, config.data.crop = str(data), 16
    config.update(changes)
    return config


def pixels(index: int, side: int) -> np.ndarray:
    """A smooth picture, uint8 ``[side, side + 8, 3]``."""
    rng = np.random.default_rng(index)
    small = rng.integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((side + 8, side), Image.Resampling.BICUBIC))


def encoded(image: np.ndarray, kind: str) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def records(split: str, count: int):
    """Photographs as JPEG and generated images as PNG: what the published maps must not be."""
    for index in range(count):
        image = pixels(index, 40 + 4 * (index % 3))
        yield ImageRecord(
            encoded(image, "PNG" if index % 2 else "JPEG"),
            "encoded",
            *image.shape[:2],
            index % 2,
            "gan" if index % 2 else "camera",
            f"{split}/{index}.{'png' if index % 2 else 'jpg'}",
            class_name="cat",
        )


def dataset(folder: pathlib.Path, **counts: int) -> PreparedDataset:
    """Splits of the given sizes."""
    splits = {name: records(name, count) for name, count in counts.items()}
    return write_dataset(folder, "little", splits, {"made_by": "tests", "licence": "none"})
