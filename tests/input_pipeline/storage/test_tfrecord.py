"""Shards: framing, random access, and what happens to damaged ones."""

import contextlib
import os
import pickle
import shutil
import struct
import threading

import numpy as np
import pytest

from input_pipeline.storage.tfrecord import (
    FRAME_BYTES,
    CorruptRecordError,
    TFRecordSource,
    masked_crc32c,
    new_shard,
)
from tests.read_only import refuse_new_files

RECORDS = [b"", b"a", bytes(range(256)) * 40, b"last"]


def crc32c_bitwise(data: bytes) -> int:
    """CRC32C as its definition reads, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def mask(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "toy-train.tfrecord-00000-of-00001"
    with new_shard(path) as writer:
        for data in RECORDS:
            writer.write(data)
    return path


def offset_of(index: int) -> int:
    return sum(len(data) + 16 for data in RECORDS[:index])


def flip(path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_framing_is_that_of_the_definition(shard):
    expected = b""
    for data in RECORDS:
        length = struct.pack("<Q", len(data))
        expected += length + struct.pack("<I", mask(crc32c_bitwise(length)))
        expected += data + struct.pack("<I", mask(crc32c_bitwise(data)))
    assert shard.read_bytes() == expected
    # The check value of the CRC32C standard.
    assert masked_crc32c(b"123456789") == mask(0xE3069283)


def test_random_access_over_several_shards(shard, tmp_path):
    second = tmp_path / "second"
    with new_shard(second) as writer:
        writer.write(b"one more")
    source = TFRecordSource([shard, second])
    everything = [*RECORDS, b"one more"]
    assert len(source) == 5
    assert [source[i] for i in (4, 0, 2, 3, 1)] == [everything[i] for i in (4, 0, 2, 3, 1)]
    assert source[-1] == b"one more"
    with pytest.raises(IndexError, match="record 5 of a source of 5"):
        source[5]


def test_reading_into_a_buffer_of_ones_own(shard):
    source = TFRecordSource([shard])
    assert [source.length(i) for i in range(4)] == [len(data) for data in RECORDS]
    buffer = np.empty(max(map(len, RECORDS)) + FRAME_BYTES, np.uint8)
    assert [bytes(source.read_into(i, buffer)) for i in range(4)] == RECORDS
    tail = np.empty(4, np.uint8)
    assert bytes(source.read_into(2, buffer, tail)) == RECORDS[2][:-4]
    assert tail.tobytes() == RECORDS[2][-4:]
    assert bytes(source.read_into(3, buffer, tail)) == b""
    assert tail.tobytes() == b"last"


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="this is that platform")
def test_platforms_without_scattered_reads(shard, monkeypatch):
    monkeypatch.delattr("os.preadv")
    test_reading_into_a_buffer_of_ones_own(shard)
    test_a_shard_cut_short_under_an_open_source_raises(shard)


def test_index_is_rebuilt_when_missing_stale_or_damaged(shard):
    index = shard.with_name(shard.name + ".index")
    good = index.read_bytes()
    index.unlink()
    assert TFRecordSource([shard])[2] == RECORDS[2]
    assert index.read_bytes() == good

    index.write_bytes(good[: len(good) // 2])
    assert TFRecordSource([shard])[2] == RECORDS[2]
    assert index.read_bytes() == good

    with new_shard(shard.with_name("other")) as writer:
        writer.write(b"quite another")
    os.replace(shard.with_name("other"), shard)
    source = TFRecordSource([shard])
    assert len(source) == 1
    assert source[0] == b"quite another"


@pytest.mark.parametrize("lengths", [(3, 5, 4), (4, 3, 5), (4, 4, 4)])
def test_an_index_of_another_shard_of_the_same_size_is_rebuilt(tmp_path, lengths):
    """Size and number of records agree, the records' places do not."""
    old, new = tmp_path / "old", tmp_path / "new"
    for path, sizes in ((old, (5, 4, 3)), (new, lengths)):
        with new_shard(path) as writer:
            for size in sizes:
                writer.write(b"x" * size)
    assert old.stat().st_size == new.stat().st_size
    right = new.with_name("new.index").read_bytes()
    os.replace(old.with_name("old.index"), new.with_name("new.index"))
    source = TFRecordSource([new])
    assert [source[i] for i in range(3)] == [b"x" * size for size in lengths]
    assert new.with_name("new.index").read_bytes() == right


@pytest.mark.parametrize("place", [(1, 0), (2, 1), (4, 0), (4, 1)])
def test_an_index_with_a_wrong_number_is_rebuilt(shard, place):
    index = shard.with_name(shard.name + ".index")
    table = np.load(index)
    table[place] += 1
    with index.open("wb") as file:
        np.save(file, table)
    source = TFRecordSource([shard])
    assert [source[i] for i in range(len(RECORDS))] == RECORDS


def test_a_directory_that_cannot_be_written_works(shard, monkeypatch):
    shard.with_name(shard.name + ".index").unlink()
    monkeypatch.setattr("os.open", refuse_new_files)
    assert TFRecordSource([shard])[3] == b"last"


def test_nothing_is_left_of_a_shard_whose_writing_failed(tmp_path):
    def fail():
        with new_shard(tmp_path / "shard") as writer:
            writer.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_shard_cut_short_is_named(shard):
    os.truncate(shard, offset_of(2) + 100)
    with pytest.raises(CorruptRecordError, match=r"of-00001: record 2 at byte 33 .*file ends"):
        TFRecordSource([shard])
    os.truncate(shard, offset_of(2) + 5)
    with pytest.raises(CorruptRecordError, match=r"record 2 at byte 33 .*inside its header"):
        TFRecordSource([shard])


def test_a_shard_cut_short_under_an_open_source_raises(shard):
    source = TFRecordSource([shard])
    assert source[3] == b"last"
    os.truncate(shard, offset_of(2) + 100)
    assert source[1] == b"a"
    for index in (2, 3):
        with pytest.raises(CorruptRecordError, match=f"record {index} .*the file ends after"):
            source[index]


@pytest.mark.parametrize(
    ("inside", "reason"),
    [(0, "header"), (9, "header"), (12, "data does not match"), (-1, "data does not match")],
)
def test_a_flipped_bit_names_shard_record_and_offset(shard, inside, reason):
    start = offset_of(2)
    flip(shard, start + inside if inside >= 0 else offset_of(3) + inside)
    source = TFRecordSource([shard])
    assert source[1] == b"a"
    assert source[3] == b"last"
    with pytest.raises(
        CorruptRecordError, match=rf"{shard.name}: record 2 at byte {start} .*{reason}"
    ):
        source[2]


def test_a_flipped_header_is_found_while_indexing(shard):
    flip(shard, offset_of(1))
    shard.with_name(shard.name + ".index").unlink()
    with pytest.raises(CorruptRecordError, match=r"record 1 at byte 16 .*header"):
        TFRecordSource([shard])


def test_a_missing_shard_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"none\.tfrecord does not exist"):
        TFRecordSource([tmp_path / "none.tfrecord"])


def test_a_source_travels_to_other_processes_and_closes_its_files(shard):
    source = TFRecordSource([shard])
    assert source[1] == b"a"
    copy = pickle.loads(pickle.dumps(source))
    assert copy[2] == RECORDS[2]
    if not os.path.isdir("/proc/self/fd"):
        return
    assert times_open(shard) == 2
    del source, copy
    assert times_open(shard) == 0


def times_open(path):
    """How many of this process's descriptors are of that file; others come and go."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}") == str(path.resolve())
    return count


def test_many_threads_read_one_source(shard):
    source = TFRecordSource([shard])
    failures = []

    def read():
        for turn in range(200):
            if source[turn % 4] != RECORDS[turn % 4]:
                failures.append(turn)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_index_moves_with_its_shard(shard, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for path in (shard, shard.with_name(shard.name + ".index")):
        shutil.move(path, tmp_path / "elsewhere")
    source = TFRecordSource([tmp_path / "elsewhere" / shard.name])
    assert [source[i] for i in range(4)] == RECORDS
