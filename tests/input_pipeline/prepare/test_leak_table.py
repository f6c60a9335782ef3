"""The leak table: each kind of nuisance alone, on made-up images that differ in one."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.images.metadata import FileFacts
from input_pipeline.images.nuisances import Nuisances
from input_pipeline.prepare.leak_table import (
    KINDS,
    METADATA,
    NUISANCES,
    SAMPLE,
    TOGETHER,
    format_leaks,
    measure_leaks,
    sample,
)

FACTS = FileFacts("JPEG", 300, 400, 30_000, 12.5, 90, "exact", "4:2:0")
PIXELS = Nuisances((0.1, 0.1, 0.0, 0.0), (1.0, 0.2, 0.5, 0.5), (0.5,), (0.3,), (5.0,), (0.5,))
LABELS = np.repeat([0, 1], 40)


def table(facts=None, pixels=None):
    """Of 40 photographs as above and 40 images that differ as said."""
    other = dataclasses.replace(FACTS, **(facts or {}))
    return measure_leaks(
        "train",
        LABELS,
        [FACTS] * 40 + [other] * 40,
        [PIXELS] * 40 + [PIXELS._replace(**(pixels or {}))] * 40,
    )


@pytest.mark.parametrize(
    ("facts", "pixels", "kind"),
    [
        ({"format": "PNG"}, {}, "format"),
        ({"height": 301, "num_bytes": 30_100}, {}, "parity of the size"),
        ({"num_bytes": 60_000}, {}, "bytes per pixel"),
        ({"luminance": 20.0}, {}, "JPEG quality and chroma"),
        ({"steps": tuple(range(64))}, {}, "JPEG quality and chroma"),
        ({"subsampling": "4:4:4"}, {}, "JPEG quality and chroma"),
        ({}, {"grid": (0.1, 0.1, 3.0, 0.0)}, "grid"),
        ({}, {"resampling": (2.0, 0.3, 0.5, 0.5)}, "resampling"),
        ({}, {"brightness": (0.6,)}, "brightness"),
        ({}, {"saturation": (0.6,)}, "saturation"),
        ({}, {"sharpness": (7.0,)}, "sharpness"),
        ({}, {"invisible_mark": (1.0,)}, "invisible mark"),
    ],
)
def test_what_differs_has_an_auc_of_one_and_all_else_is_chance(facts, pixels, kind):
    found = table(facts, pixels).auc
    group = METADATA if facts else NUISANCES
    also = {"size"} if "height" in facts else set()
    expected = {kind, group, TOGETHER} | also
    assert {name for name, value in found.items() if value == 1.0} == expected
    assert all(found[name] == 0.5 for name in KINDS if name not in expected)


def test_too_few_images_have_no_auc():
    few = measure_leaks("dev", LABELS[31:49], [FACTS] * 18, [PIXELS] * 18)
    assert (few.photographs, few.generated) == (9, 9)
    assert set(few.auc.values()) == {None}
    lines = format_leaks([table(pixels={"sharpness": (7.0,)}), few])
    assert lines[0].split() == ["train", "(40+40)", "dev", "(9+9)"]
    rows = {line[: len("JPEG quality and chroma")].strip(): line.split()[-2:] for line in lines}
    assert rows["sharpness"] == ["1.000", "-"]


def test_a_sample_has_as_many_of_each_class_where_there_are():
    chosen = sample([0] * 5000 + [1] * 700)
    assert len(chosen) == SAMPLE
    assert (chosen < 5000).sum() == SAMPLE // 2
    assert chosen[0] == 0
    assert chosen[-1] == 5699
    assert len(sample([0] * 5000 + [1] * 30)) == SAMPLE
    assert sample([1, 0, 1]).tolist() == [0, 1, 2]
    assert len(sample([1] * 900)) == SAMPLE
