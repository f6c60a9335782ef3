"""What the host must know of a network that is an ONNX file, and the checksum at the file's end.

Imports neither JAX nor onnx: who scores with such a file needs ONNX Runtime alone.
"""

import dataclasses
import hashlib
import json
import math
from typing import Self

from input_pipeline.errors import UserError

PROPERTY = "network"  # of the file's metadata: these facts, as JSON
SEAL = "sha256"  # likewise: see ``sealed``
FORMAT = 1  # of graph and facts; a file of another one is made anew
# A further entry of the file's metadata, as protobuf writes it: a message's fields may follow one
# another in any number of pieces, so readers take what is appended for part of the file.
_ENTRY = b"\x72\x4a\x0a\x06sha256\x12\x40"
_DIGITS = 64


@dataclasses.dataclass(frozen=True)
class NetworkFacts:
    """Lengths in pixels; see ``npr_jax.models.base``.

    Attributes:
        weights: SHA-256 of the file of weights that it was made of; empty: of none.
        period: after which the patterns of all views repeat; sides are cut to multiples of it.
        stride: between neighbouring positions of its feature maps, which all have the same.
        halo: on each side of a position, within which pixels have an influence on it.
        features: numbers that are summed over positions, of all maps together.
        scales: names of the columns of its weights; () for networks without.
    """

    weights: str
    period: int
    stride: int
    halo: int
    features: int
    scales: tuple[str, ...]

    @property
    def step(self) -> int:
        """What tiles begin at multiples of: there, positions and patterns begin anew."""
        return math.lcm(self.stride, self.period)

    def positions(self, height: int, width: int) -> int:
        """How many an image has."""
        return -(-height // self.stride) * -(-width // self.stride)

    def to_json(self) -> str:
        """What ``from_json`` reads."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """``UserError`` where it is of another version."""
        values = json.loads(text)
        if (found := values.pop("format")) != FORMAT:
            raise UserError(f"its format is {found}, this version of npr_jax reads {FORMAT}")
        return cls(**values | {"scales": tuple(values["scales"])})


def sealed(content: bytes) -> bytes:
    """An ONNX file with its own SHA-256 as the last entry of its metadata."""
    return content + _ENTRY + hashlib.sha256(content).hexdigest().encode()


def is_whole(content: bytes) -> bool:
    """Whether a file is what ``sealed`` returned."""
    end = len(_ENTRY) + _DIGITS
    return len(content) > end and sealed(content[:-end]) == content
