"""The published protocol of a data set, beside the preprocessing a detector has of its own."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.prepare.catalog import ProtocolSteps
from npr_jax.inference.detector import Detector
from npr_jax.inference.ensemble import Ensemble
from npr_jax.models.base import fixed_side, period


def as_published(
    detector: Detector | Ensemble, split: str, dataset: MixedDataset
) -> Detector | Ensemble:
    """The detector, or each member of an ensemble, with the data set's published preprocessing."""
    members = [
        member.with_preprocessing(published_preprocessing(member, split, dataset))
        for member in detector.members
    ]
    return Ensemble(members) if len(members) > 1 else members[0]


def published_preprocessing(detector: Detector, split: str, dataset: MixedDataset) -> Preprocessing:
    """How the published protocol of a data set has the detector prepare its images.

    A network that takes images of one size crops them to it, whatever the protocol. ``UserError``
    where the catalogue has no protocol for these images, several data sets have different ones, or
    images were made another size when they were stored.
    """
    protocols = _protocols(dataset, split)
    protocol = protocols[0] if len(protocols) == 1 else None
    if protocol is None:
        raise UserError(
            f"--resize=protocol: split {split!r} of {dataset.name} has "
            f"{'several' if len(protocols) > 1 else 'no'} published protocols; evaluate data sets "
            "one by one that were prepared with --dataset=NAME (see `prepare --list`), or give "
            "--resize=native or a number of pixels"
        )
    for stored in dataset.datasets:
        if stored.info["storage"] == "decoded" and stored.info["decoded_size"] != protocol.resize:
            raise UserError(
                f"--resize=protocol: {stored.path} holds images that were squashed to "
                f"{stored.info['decoded_size']} pixels when they were stored, but the protocol is: "
                f"{protocol.note}. Prepare it again with --storage=encoded"
            )
    return dataclasses.replace(
        detector.preprocessing,
        resize=protocol.resize,
        resize_mode="squash",
        crop=fixed_side(detector.model) or protocol.crop,
        small_images=_small_images(protocol),
        multiple_of=_multiple_of(protocol),
    )


def departure(detector: Detector, split: str, dataset: MixedDataset) -> str:
    """One line that says how an evaluation differs from the published one; empty: it does not.

    A cut to multiples of the network's period is no difference: the published code takes no other
    images.
    """
    preprocessing = detector.preprocessing
    for protocol in filter(None, _protocols(dataset, split)):
        published = Preprocessing(
            resize=protocol.resize,
            crop=protocol.crop,
            multiple_of=math.lcm(_multiple_of(protocol), period(detector.model)),
            small_images=_small_images(protocol) if protocol.crop else preprocessing.small_images,
            jpeg_quality=preprocessing.jpeg_quality,
        )
        if preprocessing != published:
            return (
                f"note: a published protocol of {dataset.name} is: {protocol.note}. Here images "
                f"are prepared otherwise ({preprocessing.in_words()}); --resize=protocol follows "
                "it where there is one."
            )
    return ""


def published_table(
    detectors: Sequence[Detector], config: ConfigDict, dataset: MixedDataset
) -> dict[str, Any]:
    """Which published table an evaluation belongs to, for its results.

    ``detectors``: the one, or each member of an ensemble. `catalogue`: the entry's name, `table`:
    its number in the NPR paper, both None for images that were not prepared as one entry of the
    catalogue; `protocol`: the published preprocessing in words, and `as_published`: whether it was
    followed.
    """
    split = config.data.test_split
    protocols = _protocols(dataset, split)
    protocol = protocols[0] if len(dataset.datasets) == len(protocols) == 1 else None
    if protocol is None:
        return {"catalogue": None, "table": None, "protocol": None, "as_published": False}
    [stored] = (one.info for one in dataset.datasets)
    squashed = stored["decoded_size"] if stored["storage"] == "decoded" else None
    same = (
        config.data.delivery == "clean"
        and squashed in (None, protocol.resize)
        and not any(
            one.preprocessing.jpeg_quality or departure(one, split, dataset) for one in detectors
        )
    )
    return {
        "catalogue": stored["dataset"],
        "table": stored["table"],
        "protocol": protocol.note,
        "as_published": same,
    }


def _protocols(dataset: MixedDataset, split: str) -> list[ProtocolSteps | None]:
    """What the catalogue says of this split of the data sets that have it, each once."""
    found = [d.info.get("protocol", {}).get(split) for d in dataset.datasets if split in d.splits]
    every = (None if protocol is None else ProtocolSteps(**protocol) for protocol in found)
    return list(dict.fromkeys(every))


def _multiple_of(protocol: ProtocolSteps) -> int:
    return 2 if protocol.even else 1


def _small_images(protocol: ProtocolSteps) -> str:
    return "tile" if protocol.tile else "reflect"
