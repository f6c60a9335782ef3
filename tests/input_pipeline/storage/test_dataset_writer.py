"""write_dataset: records in, a data set out that we and TFDS read."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from input_pipeline.prepare.catalog import find_entry
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.records import ImageRecord
from tests.trees import prepare, records, save


def toy_records(count, storage="decoded", size=8, pair=""):
    rng = np.random.default_rng(0)
    for index in range(count):
        pixels = rng.integers(0, 256, size * size * 3, np.uint8).tobytes()
        digest = hashlib.sha256(pixels).hexdigest()
        yield ImageRecord(
            pixels, storage, size, size, index % 2, "toy", f"{index}.png", "cat", digest, pair
        )


def test_shards_end_at_their_size_and_keep_the_order(tmp_path):
    parts = {"train": toy_records(18), "test": toy_records(5)}
    dataset = write_dataset(tmp_path / "out", "toy", parts, {"seed": 7}, shard_bytes=2000)
    assert list(dataset.splits["train"].shard_lengths) == [5, 5, 5, 3]
    assert dataset.splits["train"].shards[3] == "toy-train.tfrecord-00003-of-00004"
    assert records(dataset, "train") == list(toy_records(18))
    assert dataset.info["seed"] == 7
    again = write_dataset(tmp_path / "again", "toy", {"train": toy_records(20)}, {})
    assert again.info["fingerprint"] != dataset.info["fingerprint"]


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    def failing():
        yield from toy_records(10)
        raise RuntimeError("the disk burns")

    with pytest.raises(RuntimeError, match="burns"):
        write_dataset(tmp_path / "out", "toy", {"train": failing()}, {}, shard_bytes=1000)
    with pytest.raises(ValueError, match="split 'train' has no images"):
        write_dataset(tmp_path / "out", "toy", {"train": iter(())}, {})
    mixed = [*toy_records(1), *toy_records(1, "encoded")]
    with pytest.raises(ValueError, match="a data set has one storage"):
        write_dataset(tmp_path / "out", "toy", {"train": mixed}, {})
    mixed = [*toy_records(1), *toy_records(1, pair="p")]
    with pytest.raises(ValueError, match="all records belong to pairs, or none"):
        write_dataset(tmp_path / "out", "toy", {"train": mixed}, {})
    with pytest.raises(ValueError, match="some records belong to pairs and some do not"):
        write_dataset(tmp_path / "out", "toy", {"train": mixed}, {}, shard_bytes=1)
    assert list(tmp_path.iterdir()) == []


def test_loading_what_is_no_data_set(tmp_path):
    with pytest.raises(ValueError, match=r"is not a directory.*main\.py prepare"):
        PreparedDataset.load(tmp_path / "none")
    with pytest.raises(ValueError, match=r"has no dataset\.json"):
        PreparedDataset.load(tmp_path)
    dataset = write_dataset(tmp_path / "out", "toy", {"train": toy_records(4)}, {})
    with pytest.raises(ValueError, match=r"no split 'dev'; it has \['train'\]"):
        dataset.source("dev")
    (dataset.path / dataset.splits["train"].shards[0]).unlink()
    with pytest.raises(ValueError, match="lacks 1 of its shards"):
        PreparedDataset.load(dataset.path)
    description = json.loads((dataset.path / "dataset.json").read_text())
    (dataset.path / "dataset.json").write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(ValueError, match="has format 99; this version reads 2"):
        PreparedDataset.load(dataset.path)
    (dataset.path / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        PreparedDataset.load(dataset.path)


READ_WITH_TFDS = """
import sys, numpy as np, pathlib, tempfile, tensorflow_datasets as tfds
READER = '  "moduleName": "tensorflow_datasets.core.read_only_builder",\\n'
for path in sys.argv[1:]:
    builder = tfds.builder_from_directory(path)
    print(builder.info.name, dict((k, v.num_examples) for k, v in builder.info.splits.items()))
    print(builder.info.version, builder.info.homepage, builder.info.citation)
    for example in tfds.as_numpy(builder.as_dataset(split="train")):
        image = example["image"]
        value = image.sum() if isinstance(image, np.ndarray) else sum(image)
        names = [example[key].decode() for key in ("generator", "filename", "class", "sha256")]
        print(value, example["label"], *names)
    with tempfile.TemporaryDirectory() as written:
        builder.info.write_to_directory(written)
        for file in sorted(pathlib.Path(written).iterdir()):
            # metadata.json holds "null", the module is that of the reader.
            text = file.read_text().replace(READER, "")
            if file.name != "metadata.json":
                print(file.name, text == pathlib.Path(path, file.name).read_text())
"""
# What TFDS writes of a data set that it has read.
METADATA = ["LICENSE", "dataset_info.json", "features.json", "label.labels.txt"]


def test_tfds_reads_what_was_written(tmp_path):
    """Decoded images come as uint8 arrays, files as byte strings; TFDS's own files are ours."""
    expected = []
    metadata = [f"{name} True" for name in METADATA]
    for storage in ("decoded", "encoded"):
        parts = {"train": toy_records(5, storage), "test": toy_records(3, storage)}
        info = {"homepage": "toys.example", "citation": "Toy, 2026", "licence": "CC0"}
        write_dataset(tmp_path / storage, "toy", parts, info, shard_bytes=500)
        expected.append("toy {'train': 5, 'test': 3}")
        expected.append("1.0.0 toys.example Toy, 2026")
        for record in toy_records(5):
            names = f"toy {record.filename} {record.class_name} {record.sha256}"
            expected.append(f"{sum(record.image)} {record.label} {names}")
        expected += metadata
    # What `prepare` writes of a published data set, with a format that TFDS's Image refuses.
    file = "train/cat/1_fake/a.webp"
    save(tmp_path / "in" / file, 1)
    prepare(tmp_path / "in", tmp_path / "prepared", dataset="progan_4class")
    entry = find_entry("progan_4class")
    data = (tmp_path / "in" / file).read_bytes()
    expected += ["progan_4class {'train': 1}", f"1.0.0 {entry.homepage} {entry.citation}"]
    expected.append(f"{sum(data)} 1 progan {file} cat {hashlib.sha256(data).hexdigest()}")
    expected += metadata
    # Without title, licence and citation, and with images that differ in shape.
    mixed = [*toy_records(1, "encoded"), *toy_records(1, "encoded", size=4)]
    write_dataset(tmp_path / "plain", "plain", {"train": mixed}, {"homepage": "plain"})
    expected += ["plain {'train': 2}", "1.0.0 plain "]
    expected += [f"{sum(r.image)} {r.label} toy {r.filename} cat {r.sha256}" for r in mixed]
    expected += metadata[1:]
    paired = list(toy_records(2, pair="p"))
    info = {"licence": "CC0", "citation": "Toy, 2026", "homepage": "toys.example"}
    write_dataset(tmp_path / "paired", "paired", {"train": paired}, info)
    expected += ["paired {'train': 2}", "1.0.0 toys.example Toy, 2026"]
    expected += [f"{sum(r.image)} {r.label} toy {r.filename} cat {r.sha256}" for r in paired]
    expected += metadata
    paths = [tmp_path / name for name in ("decoded", "encoded", "prepared", "plain", "paired")]
    command = [sys.executable, "-c", READ_WITH_TFDS, *paths]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == expected
