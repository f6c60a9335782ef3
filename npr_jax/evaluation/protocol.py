"""The published protocol of a data set, beside the preprocessing a detector has of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_collections

from input_pipeline.errors import UserError
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.prepare.catalog_entry import Preprocessing
from npr_jax.inference.detector import Detector
from npr_jax.models.base import fixed_side


def use_protocol(
    detector: Detector, config: ml_collections.ConfigDict, dataset: MixedDataset
) -> None:
    """Sets a detector and its config to prepare test images as published.

    Raises:
        ValueError: the catalogue has no protocol for these images, several data sets have different
            ones, or images were made another size when they were stored.
    """
    protocols = _protocols(dataset, config.data.test_split)
    protocol = protocols[0] if len(protocols) == 1 else None
    if protocol is None:
        raise UserError(
            f"--resize=protocol: split {config.data.test_split!r} of {dataset.name} has "
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
    detector.resize = protocol.resize
    detector.crop = fixed_side(detector.model) or protocol.crop
    detector.small_images = _small_images(protocol)
    config.data.evaluate_even = protocol.even


def departure(detector: Detector, config: ml_collections.ConfigDict, dataset: MixedDataset) -> str:
    """One line that says how an evaluation differs from the published one; empty: it does not."""
    data = config.data
    here = (detector.resize, detector.crop, data.evaluate_even)
    for protocol in filter(None, _protocols(dataset, data.test_split)):
        same = here == (protocol.resize, protocol.crop, protocol.even)
        if not same or (protocol.crop and detector.small_images != _small_images(protocol)):
            return (
                f"note: a published protocol of {dataset.name} is: {protocol.note}. Here images "
                f"are prepared otherwise ({detector.preprocessing}); --resize=protocol follows it "
                "where there is one."
            )
    return ""


def published_table(
    detectors: Sequence[Detector], config: ml_collections.ConfigDict, dataset: MixedDataset
) -> dict[str, Any]:
    """Which published table an evaluation belongs to, for its results.

    Args:
        detectors: one, or the members of an ensemble.
        config: of the evaluation.
        dataset: what is evaluated.

    Returns:
        `catalogue`: the entry's name, `table`: its number in the NPR paper, both None for images
        that were not prepared as one entry of the catalogue; `protocol`: the published
        preprocessing in words, and `as_published`: whether it was followed.
    """
    protocols = _protocols(dataset, config.data.test_split)
    protocol = protocols[0] if len(dataset.datasets) == len(protocols) == 1 else None
    if protocol is None:
        return {"catalogue": None, "table": None, "protocol": None, "as_published": False}
    [stored] = (one.info for one in dataset.datasets)
    squashed = stored["decoded_size"] if stored["storage"] == "decoded" else None
    same = (
        config.data.delivery == "clean"
        and squashed in (None, protocol.resize)
        and not any(one.jpeg_quality or departure(one, config, dataset) for one in detectors)
    )
    return {
        "catalogue": stored["dataset"],
        "table": stored["table"],
        "protocol": protocol.note,
        "as_published": same,
    }


def _protocols(dataset: MixedDataset, split: str) -> list[Preprocessing | None]:
    """What the catalogue says of this split of the data sets that have it, each once."""
    found = [d.info.get("protocol", {}).get(split) for d in dataset.datasets if split in d.splits]
    every = (None if protocol is None else Preprocessing(**protocol) for protocol in found)
    return list(dict.fromkeys(every))


def _small_images(protocol: Preprocessing) -> str:
    return "tile" if protocol.tile else "reflect"
