"""Records against the messages that TFDS itself ships."""

import hashlib

import numpy as np
import pytest

from input_pipeline.errors import UserError
from input_pipeline.storage.example_proto import (
    bytes_value,
    int_value,
    leading_features,
    parse_example,
    split_example,
)
from input_pipeline.storage.records import (
    ImageRecord,
    decode_record,
    encode_record,
    image_array,
    record_facts,
)
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard


def make(storage="decoded", **changes):
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).tobytes()
    fields = {
        "image": pixels,
        "storage": storage,
        "height": 4,
        "width": 5,
        "label": 1,
        "generator": "progan",
        "filename": "progan/cat/1_fake/ü.png",
        "class_name": "cat",
        "sha256": hashlib.sha256(b"the original file").hexdigest(),
    }
    return ImageRecord(**{**fields, **changes})


@pytest.fixture(scope="module")
def tf_example():
    """The `tf.train.Example` class that TFDS generated from the original definition."""
    from tensorflow_datasets.proto import tf_example_pb2

    return tf_example_pb2.Example


def test_what_is_written_is_a_tf_train_example(tf_example):
    record = make()
    feature = tf_example.FromString(encode_record(record)).features.feature
    assert set(feature) == {
        *("image", "storage", "height", "width", "label", "generator", "filename"),
        *("class", "sha256"),
    }
    assert feature["image"].bytes_list.value == [record.image]
    assert feature["storage"].bytes_list.value == [b"decoded"]
    assert [feature[name].int64_list.value[0] for name in ("height", "width", "label")] == [4, 5, 1]
    assert feature["filename"].bytes_list.value[0].decode() == record.filename
    assert feature["class"].bytes_list.value == [b"cat"]
    assert feature["sha256"].bytes_list.value[0].decode() == record.sha256


def test_the_hash_of_a_record_without_a_file_is_its_images():
    record = decode_record(encode_record(make(sha256="")))
    assert record.sha256 == hashlib.sha256(record.image).hexdigest()


def test_what_others_wrote_in_any_order_is_read(tf_example):
    record = make()
    example = tf_example()
    example.features.feature["image"].bytes_list.value.append(record.image)
    for name in ("height", "width", "label"):
        example.features.feature[name].int64_list.value.append(getattr(record, name))
    for name in ("storage", "generator", "filename", "sha256"):
        example.features.feature[name].bytes_list.value.append(getattr(record, name).encode())
    example.features.feature["class"].bytes_list.value.append(record.class_name.encode())
    example.features.feature["weight"].float_list.value.extend([0.5, 2.0])
    data = example.SerializeToString(deterministic=True)
    assert split_example(memoryview(data), "image") is None  # the image is not last
    assert decode_record(data) == record
    assert list(parse_example(data)["weight"].float_list.value) == [0.5, 2.0]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000, 3_000_000])
def test_round_trip_at_every_length_of_the_length(size):
    record = make("encoded", image=bytes(size))
    data = encode_record(record)
    assert decode_record(data) == record
    view = decode_record(data, copy=False)
    assert bytes(view.image) == record.image
    assert encode_record(record) == data


def test_pixels_of_a_decoded_record():
    pixels = image_array(make())
    assert pixels.shape == (4, 5, 3)
    np.testing.assert_array_equal(pixels.ravel(), np.arange(60))


def test_the_first_bytes_tell_the_small_features():
    data = encode_record(make("encoded", image=bytes(100_000)))
    head = leading_features(data[:500], "image")
    assert int_value(head, "label") == 1
    assert bytes_value(head, "generator") == b"progan"
    assert leading_features(data[:20], "image") is None


def test_facts_without_reading_the_image(tmp_path, tf_example):
    names = ["short.png", "long/" * 900 + "name.png"]  # the second is longer than what is peeked
    with new_shard(tmp_path / "shard") as writer:
        for name in names:
            writer.write(encode_record(make("encoded", filename=name, class_name="car")))
        writer.write(tf_example().SerializeToString())
    source = TFRecordSource([tmp_path / "shard"])
    for index, name in enumerate(names):
        assert record_facts(source, index) == (name, 1, "progan", "car", "")
    with pytest.raises(ValueError, match="without a proper field"):
        record_facts(source, 2)


def test_a_record_without_a_pair_is_written_as_before_there_were_pairs(tf_example):
    assert b"pair" not in encode_record(make())
    assert decode_record(encode_record(make())).pair == ""
    paired = encode_record(make(pair="f00d"))
    assert decode_record(paired) == make(pair="f00d")
    feature = tf_example.FromString(paired).features.feature
    assert feature["pair"].bytes_list.value == [b"f00d"]


def test_records_that_make_no_sense_are_refused(tf_example):
    with pytest.raises(ValueError, match=r"label is 2; allowed are 0 .* 1"):
        encode_record(make(label=2))
    with pytest.raises(ValueError, match="storage is 'zip'"):
        encode_record(make("zip"))
    with pytest.raises(ValueError, match=r"has 60 bytes; its shape \[4, 6, 3\] needs 72"):
        encode_record(make(width=6))
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        decode_record(b"\x0a\xff\xff")
    with pytest.raises(ValueError, match="without a proper field"):
        decode_record(tf_example().SerializeToString())


def test_every_prefix_of_a_record_is_refused():
    data = encode_record(make())
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"not a tf\.train\.Example|without"):
            decode_record(data[:length])


def test_a_record_that_ends_before_its_image_begins_is_refused():
    """Its lengths are wrong, its checksums right: whoever wrote it was wrong."""
    data = b"\x0a\x00zz\x0a\x05image"
    assert split_example(memoryview(data), "image") is None
    with pytest.raises(UserError, match=r"not a tf\.train\.Example|without a proper field"):
        decode_record(data)
