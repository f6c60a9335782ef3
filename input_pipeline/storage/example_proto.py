"""`tf.train.Example` messages without TensorFlow.

The messages are declared here for google.protobuf in a descriptor pool of their own, so they cannot
collide with the definitions that TensorFlow or TFDS register in the default pool when they are
imported into the same process.

One feature, the image, is far larger than all the others. It is written last, so that a reader may
parse the small features in front of it and take the image's bytes where they lie, without the two
copies that a protobuf parser would make of them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError

from input_pipeline.errors import UserError

# As in TensorFlow's feature.proto and example.proto.
_DESCRIPTOR = """
name: "npr_jax/example.proto" package: "npr_jax.example" syntax: "proto3"
message_type { name: "BytesList"
  field { name: "value" number: 1 type: TYPE_BYTES label: LABEL_REPEATED } }
message_type { name: "FloatList"
  field { name: "value" number: 1 type: TYPE_FLOAT label: LABEL_REPEATED } }
message_type { name: "Int64List"
  field { name: "value" number: 1 type: TYPE_INT64 label: LABEL_REPEATED } }
message_type { name: "Feature" oneof_decl { name: "kind" }
  field { name: "bytes_list" number: 1 oneof_index: 0
          type: TYPE_MESSAGE type_name: ".npr_jax.example.BytesList" label: LABEL_OPTIONAL }
  field { name: "float_list" number: 2 oneof_index: 0
          type: TYPE_MESSAGE type_name: ".npr_jax.example.FloatList" label: LABEL_OPTIONAL }
  field { name: "int64_list" number: 3 oneof_index: 0
          type: TYPE_MESSAGE type_name: ".npr_jax.example.Int64List" label: LABEL_OPTIONAL } }
message_type { name: "Features"
  nested_type { name: "FeatureEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2
            type: TYPE_MESSAGE type_name: ".npr_jax.example.Feature" label: LABEL_OPTIONAL } }
  field { name: "feature" number: 1 label: LABEL_REPEATED
          type: TYPE_MESSAGE type_name: ".npr_jax.example.Features.FeatureEntry" } }
message_type { name: "Example"
  field { name: "features" number: 1
          type: TYPE_MESSAGE type_name: ".npr_jax.example.Features" label: LABEL_OPTIONAL } }
"""
_LENGTH_DELIMITED_FIELD_1 = 0x0A
_LENGTH_DELIMITED_FIELD_2 = 0x12
_HEAD_BYTES = 4096


Features = Any  # the map `Features.feature` of the definition, whose type exists at run time only


@cache
def _messages() -> tuple[Any, Any]:
    """The classes of the messages `Example` and `Features` of the definition."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_DESCRIPTOR, descriptor_pb2.FileDescriptorProto()))
    found = (pool.FindMessageTypeByName(f"npr_jax.example.{n}") for n in ("Example", "Features"))
    example, features = map(message_factory.GetMessageClass, found)
    return example, features


def serialize_example(small: Mapping[str, bytes | str | int], last: tuple[str, bytes]) -> bytes:
    """Serialises a `tf.train.Example`; the same input gives the same bytes.

    Args:
      small: features of a few bytes each, written first, sorted by name. Strings are UTF-8.
      last: name and bytes of the one large feature, written last.
    """
    _, features = _messages()
    head, tail = features(), features()
    for name in sorted(small):
        value = small[name]
        if isinstance(value, int):
            head.feature[name].int64_list.value.append(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            head.feature[name].bytes_list.value.append(data)
    tail.feature[last[0]].bytes_list.value.append(last[1])
    # Concatenated serialisations of a message parse as one message holding the fields of both.
    payload = head.SerializeToString(deterministic=True) + tail.SerializeToString()
    return bytes([_LENGTH_DELIMITED_FIELD_1]) + _to_varint(len(payload)) + payload


def parse_example(data: bytes | memoryview) -> Features:
    """Parses any `tf.train.Example` into its map from feature names to `Feature` messages."""
    try:
        example = _messages()[0].FromString(bytes(data))
    except DecodeError as error:
        raise UserError(f"not a tf.train.Example: {error}") from error
    return example.features.feature


def split_example(
    data: memoryview, last: str, missing: int = 0
) -> tuple[Features, tuple[int, int]] | None:
    """Finds the large last feature of an example without copying it.

    Args:
      data: the bytes of a `tf.train.Example`, all of them but `missing`.
      last: name of the large feature.
      missing: bytes that are not in `data`, because they are kept elsewhere.

    Returns:
      The features in front of it and the (start, stop) of its bytes, also of those not in `data`.
      None when `last` is not the last feature, not one bytes value, or begins later than in the
      first 4096 bytes; `parse_example` reads such examples all the same.
    """
    try:
        features, size, start, total = _split(bytes(data[:_HEAD_BYTES]), last.encode())
    except (IndexError, DecodeError):
        return None
    if start + size != total or total != len(data) + missing:
        return None
    return features, (start, start + size)


def leading_features(data: bytes, last: str) -> Features | None:
    """Parses the features in front of the large one, `last`, from the first bytes of an example.

    Returns None if the large feature, inside which `data` may be cut, does not begin there.
    """
    try:
        return _split(data[:_HEAD_BYTES], last.encode())[0]
    except (IndexError, DecodeError):
        return None


def bytes_value(features: Features, name: str) -> bytes:
    """Returns the first bytes value of a feature, or raises KeyError."""
    for value in features[name].bytes_list.value:
        return value
    raise KeyError(name)


def int_value(features: Features, name: str) -> int:
    """Returns the first integer of a feature, or raises KeyError."""
    for value in features[name].int64_list.value:
        return value
    raise KeyError(name)


def _split(head: bytes, key: bytes) -> tuple[Features, int, int, int]:
    """Returns the small features, size and start of the large one, and the end of the example."""
    size, first = _tagged(head, 0, _LENGTH_DELIMITED_FIELD_1)
    total = first + size
    # The large feature's entry begins with its key and reaches to the end of the example, so the
    # length in front of it is known. A file name that spells the key does not have that length.
    at = head.find(bytes([_LENGTH_DELIMITED_FIELD_1, len(key)]) + key)
    front = bytes([_LENGTH_DELIMITED_FIELD_1]) + _to_varint(max(0, total - at))
    if at < 0 or not head.endswith(front, first, at):
        raise IndexError(f"no feature {key!r} at the end")
    features = _messages()[1].FromString(head[first : at - len(front)])
    at += 2 + len(key)
    _, at = _tagged(head, at, _LENGTH_DELIMITED_FIELD_2)  # the map's value, a Feature
    _, at = _tagged(head, at, _LENGTH_DELIMITED_FIELD_1)  # its bytes_list
    size, at = _tagged(head, at, _LENGTH_DELIMITED_FIELD_1)  # the list's one value
    return features.feature, size, at, total


def _tagged(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """Reads a tag byte and a length; returns the length and the position after it."""
    if data[at] != tag:
        raise IndexError(f"expected field tag {tag} at byte {at}, found {data[at]}")
    value = shift = 0
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
