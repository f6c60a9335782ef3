"""Learning rates and optimizers against torch, the papers' words and numbers by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import default, safe
from npr_jax.training.train_state import Plateau, make_optimizer, share_of_rate, warm_up_and_cosine


def test_learning_rate_is_the_published_one():
    """x 0.9 at the end of epochs 10, 20, 30, 40 (0-based): epochs 0 to 10 run at 2e-4."""
    steps_per_epoch = 7
    share = jax.jit(share_of_rate(default.get_config().optimizer, steps_per_epoch, 50))
    for epoch in range(50):
        decays = sum(epoch > end for end in (10, 20, 30, 40))
        for step in (0, steps_per_epoch - 1):
            expected = 0.9**decays
            np.testing.assert_allclose(share(epoch * steps_per_epoch + step), expected, rtol=1e-6)


def test_safes_rate_warms_up_for_an_epoch_and_ends_at_zero():
    config = safe.get_config()
    assert config.optimizer.learning_rate == pytest.approx(1e-2 * 32 / 256)
    steps = 10
    share = jax.jit(share_of_rate(config.optimizer, steps, config.num_epochs))
    np.testing.assert_allclose(
        [share(step) for step in (0, 1, 5, 9)], [0, 0.1, 0.5, 0.9], atol=1e-6
    )
    assert float(share(10)) == pytest.approx(1)
    assert float(share(10 + 95)) == pytest.approx(0.5, abs=1e-6), "half way through 190 steps"
    assert float(share(200)) == pytest.approx(0, abs=1e-6)
    assert float(share(300)) == pytest.approx(0, abs=1e-6)


def test_the_cosine_is_torchs():
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    share = warm_up_and_cosine(0, 30)
    for step in range(30):
        assert float(share(step)) == pytest.approx(schedule.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_optimizers_are_torchs(name):
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    settings = default.get_optimizer()
    settings.name, settings.weight_decay = name, 0.1 if name == "adamw" else 0.0
    optimizer = make_optimizer(settings, steps_per_epoch=100)
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=5), rng.normal(size=(6, 5))
    ours = jnp.float32(start)
    theirs = torch.nn.Parameter(torch.tensor(start))
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    peer = kinds[name]([theirs], lr=0.01, weight_decay=settings.weight_decay)
    state = optimizer.init(ours)
    for gradient in gradients:
        updates, state = optimizer.update(jnp.float32(gradient), state, ours)
        ours = optax.apply_updates(ours, 0.01 * updates)
        theirs.grad = torch.tensor(gradient)
        peer.step()
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-5, atol=1e-6)


def followed(accuracies, patience=5):
    plateau = Plateau()
    drops = [plateau.update(a, patience=patience, improvement=0.001) for a in accuracies]
    return plateau, [epoch for epoch, dropped in enumerate(drops) if dropped]


def test_the_rate_drops_after_five_epochs_without_a_tenth_of_a_percent():
    rising = [0.9, 0.901, 0.902, 0.903, 0.904, 0.905, 0.906]
    assert followed(rising)[1] == []
    creeping = [0.9, 0.9004, 0.9005, 0.9006, 0.9007, 0.9008]
    plateau, drops = followed(creeping)
    assert drops == [5]
    assert plateau.share(0.1) == pytest.approx(0.1)
    # Together the small rises are one of 0.1 %, which counts.
    assert followed([*creeping[:5], 0.9011, 0.9012])[1] == []
    assert followed([0.9] * 16)[1] == [5, 10, 15], "counted anew after each drop"
