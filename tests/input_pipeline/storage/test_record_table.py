"""The table of facts beside a shard: what it says, and that it never says it of other records."""

import dataclasses
import hashlib
import os
import shutil

import numpy as np
import pytest

from input_pipeline.loading.sampling import held_out
from input_pipeline.storage import record_table
from input_pipeline.storage.record_table import TABLE_SUFFIX, read_table, write_table
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard
from tests.read_only import refuse_new_files

FACTS = [
    ("train/progan/car/0_real/a.png", 0, "progan", "car", ""),
    ("train/progan/car/1_fake/ü.png", 1, "progan", "car", ""),
    ("train/biggan/1_fake/b\n.png", 1, "biggan", "", ""),
    ("train/photos/0_real/", 0, "photos", "horse", ""),
    ("x", 1, "biggan", "car", ""),
]


def record(filename, label, generator, class_name, pair):
    return ImageRecord(
        bytes(12), "decoded", 2, 2, label, generator, filename, class_name, pair=pair
    )


def write_shard(path, facts):
    with new_shard(path) as writer:
        for row in facts:
            writer.write(encode_record(record(*row)))


@pytest.fixture
def shards(tmp_path):
    paths = [tmp_path / "first", tmp_path / "second"]
    write_shard(paths[0], FACTS[:2])
    write_shard(paths[1], FACTS[2:])
    return paths


def rows(source):
    table = read_table(source)
    return [table.facts(index) for index in range(len(table))]


def test_tables_say_what_the_records_do(shards):
    source = TFRecordSource(shards)
    for _ in range(2):  # made from the records, then read from beside the shards
        table = read_table(source)
        assert [table.facts(index) for index in range(len(table))] == FACTS
        assert table.labels.tolist() == [0, 1, 1, 0, 1]
        assert table.generator_names == ("biggan", "photos", "progan")
        assert table.generators.tolist() == [2, 2, 0, 1, 0]
        assert table.class_names == ("", "car", "horse")
        assert table.classes.tolist() == [1, 1, 0, 2, 1]
    assert rows(TFRecordSource(shards[::-1])) == FACTS[2:] + FACTS[:2]
    assert rows(TFRecordSource([])) == []
    subset = source.subset(np.array([4, 0]))
    assert rows(subset) == [FACTS[4], FACTS[0]]


def test_name_hashes_are_those_of_sha256(shards):
    hashes = read_table(TFRecordSource(shards)).name_hashes("7")
    for (name, *_), value in zip(FACTS, hashes.tolist(), strict=True):
        assert value == int(hashlib.sha256(f"7\0{name}".encode()).hexdigest()[:16], 16)


def test_a_table_is_used_where_it_fits(shards, monkeypatch):
    for path in shards:
        write_table(path)
    looked_at = []
    facts = record_table.record_facts

    def spy(source, index):
        looked_at.append(index)
        return facts(source, index)

    write_shard(shards[0].with_name("many"), [(f"{i}.png", i % 2, "g", "", "") for i in range(500)])
    write_table(shards[0].with_name("many"))
    monkeypatch.setattr(record_table, "record_facts", spy)
    source = TFRecordSource([*shards, shards[0].with_name("many")])
    assert rows(source)[-1] == ("499.png", 1, "g", "", "")
    assert len(looked_at) < 20


def damage(path, other):
    """Yields the ways in which a table may be wrong, each in its place."""
    good = path.read_bytes()
    path.unlink()
    yield "missing"
    for text in (b"", b"PK\x03\x04", good[: len(good) // 2], good[:-30], b"no table at all"):
        path.write_bytes(text)
        yield text[-20:]
    flipped = bytearray(good)
    flipped[good.index(b"train/photos")] ^= 1
    path.write_bytes(flipped)
    yield "a bit flipped"
    with open(path, "wb") as file:
        np.save(file, np.arange(3))
    yield "another array"
    with open(path, "wb") as file:
        np.savez(file, names=np.arange(3))
    yield "other columns"
    shutil.copy(other, path)
    yield "of another shard"


def test_a_table_that_is_missing_damaged_or_of_another_shard_is_made_anew(shards):
    source = TFRecordSource(shards)
    tables = [path.with_name(path.name + TABLE_SUFFIX) for path in shards]
    assert rows(source) == FACTS
    good = [path.read_bytes() for path in tables]
    seen = 0
    for case in damage(tables[1], tables[0]):
        assert rows(source) == FACTS, case
        assert tables[1].read_bytes() == good[1], case
        seen += 1
    assert seen == 10
    assert sorted(os.listdir(shards[0].parent)) == sorted(
        f"{path.name}{suffix}" for path in shards for suffix in ("", ".index", TABLE_SUFFIX)
    )


def test_a_shard_of_the_same_size_and_count_does_not_get_the_old_table(tmp_path):
    first = [(f"{i:02d}.png", 0, "aaa", "", "") for i in range(20)]
    second = [(f"{i:02d}.png", 1, "bbb", "", "") for i in range(20)]
    write_shard(tmp_path / "shard", first)
    write_table(tmp_path / "shard")
    size = (tmp_path / "shard").stat().st_size
    write_shard(tmp_path / "shard", second)
    assert (tmp_path / "shard").stat().st_size == size
    assert rows(TFRecordSource([tmp_path / "shard"])) == second


def test_a_directory_that_cannot_be_written_works(shards, monkeypatch):
    source = TFRecordSource(shards)
    monkeypatch.setattr("os.open", refuse_new_files)
    assert rows(source) == FACTS
    assert not list(shards[0].parent.glob(f"*{TABLE_SUFFIX}"))
    with pytest.raises(PermissionError):
        write_table(shards[0])


def test_the_same_shard_gives_the_same_table(shards):
    table = shards[0].with_name(shards[0].name + TABLE_SUFFIX)
    write_table(shards[0])
    first = table.read_bytes()
    table.unlink()
    read_table(TFRecordSource(shards))
    assert table.read_bytes() == first


def test_who_is_held_out_follows_from_name_and_seed_alone(shards):
    """The hash of seed and name, as a share of its range, lies below the fraction."""
    table = read_table(TFRecordSource(shards))
    for seed in range(5):
        expected = [
            int(hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest()[:16], 16) / 2**64 < 0.5
            for name, *_ in FACTS
        ]
        assert held_out(table, 0.5, seed).tolist() == expected
    elsewhere = dataclasses.replace(table, datasets=np.arange(5, dtype=np.int32))
    assert held_out(elsewhere, 0.5, 3).tolist() == held_out(table, 0.5, 3).tolist()


PAIRED = [
    ("b.jpg", 0, "photos", "", "two"),
    ("b.jpg@fir", 1, "made", "", "two"),
    ("a.jpg", 0, "photos", "", "one"),
    ("a.jpg@fir", 1, "made", "", "one"),
]


def test_records_of_a_pair_lie_on_one_side(tmp_path):
    write_shard(tmp_path / "first", PAIRED[:3])
    write_shard(tmp_path / "second", PAIRED[3:])  # a shard may end within a pair
    source = TFRecordSource([tmp_path / "first", tmp_path / "second"])
    table = read_table(source)
    assert rows(source) == PAIRED
    assert [table.pair_names[number] for number in table.pairs] == ["two", "two", "one", "one"]
    for seed in range(20):
        hashes = table.name_hashes(str(seed)).tolist()
        assert hashes[0] == hashes[1] != hashes[2] == hashes[3]
        # Where another data set has the photograph by itself, it is on the same side there.
        alone = hashlib.sha256(f"{seed}\0a.jpg".encode()).hexdigest()
        assert hashes[2] == int(alone[:16], 16)


def test_a_table_written_before_there_were_pairs_is_made_anew(shards):
    table = shards[0].with_name(shards[0].name + TABLE_SUFFIX)
    write_table(shards[0])
    new = table.read_bytes()
    with np.load(table) as columns:
        old = {name: columns[name] for name in columns.files if not name.startswith("pair")}
    with open(table, "wb") as file:
        np.savez(file, **old)
    assert rows(TFRecordSource(shards)) == FACTS
    assert table.read_bytes() == new
