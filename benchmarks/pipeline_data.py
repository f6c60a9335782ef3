"""Images for the pipeline benchmark, as files and as data sets, written in a process of its own.

python benchmarks/pipeline_data.py FOLDER IMAGES NAME...
"""

import functools
import io
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord

EDGE = 256
JPEG_QUALITY = 92
# Of the data set whose first batch is timed: many records, each tiny.
TINY_EDGE, TINY_RECORDS = 16, 100_000
# Of the data set that memory is measured on, beside the one of the JPEG files.
TIMES_LARGER = 10
KINDS = ("PNG", "JPEG")
DATA_SETS = (*KINDS, "decoded", "larger", "tiny")


def photograph_like(index: int) -> np.ndarray:
    """Returns uint8 [256, 256, 3] that compresses as photographs of this size do.

    Overlapping discs whose sizes follow a power law, each with a texture of 1/f spectrum, then
    optical blur and sensor noise.
    """
    rng = np.random.default_rng(index)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(EDGE), np.fft.rfftfreq(EDGE), indexing="ij"))
    falloff = 1 / np.maximum(frequency, 1 / EDGE) ** 1.1
    noise = np.fft.rfft2(rng.standard_normal((3, EDGE, EDGE)))
    texture = np.fft.irfft2(noise * falloff, (EDGE, EDGE))
    texture = 14 * (texture / texture.std(axis=(1, 2), keepdims=True)).transpose(1, 2, 0)
    image = np.full((EDGE, EDGE, 3), rng.uniform(60, 190, 3))
    for _ in range(120):
        radius = int(5 / rng.uniform(0.05, 1) ** 0.8)
        top, left = rng.integers(0, EDGE - radius, 2)
        steps = np.arange(-radius, radius) ** 2
        window = image[top : top + 2 * radius, left : left + 2 * radius]
        disc = (steps[:, None] + steps < radius**2)[: window.shape[0], : window.shape[1]]
        window[disc] = rng.uniform(20, 235, 3)
    image += texture * rng.uniform(0.3, 1.2)
    blur = np.exp(-((2.6 * frequency) ** 2))
    spectrum = np.fft.rfft2(image.transpose(2, 0, 1)) * blur
    image = np.fft.irfft2(spectrum, (EDGE, EDGE)).transpose(1, 2, 0)
    return (image + rng.normal(0, 1.5, image.shape)).clip(0, 255).astype(np.uint8)


def data_set(folder: Path, name: str) -> Path:
    """Returns the directory of a data set: PNG, JPEG, decoded, larger or tiny."""
    return folder / f"{name}-set"


def image_files(folder: Path, kind: str) -> list[Path]:
    """Returns the image files of a kind, PNG or JPEG."""
    return sorted((folder / kind).iterdir())


def make(folder: Path, images: int, names: Sequence[str] = DATA_SETS) -> None:
    """Writes the files and data sets of these names, in processes of their own; 15 ms an image."""
    command = [sys.executable, __file__, str(folder), str(images), *names]
    subprocess.run(command, check=True)


def _write_files(folder: Path, count: int) -> None:
    for kind in KINDS:
        (folder / kind).mkdir()
    with multiprocessing.Pool() as pool:
        pool.map(functools.partial(_write_image, folder), range(count))


def _write_image(folder: Path, index: int) -> None:
    image = Image.fromarray(photograph_like(index))
    image.save(folder / "PNG" / f"{index:05d}.png", "PNG")
    image.save(folder / "JPEG" / f"{index:05d}.jpeg", "JPEG", quality=JPEG_QUALITY)


def _encoded(files: list[Path], times: int = 1) -> Iterator[ImageRecord]:
    for turn in range(times):
        for index, path in enumerate(files):
            name = f"{turn}/{path.name}"
            yield ImageRecord(path.read_bytes(), "encoded", EDGE, EDGE, index % 2, "any", name)


def _decoded(files: list[Path]) -> Iterator[ImageRecord]:
    for index, path in enumerate(files):
        pixels = np.asarray(Image.open(path)).tobytes()
        yield ImageRecord(pixels, "decoded", EDGE, EDGE, index % 2, "any", path.name)


def _tiny() -> Iterator[ImageRecord]:
    buffer = io.BytesIO()
    Image.fromarray(photograph_like(0)[:TINY_EDGE, :TINY_EDGE]).save(buffer, "PNG")
    data = buffer.getvalue()
    for index in range(TINY_RECORDS):
        yield ImageRecord(data, "encoded", TINY_EDGE, TINY_EDGE, index % 2, "any", f"{index}.png")


def main() -> None:
    """Writes the files and data sets into a folder."""
    folder, images, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    _write_files(folder, images)
    png, jpeg = (image_files(folder, kind) for kind in KINDS)
    records = {
        "PNG": _encoded(png),
        "JPEG": _encoded(jpeg),
        "decoded": _decoded(png),
        "larger": _encoded(jpeg, TIMES_LARGER),
        "tiny": _tiny(),
    }
    for name in names:
        write_dataset(data_set(folder, name), "benchmark", {"train": records[name]}, {})


if __name__ == "__main__":
    main()
