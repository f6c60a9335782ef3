"""Several prepared data sets read as one."""

import numpy as np
import pytest

from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord, decode_record


def write(path, name, splits, generator="g"):
    """Splits of so many images; file names are the same in every data set."""
    write_dataset(
        path,
        name,
        {
            split: [
                ImageRecord(
                    bytes([i] * 12), "decoded", 2, 2, i % 2, generator, f"{split}/{i}.png", name
                )
                for i in range(count)
            ]
            for split, count in splits.items()
        },
        {"made_by": "tests"},
        shard_bytes=500,
    )
    return path


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    return [
        write(root / "one", "first", {"train": 5, "test": 3}),
        write(root / "two", "second", {"train": 4}, "h"),
        write(root / "three", "third", {"train": 2, "test": 6, "dev": 1}),
    ]


def test_a_split_is_that_of_every_data_set_that_has_it(paths):
    mixture = MixedDataset.load(paths)
    assert mixture.names == ("first", "second", "third")
    assert mixture.name == "first+second+third"
    split = mixture.split("test")
    assert (split.names, split.lengths) == (("first", "third"), (3, 6))
    records = [decode_record(split.source[i]) for i in range(len(split.source))]
    assert [r.class_name for r in records] == ["first"] * 3 + ["third"] * 6
    assert len(split.source.paths) > 2
    assert split.generators == {"g": {"photographs": 2 + 3, "generated": 1 + 3}}
    assert mixture.split("train").generators.keys() == {"g", "h"}
    assert mixture.lacking("test") == {"second": ["train"]}
    with pytest.raises(ValueError, match="no split 'holdout'"):
        mixture.split("holdout")


def test_the_table_says_which_data_set_a_record_is_of(paths):
    split = MixedDataset.load(paths).split("train")
    for _ in range(2):
        table = split.table()
        records = [decode_record(split.source[i]) for i in range(11)]
        assert [split.names[number] for number in table.datasets] == [r.class_name for r in records]
        assert [table.facts(i).filename for i in range(11)] == [r.filename for r in records]
    np.testing.assert_array_equal(table.datasets, [0] * 5 + [1] * 4 + [2] * 2)


def test_file_names_stay_apart(paths):
    split = MixedDataset.load(paths).split("test")
    records = [decode_record(split.source[i]) for i in range(9)]
    names = [split.unique_filename(i, record.filename) for i, record in enumerate(records)]
    assert names == [f"{record.class_name}/{record.filename}" for record in records]
    assert len(set(names)) == 9
    alone = MixedDataset.load(paths[:1]).split("test")
    assert alone.unique_filename(2, "test/2.png") == "test/2.png"


def test_the_fingerprint_follows_content_and_order(paths):
    [single] = MixedDataset.load(paths[:1]).datasets
    assert MixedDataset([single]).fingerprint == single.info["fingerprint"]
    orders = [paths[:2], paths[1::-1], paths[::2], paths]
    assert len({MixedDataset.load(order).fingerprint for order in orders}) == 4


def test_data_sets_of_the_same_name_go_by_their_directory(paths, tmp_path):
    again = write(tmp_path / "copy", "first", {"train": 2})
    assert MixedDataset.load([paths[0], again, paths[1]]).names == ("one", "copy", "second")
    (tmp_path / "sub").mkdir()
    clash = write(tmp_path / "sub" / "one", "first", {"train": 2})
    with pytest.raises(ValueError, match=r"cannot be told apart by their names\. Rename"):
        MixedDataset.load([paths[0], clash])
    with pytest.raises(ValueError, match="name one twice"):
        MixedDataset.load([paths[0], paths[0].parent / "two" / ".." / "one"])


def test_many_data_sets_have_a_short_name(tmp_path):
    many = [write(tmp_path / f"{i}", f"a_rather_long_name_{i:02d}", {"test": 1}) for i in range(6)]
    name = MixedDataset.load(many).name
    assert name.startswith("6_data_sets_")
    assert name != MixedDataset.load(many[::-1]).name
