"""Every image in every transformation: once each, the same for any number of workers."""

import collections
import dataclasses
import tracemalloc

import numpy as np
import pytest

from input_pipeline.images.degradations import transformations
from input_pipeline.images.preprocessing import NATIVE, Preprocessing
from input_pipeline.loading.transformed import transformed_images
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.prepared_dataset import PreparedDataset
from tests import runs

COUNT = 7


class Counting:
    """A source that notes in a file which records are read, by whatever process."""

    def __init__(self, source, notes):
        self._source, self._notes = source, notes

    def __len__(self):
        return len(self._source)

    def __getitem__(self, index):
        with open(self._notes, "a") as file:
            file.write(f"{index}\n")
        return self._source[index]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    write_dataset(path, "tiny", {"test": runs.records("test", COUNT)}, {"made_by": "tests"})
    return PreparedDataset.load(path).source("test")


def collect(source, chosen, preprocessing=NATIVE, **options):
    elements = transformed_images(source, chosen, preprocessing, seed=5, **options)
    return {(e["index"], e["transformation"]): e for e in elements}


def test_every_image_in_every_transformation_once_prepared_last(source):
    chosen = transformations("jpeg,noise,crop")
    elements = list(transformed_images(source, chosen, Preprocessing(crop=40), seed=5))
    places = collections.Counter((e["index"], e["transformation"]) for e in elements)
    assert set(places.values()) == {1}
    assert len(places) == COUNT * len(chosen)
    for element in elements:
        image = runs.picture(1000 + element["index"], bool(element["label"]))
        changed = chosen[element["transformation"]](image, 5, element["index"])
        np.testing.assert_array_equal(element["image"], Preprocessing(crop=40)(changed))
        assert element["image"].shape == (40, 40, 3)
        assert element["filename"] == f"test/{element['index']:03d}.png"


def test_workers_change_nothing_and_each_record_is_read_once(source, tmp_path):
    chosen = transformations("noise,grey")
    alone = collect(source, chosen)
    # 7 records in rows of 2: the last row has one.
    notes = tmp_path / "reads"
    shared = collect(Counting(source, notes), chosen, workers=2)
    assert shared.keys() == alone.keys()
    for key, element in alone.items():
        np.testing.assert_array_equal(shared[key]["image"], element["image"])
        assert shared[key]["filename"] == element["filename"]
    assert sorted(map(int, notes.read_text().split())) == list(range(COUNT))
    threads = tmp_path / "reads of threads"
    collect(Counting(source, threads), chosen)
    assert sorted(map(int, threads.read_text().split())) == list(range(COUNT))


def test_an_image_too_large_for_a_format_is_reported(tmp_path):
    """WebP holds 16,383 pixels a side."""
    record = next(iter(runs.records("test", 1)))
    wide = np.zeros((2, 16_400, 3), np.uint8)
    record = dataclasses.replace(record, image=wide.tobytes(), height=2, width=16_400)
    write_dataset(tmp_path / "wide", "wide", {"test": [record]}, {"made_by": "tests"})
    source = PreparedDataset.load(tmp_path / "wide").source("test")
    found = collect(source, transformations("webp"))
    assert found[0, 0]["problem"] == found[0, 0]["kind"] == ""
    assert found[0, 1]["kind"] == "too large"
    assert "cannot be saved as WebP" in found[0, 1]["problem"]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """400 images in 5 transformations are 98 MB of pixels."""
    count, side = 400, 128
    record = next(iter(runs.records("test", 1)))
    pixels = np.zeros((side, side, 3), np.uint8).tobytes()
    record = dataclasses.replace(record, image=pixels, height=side, width=side)
    many = (dataclasses.replace(record, filename=str(number)) for number in range(count))
    write_dataset(tmp_path / "many", "many", {"test": many}, {"made_by": "tests"})
    source = PreparedDataset.load(tmp_path / "many").source("test")
    tracemalloc.start()
    seen = sum(1 for _ in transformed_images(source, transformations("crop"), NATIVE, seed=0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == count * 5
    assert peak < 15e6
