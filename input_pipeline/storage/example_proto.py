"""`tf.train.Example` messages without TensorFlow.

The three messages (Example, Features, Feature with its three lists) are declared here for
google.protobuf in a descriptor pool of their own, so they cannot collide with the definitions that
TensorFlow or TFDS register in the default pool when they are imported into the same process.

One feature, the image, is far larger than all the others. It is written last, so that a reader may
parse the small features in front of it and take the image's bytes where they lie, without the two
copies that a protobuf parser would make of them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from input_pipeline.errors import UserError

_PACKAGE = "npr_jax.example"
_LENGTH_DELIMITED_FIELD_1 = 0x0A
_LENGTH_DELIMITED_FIELD_2 = 0x12
_HEAD_BYTES = 4096


# The map `Features.feature` of the definition; its type exists at run time only.
Features = Any


class _Messages(NamedTuple):
    example: Any
    features: Any


@cache
def _messages() -> _Messages:
    """Returns the message classes; field names and numbers as in TensorFlow's example.proto."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="npr_jax/example.proto", package=_PACKAGE, syntax="proto3"
    )
    lists = (
        ("BytesList", kinds.TYPE_BYTES),
        ("FloatList", kinds.TYPE_FLOAT),
        ("Int64List", kinds.TYPE_INT64),
    )
    for name, kind in lists:
        _field(file.message_type.add(name=name), "value", 1, kind, repeated=True)

    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, _) in enumerate(lists, start=1):
        field_name = name.replace("List", "_list").lower()
        _field(feature, field_name, number, message=name).oneof_index = 0

    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, kinds.TYPE_STRING)
    _field(entry, "value", 2, message="Feature")
    _field(features, "feature", 1, message="Features.FeatureEntry", repeated=True)
    _field(file.message_type.add(name="Example"), "features", 1, message="Features")

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return _Messages(
        *(
            message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
            for name in ("Example", "Features")
        )
    )


def _field(
    owner: Any, name: str, number: int, kind: int = 0, *, message: str = "", repeated: bool = False
) -> Any:
    """Adds a field of a plain kind, or of a message type of this file, to a message."""
    kinds = descriptor_pb2.FieldDescriptorProto
    return owner.field.add(
        name=name,
        number=number,
        type=kinds.TYPE_MESSAGE if message else kind,
        type_name=f".{_PACKAGE}.{message}" if message else None,
        label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
    )


def serialize_example(small: Mapping[str, bytes | str | int], last: tuple[str, bytes]) -> bytes:
    """Serialises one example.

    Args:
      small: features of a few bytes each, written first, sorted by name. Strings are UTF-8.
      last: name and bytes of the one large feature, written last.

    Returns:
      The bytes of a `tf.train.Example`, the same for the same input.
    """
    head = _messages().features()
    for name in sorted(small):
        value = small[name]
        if isinstance(value, int):
            head.feature[name].int64_list.value.append(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            head.feature[name].bytes_list.value.append(data)
    tail = _messages().features()
    tail.feature[last[0]].bytes_list.value.append(last[1])
    # Concatenated serialisations of a message parse as one message holding the fields of both.
    payload = head.SerializeToString(deterministic=True) + tail.SerializeToString()
    return bytes([_LENGTH_DELIMITED_FIELD_1]) + _to_varint(len(payload)) + payload


def parse_example(data: bytes | memoryview) -> Features:
    """Parses any `tf.train.Example` into its map from feature names to `Feature` messages.

    Raises:
      ValueError: the bytes are no such message.
    """
    try:
        example = _messages().example.FromString(bytes(data))
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
    """Parses the features in front of the large one from the first bytes of an example.

    Args:
      data: the beginning of a `tf.train.Example`; it may be cut inside the large feature.
      last: name of the large feature.

    Returns:
      Those features, or None if the large one does not begin within `data`.
    """
    try:
        return _split(data[:_HEAD_BYTES], last.encode())[0]
    except (IndexError, DecodeError):
        return None


def bytes_value(features: Features, name: str) -> bytes:
    """Returns the first bytes value of a feature.

    Raises:
      KeyError: there is none.
    """
    values = features[name].bytes_list.value
    if not values:
        raise KeyError(name)
    return values[0]


def int_value(features: Features, name: str) -> int:
    """Returns the first integer of a feature.

    Raises:
      KeyError: there is none.
    """
    values = features[name].int64_list.value
    if not values:
        raise KeyError(name)
    return values[0]


def _split(head: bytes, key: bytes) -> tuple[Features, int, int, int]:
    """Returns the small features, size and start of the large one, and the end of the example."""
    size, first = _tagged(head, 0, _LENGTH_DELIMITED_FIELD_1)
    total = first + size
    # The large feature's entry begins with its key and reaches to the end of the example, so the
    # length in front of it is known. A file name that spells the key does not have that length.
    at = head.find(bytes([_LENGTH_DELIMITED_FIELD_1, len(key)]) + key)
    front = bytes([_LENGTH_DELIMITED_FIELD_1]) + _to_varint(total - at)
    if at < 0 or not head.endswith(front, first, at):
        raise IndexError(f"no feature {key!r} at the end")
    features = _messages().features.FromString(head[first : at - len(front)])
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
