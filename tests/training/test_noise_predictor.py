"""The noise predictor's loop: it learns, resumes bit by bit, and writes what can be used."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from npr_jax.models.diffusion.unet import UNet
from npr_jax.models.pretrained.noise_predictor_file import load_noise_predictor, published_arrays
from npr_jax.training import noise_predictor
from npr_jax.training.preemption import Preempted
from tests import runs
from tests.models.diffusion import small
from tests.training.test_preemption import StopAt


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.dataset(tmp_path_factory.mktemp("data") / "little", train=12).path


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_undisturbed_one_does(tmp_path, data):
    whole = noise_predictor.train_noise_predictor(small.config(data), tmp_path / "whole")
    with pytest.raises(Preempted, match="at step 3 of 6"):
        noise_predictor.train_noise_predictor(small.config(data), tmp_path / "parts", StopAt(3))
    parts = noise_predictor.train_noise_predictor(small.config(data), tmp_path / "parts")
    assert parts.read_bytes() == whole.read_bytes()
    points = runs.curve(tmp_path / "parts", "train")
    assert [point["step"] for point in points] == [2, 3, 4, 6]
    assert all(0 < point["loss"] < 5 for point in points)
    predictor = load_noise_predictor(tmp_path / "whole")
    assert (predictor.image_size, predictor.schedule, predictor.steps) == (16, "linear", 1000)
    with pytest.raises(ValueError, match="seed: was 0, now 1"):
        noise_predictor.train_noise_predictor(small.config(data, seed=1), tmp_path / "parts")


@pytest.mark.slow
def test_a_step_is_that_of_the_paper():
    """The loss and the running mean, with the step's own draws taken apart here."""
    config = small.config("unused", batch_size=3)
    unet = UNet(small.SHAPE, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(unet)
    optimizer = optax.sgd(0.1)
    state = noise_predictor.NoiseState(
        jnp.int32(5), params, jax.tree.map(jnp.array, params), optimizer.init(params)
    )
    before = published_arrays(unet)
    step = noise_predictor.make_noise_step(config, graphdef, optimizer)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    # The third row is padding.
    state, loss = step(state, {"image": images, "mask": np.float32([1, 1, 0])})
    # A fresh network's last layer is zero: it says 0, so the loss is the noise's mean square.
    assert float(loss) == pytest.approx(1.0, abs=0.15)
    mean = published_arrays(nnx.merge(graphdef, state.mean_params))
    after = published_arrays(nnx.merge(graphdef, state.params))
    moved = after["out.2.weight"] - before["out.2.weight"]
    assert np.abs(moved).max() > 0
    decay = (1 + 5) / (10 + 5)
    np.testing.assert_allclose(
        mean["out.2.weight"], before["out.2.weight"] + (1 - decay) * moved, rtol=1e-4, atol=1e-8
    )
    assert int(state.step) == 6


@pytest.mark.slow
def test_the_loss_falls(tmp_path, data):
    config = small.config(data, num_steps=300, log_every_steps=50, checkpoint_every_steps=300)
    config.batch_size = 8
    noise_predictor.train_noise_predictor(config, tmp_path)
    losses = [point["loss"] for point in runs.curve(tmp_path, "train")]
    assert losses[-1] < 0.5 * losses[0]


def test_settings_that_cannot_be_used_are_named_together(data):
    config = small.config(data, num_steps=0, ema=1.0, schedule="square")
    with pytest.raises(ValueError) as caught:
        noise_predictor.check_noise_config(config)
    message = str(caught.value)
    for part in ("num_steps is 0", "ema is 1.0", "schedule is 'square'; expected one of linear"):
        assert part in message
    config = small.config(data)
    config.data.crop = 15
    with pytest.raises(ValueError, match="images of 15 pixels; expected a multiple of 2"):
        noise_predictor.check_noise_config(config)


def test_photographs_are_needed(tmp_path, data):
    config = small.config(data)
    config.data.train_split = "test"
    with pytest.raises(ValueError, match="test"):
        noise_predictor.train_noise_predictor(config, tmp_path)
