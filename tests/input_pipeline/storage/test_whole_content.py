"""A file of ours that is damaged is named in one sentence, whatever the damage."""

import json
import zipfile

import numpy as np
import pytest

from input_pipeline.errors import UserError
from input_pipeline.storage.growing_file import growing_file, partial_of
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard
from input_pipeline.storage.whole_content import read_arrays, read_object

DAMAGED_TEXTS = {
    "cut short": b'{"a": [1, 2',
    "another encoding": b'{"a": "\xff\xfe"}',
    "nested beyond what is read": b"[" * 100_000,
    "a list": b"[1, 2]",
    "a number": b"1.5",
    "nothing": b"",
}


@pytest.mark.parametrize("content", DAMAGED_TEXTS.values(), ids=DAMAGED_TEXTS)
def test_what_is_no_object_in_json_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"^\S+a\.json is damaged \(.+\); make it anew$"):
        read_object(path, "make it anew")


def test_arrays_are_read_whole_or_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, ones=np.ones(50), twos=np.full(3, 2))
    assert {name: array.sum() for name, array in read_arrays(path, "").items()} == {
        "ones": 50,
        "twos": 6,
    }
    whole = path.read_bytes()
    for damaged in (b"", whole[:200], whole[:-10], whole.replace(b"\x93NUMPY", b"\0" * 6), b"[1]"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.npz is damaged .*; again"):
            read_arrays(path, "again")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ones.npy", b"\x93NUMPY\x01\0\x10\0{'descr': (((((((")
    with pytest.raises(UserError, match="is damaged"):
        read_arrays(path, "again")


SPLIT = {
    "num_examples": 1,
    "num_bytes": 1,
    "shards": [],
    "shard_lengths": [],
    "generators": {"alpha": {"photographs": 1, "generated": 0}},
}


@pytest.mark.parametrize(
    "info",
    [
        {"format": 2},
        {"format": 2, "splits": ["train"]},
        {"format": 2, "splits": {"train": None}},
        {"format": 2, "splits": {"train": {"shards": []}}},
        {"format": 2, "splits": {"train": SPLIT | {"shards": [["a"]]}}},
        {"format": 2, "splits": {"train": SPLIT | {"shard_lengths": ["1"]}}},
        {"format": 2, "splits": {"train": SPLIT | {"generators": {"alpha": {}}}}},
    ],
)
def test_a_data_sets_description_that_lacks_something_is_refused(tmp_path, info):
    (tmp_path / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(UserError, match=r"dataset\.json is damaged .*prepare the data set again"):
        PreparedDataset.load(tmp_path)


def test_a_damaged_index_is_made_anew(tmp_path):
    path = tmp_path / "shard"
    with new_shard(path) as writer:
        writer.write(b"one")
        writer.write(b"two")
    index = tmp_path / "shard.index"
    whole = index.read_bytes()
    head = whole.index(b"}")
    for damaged in (
        whole[:head] + b" " + whole[head + 1 :],
        whole[:20],
        b"\x93NUMPY\x01\0\xff\xff(",
    ):
        index.write_bytes(damaged)
        assert [*TFRecordSource([path])] == [b"one", b"two"]
        assert index.read_bytes() == whole


@pytest.mark.parametrize("note", [b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_what_is_not_known_of_rows_keeps_them_from_being_gone_on_with(tmp_path, note):
    path = tmp_path / "t.csv"
    partial_of(path).write_bytes(b"1")
    (tmp_path / "t.csv.partial.json").write_bytes(note)
    with pytest.raises(UserError, match="is missing or damaged"):
        growing_file(path, {"a": 1}, resume=True).__enter__()
    assert partial_of(path).read_bytes() == b"1"
