"""The published protocol of a data set, beside the preprocessing a detector has of its own."""

from __future__ import annotations

from typing import Any

import ml_collections

from input_pipeline.mixture import MixedDataset
from npr_jax.detector import Detector


def published_protocol(dataset: MixedDataset, split: str) -> dict[str, Any] | None:
    """What the catalogue says of this split of all data sets that have it; None: nothing.

    Raises:
        ValueError: they have different protocols.
    """
    found = [d.info.get("protocol", {}).get(split) for d in dataset.datasets if split in d.splits]
    if any(protocol != found[0] for protocol in found):
        raise ValueError(
            f"the data sets {', '.join(dataset.names)} have different protocols; evaluate each "
            "by itself"
        )
    return found[0] if found else None


def use_protocol(
    detector: Detector, config: ml_collections.ConfigDict, dataset: MixedDataset
) -> None:
    """Sets a detector and its config to prepare test images as published.

    Raises:
        ValueError: the catalogue has no protocol for these images.
    """
    protocol = published_protocol(dataset, config.data.test_split)
    if protocol is None:
        raise ValueError(
            f"--resize=protocol: split {config.data.test_split!r} of {dataset.name} has no "
            "published protocol; prepare it with --dataset=NAME (see `prepare --list`), or give "
            "--resize=native or a number of pixels"
        )
    detector.resize = protocol["resize"]
    config.data.evaluate_crop = protocol["crop"]
    config.data.evaluate_even = protocol["even"]
    config.data.small_images = "tile" if protocol["tile"] else "reflect"


def departure(detector: Detector, config: ml_collections.ConfigDict, dataset: MixedDataset) -> str:
    """One line that says how an evaluation differs from the published one; empty: it does not."""
    protocol = published_protocol(dataset, config.data.test_split)
    if protocol is None:
        return ""
    here = (detector.resize, config.data.evaluate_crop, config.data.evaluate_even)
    if here == (protocol["resize"], protocol["crop"], protocol["even"]):
        return ""
    return (
        f"note: the published protocol of {dataset.name} is: {protocol['note']}. Here images are "
        f"prepared otherwise ({detector.preprocessing}); --resize=protocol follows it."
    )
