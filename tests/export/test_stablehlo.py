"""StableHLO files say what the Flax models say, and need nothing of this project."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import ladeda, spectrum
from input_pipeline.images.transforms import cut_to_multiple
from npr_jax.export.stablehlo_file import stablehlo_bytes, symbolic_operator
from npr_jax.residuals.front_end import paper_front_end
from npr_jax.residuals.residual import axis_operator
from tests import runs
from tests.export import made
from tests.inference.test_scorer import fused

BLOCKS = {0.25: 4, 0.5: 2, 0.75: 4, 1 / 3: 3, 1 / 8: 8}  # pixels after which each repeats
FACTORS = tuple(BLOCKS)


@pytest.fixture(autouse=True)
def _highest_precision():
    with jax.default_matmul_precision("highest"):
        yield


def check(found, batches, atol=1e-5):
    """Compares the file with the model on batches ``(count, height, width)``."""
    program = jax.export.deserialize(stablehlo_bytes(found))
    spread = []
    for batch in batches:
        images = made.pictures(*batch)
        said = program.call(images)
        expected, expected_weights = made.said(found, images)
        assert said["probability"].dtype == np.float32
        assert said["probability"].shape == (batch[0],)
        np.testing.assert_allclose(said["probability"], expected, rtol=0, atol=atol)
        assert ("weights" in said) == (expected_weights is not None)
        if expected_weights is not None:
            np.testing.assert_allclose(said["weights"], expected_weights, rtol=0, atol=1e-5)
        spread += list(expected)
    assert np.ptp(spread) > 1e-3, "images that all score alike would prove nothing"


BATCHES = [(1, 64, 64), (2, 33, 47), (5, 32, 75)]


def test_npr_at_odd_and_even_sizes_and_batches():
    check(made.detector(backbone="thin_resnet"), BATCHES)


@pytest.mark.slow
def test_npr_of_full_size():
    found = made.detector()
    check(found, BATCHES)
    assert len(stablehlo_bytes(found)) < 6e6


def test_multiscale_attention_at_an_odd_and_an_even_size():
    check(made.attention(backbone="thin_resnet"), [(2, 33, 47), (1, 32, 38)])


@pytest.mark.slow
def test_multiscale_attention_of_full_size():
    found = made.attention()
    check(found, BATCHES)
    assert len(stablehlo_bytes(found)) < 9e6


@pytest.mark.parametrize(
    "changes",
    [
        *(pytest.param(fused(f), marks=pytest.mark.slow) for f in ("stack", "mean", "fixed")),
        fused("spatial"),
        pytest.param(fused("concatenation", batch_branches=True), marks=pytest.mark.slow),
        fused("attention", share_branches=True),
        {"factors": (1 / 8,), "phases": ((3, 7),), "colors": ("lab",)},
        pytest.param({"factors": (1 / 3,), "modes": ("bilinear",)}, marks=pytest.mark.slow),
        {"factors": (0.75,), "modes": ("bicubic",)},
        pytest.param({"factors": (0.4,), "modes": ("area",)}, marks=pytest.mark.slow),
        {"name": "cnndetection", "imagenet_weights": ""},
    ],
    ids=[
        *("stack", "mean", "fixed", "spatial", "batched", "shared"),
        *("phase lab", "bilinear", "bicubic", "area", "pixels"),
    ],
)
def test_fusions_and_front_ends(changes):
    check(made.detector(**({"backbone": "thin_resnet"} | changes)), [(2, 37, 46), (1, 64, 38)])


def test_a_spectrum_of_open_sizes():
    """Two Fourier transforms of the whole image."""
    check(made.detector(spectrum.get_config()), [(2, 33, 46), (1, 64, 38)])


@pytest.mark.slow
def test_ladedas_patches():
    # The deepest network of all: its rounding differs by up to 2e-5 from processor to processor.
    check(made.detector(ladeda.get_config()), [(2, 65, 70)], atol=5e-5)


def references(count):
    """A program of ``count`` axes of open lengths: the references of each for all ``FACTORS``."""

    def compute(*axes):
        ends = [paper_front_end(factor) for factor in FACTORS]
        cuts = [[cut_to_multiple(a, end.period).shape[1] for end in ends] for a in axes]
        return [
            [symbolic_operator(end, n, 1) for end, n in zip(ends, lengths, strict=True)]
            for lengths in cuts
        ]

    names = [f"n{i}" for i in range(count)]
    lengths = jax.export.symbolic_shape(", ".join(names), constraints=[f"{n} >= 32" for n in names])
    shapes = [jax.ShapeDtypeStruct((32, length, 3), jnp.uint8) for length in lengths]
    return jax.export.export(jax.jit(compute))(*shapes)


def check_references(lengths, at_once):
    """Against the host's, which are torch's, of what is left of an axis after the cut."""
    program = references(at_once)  # one compilation for as many lengths
    lengths = list(lengths)
    for first in range(0, len(lengths), at_once):
        chosen = lengths[first : first + at_once]
        padded = (*chosen, *(32,) * (at_once - len(chosen)))
        all_ours = program.call(*(np.zeros((32, length, 3), np.uint8) for length in padded))
        for length, ours in zip(padded, all_ours, strict=True):
            for row, (factor, block) in zip(ours, BLOCKS.items(), strict=True):
                expected = axis_operator(length // block * block, factor, "nearest")
                np.testing.assert_array_equal(row, expected, err_msg=f"{length} pixels, {factor}")


def test_references_are_the_hosts_at_some_sizes():
    check_references([32, 33, 47, 100, 255, 256, 1021, 1022, 1023, 1024, 1111, 2047], 6)


@pytest.mark.slow
def test_references_are_the_hosts_at_every_size():
    check_references(range(32, 1025), 32)


ALONE = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("npr_jax", "input_pipeline", "configs", "flax", "orbax", "onnx"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
import jax
import numpy as np

with open(sys.argv[1], "rb") as file:
    program = jax.export.deserialize(bytearray(file.read()))
images = np.load(sys.argv[2])
np.save(sys.argv[3], jax.jit(program.call)(images)["probability"])
"""


def test_loading_needs_only_jax_and_flatbuffers(tmp_path):
    found = made.detector(backbone="thin_resnet")
    images = made.pictures(3, 40, 51)
    (tmp_path / "detector.stablehlo").write_bytes(stablehlo_bytes(found))
    np.save(tmp_path / "images.npy", images)
    names = ("detector.stablehlo", "images.npy", "said.npy")
    runs.python("-c", ALONE, *(tmp_path / name for name in names))
    said = np.load(tmp_path / "said.npy")
    np.testing.assert_allclose(said, made.said(found, images)[0], rtol=0, atol=1e-5)


def test_images_below_32_pixels_and_other_arrays_are_refused_by_the_program():
    program = jax.export.deserialize(stablehlo_bytes(made.detector(backbone="thin_resnet")))
    with pytest.raises(ValueError, match="refining shapes"):
        program.call(made.pictures(1, 31, 40))
    with pytest.raises(ValueError, match="uint8"):
        program.call(made.pictures(1, 40, 40).astype(np.float32))


def test_it_runs_on_cpus_nvidia_gpus_and_tpus():
    program = jax.export.deserialize(stablehlo_bytes(made.detector(backbone="thin_resnet")))
    assert program.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"modes": ("hh",)}, "residual hh"),
        ({"modes": ("bilinear",), "learn_factors": (True,)}, "trained factor"),
        ({"factors": (0.29,)}, "residual 0.29 never repeats"),
        (fused("cross"), "spectrum"),
    ],
    ids=["hh", "learned", "rounded", "cross"],
)
def test_what_cannot_be_exported_is_refused_by_name(changes, text):
    with pytest.raises(ValueError, match=text):
        stablehlo_bytes(made.detector(**({"backbone": "thin_resnet"} | changes)))
