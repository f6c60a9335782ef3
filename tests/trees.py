"""Small trees of image files, and what became of them."""

import csv
import inspect
from pathlib import Path

import numpy as np
from PIL import Image

from input_pipeline.prepare import prepare as preparing
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.records import decode_record

_SOURCE_OPTIONS = set(inspect.signature(find_source).parameters)


def save(path, seed=0, size=(40, 30), **options):
    """Writes an image of random pixels; the suffix decides the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def prepare(source, output, **options):
    """Finds a source and prepares it in this process."""
    of_source = {key: value for key, value in options.items() if key in _SOURCE_OPTIONS}
    rest = {key: value for key, value in options.items() if key not in _SOURCE_OPTIONS}
    return preparing.prepare(find_source(source, **of_source), output, **{"workers": 0, **rest})


def records(dataset, split):
    source = dataset.source(split)
    return [decode_record(source[i]) for i in range(len(source))]


def skipped(output):
    with open(output / "skipped.csv", newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def contents(folder):
    """The bytes of every file of a directory, by name."""
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
