"""The training loop: every recipe, the paper's schedule, padding, stops, resumption refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import npr_jax.training.run
import npr_jax.training.step
import npr_jax.training.train_state
from configs import default
from npr_jax.inference.detector import Detector
from npr_jax.models.base import predict
from npr_jax.training.run import Progress
from npr_jax.training.step import make_train_step
from npr_jax.training.train import train
from npr_jax.training.train_state import init_train_state
from tests import runs


def test_padding_changes_nothing(tiny_data):
    """A batch of 5 padded to 8 gives the step of the 5: loss, gradients, batch statistics."""
    config = runs.tiny_config(tiny_data, data__crop=32, data__flip=False)
    fresh, optimizer, state = init_train_state(config, steps_per_epoch=10)
    graphdef = nnx.graphdef(fresh)
    images = np.stack([runs.picture(i, bool(i % 2), side=32) for i in range(8)])
    labels = np.arange(8, dtype=np.int32) % 2
    model = nnx.merge(graphdef, state.params, state.batch_stats, copy=True)
    model.train()

    @jax.jit
    def direct(params):
        def loss_fn(params):
            model = nnx.merge(graphdef, params, state.batch_stats, copy=True)
            model.train()
            logits = predict(model, images[:5]).logits
            signs = 1 - 2 * labels[:5]
            return jnp.logaddexp(0, signs * logits).mean(), nnx.state(model, nnx.BatchStat)

        return jax.value_and_grad(loss_fn, has_aux=True)(params)

    (loss, statistics), gradients = jax.device_get(direct(state.params))
    step = make_train_step(config, fresh, optimizer)
    mask = (np.arange(8) < 5).astype(np.float32)
    after, reported = step(state, {"image": images, "label": labels, "mask": mask})

    assert float(reported.compute()["loss"]) == pytest.approx(float(loss), abs=1e-6)
    for ours, expected in zip(
        jax.tree.leaves(after.batch_stats), jax.tree.leaves(statistics), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
    scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradients))
    for moment, expected in zip(
        jax.tree.leaves(after.opt_state[0].mu), jax.tree.leaves(gradients), strict=True
    ):
        np.testing.assert_allclose(moment / 0.1, expected, rtol=1e-3, atol=1e-4 * scale)


def test_optimizer_is_plain_adam():
    """Against Adam written out, five steps with one parameter; the rate multiplies its updates."""
    config = default.get_config()
    optimizer = npr_jax.training.train_state.make_optimizer(config.optimizer, steps_per_epoch=100)
    gradients = np.array([0.3, -2.0, 0.01, 0.0, 5.0])
    value, m, v = 1.0, 0.0, 0.0
    params = {"w": jnp.float32(1.0)}
    state = optimizer.init(params)
    for t, gradient in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        value -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        updates, state = optimizer.update({"w": jnp.float32(gradient)}, state, params)
        params = optax.apply_updates(params, {"w": 0.01 * updates["w"]})
    np.testing.assert_allclose(params["w"], value, rtol=1e-5)


def test_validation_images_that_are_too_small_to_score_are_refused_first(tiny_data, tmp_path):
    """Of 32 pixels, blocks of three leave 30."""
    config = runs.tiny_config(tiny_data, model__factors=(1 / 3,), data__validation_crop=32)
    with pytest.raises(ValueError, match=r"data.validation_crop is 32; .* at least 33 pixels"):
        train(config, tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_a_loss_that_is_no_number_stops_the_run(tiny_data, tmp_path, monkeypatch):
    """Weights broken after step 4 of 6: step 5 is named, the checkpoint of step 3 stays."""

    def make_failing_step(*arguments, **options):
        step = make_train_step(*arguments, **options)

        def failing(state, batch):
            state, reported = step(state, batch)
            if int(state.step) == 4:
                state = dataclasses.replace(
                    state, params=jax.tree.map(lambda x: x * jnp.nan, state.params)
                )
            return state, reported

        return failing

    monkeypatch.setattr(npr_jax.training.step, "make_train_step", make_failing_step)
    config = runs.tiny_config(tiny_data, log_every_steps=100)
    with pytest.raises(FloatingPointError, match="train loss is nan at step 5") as caught:
        train(config, tmp_path)
    assert "--config.optimizer.learning_rate" in str(caught.value)
    assert runs.checkpoint_steps(tmp_path) == [3]
    assert np.isfinite(Detector.load(tmp_path).logits(runs.picture(0, True)[None])).all()


def test_early_stopping_keeps_the_best_and_the_last_checkpoint(tiny_data, tmp_path, capsys):
    config = runs.tiny_config(tiny_data, num_epochs=9, early_stopping_epochs=2)
    runs.train_and_evaluate(config, tmp_path)
    points = runs.curve(tmp_path, "validation")
    aps, steps = [point["ap"] for point in points], [point["step"] for point in points]
    assert len(aps) == aps.index(max(aps)) + 3, "two epochs after the best AP, ties included"
    best = max(range(len(points)), key=lambda i: (points[i]["ap"], -points[i]["loss"]))
    assert len(aps) < 9
    assert runs.checkpoint_steps(tmp_path) == sorted({steps[best], steps[-1]})
    assert Detector.load(tmp_path).step == steps[best]
    assert Detector.load(tmp_path, checkpoint="last").step == steps[-1]
    results = capsys.readouterr().out
    assert "mean" in results

    # Running the command again has nothing left to train.
    before = (tmp_path / "metrics.jsonl").read_bytes()
    train(config, tmp_path)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_of_equal_ap_the_lower_loss_is_better_but_does_not_delay_stopping():
    progress = Progress()
    seen = [(0.9, 0.5), (1.0, 0.4), (1.0, 0.6), (1.0, 0.2), (0.95, 0.1)]
    improved = [progress.update(ap, loss, step) for step, (ap, loss) in enumerate(seen, start=1)]
    assert improved == [True, True, False, True, False]
    assert progress.best_step == 4
    assert progress.stopped_early(3)
    assert not progress.stopped_early(4)


def test_a_recipe_can_make_the_last_checkpoint_the_best(tiny_data, tmp_path, monkeypatch):
    """Its validation AP falls from 0.9 to 0.4 in the second and last epoch."""
    aps = iter((0.9, 0.4))
    measures = {"loss": 0.5, "accuracy": 0.5, "auc": 0.5}
    monkeypatch.setattr(
        npr_jax.training.run, "validate", lambda scorer, images: measures | {"ap": next(aps)}
    )
    settings = {"best_checkpoint": "last", "model__backbone": "thin_resnet"}
    train(runs.tiny_config(tiny_data, **settings), tmp_path)
    assert Detector.load(tmp_path).step == 6
    assert runs.checkpoint_steps(tmp_path) == [6]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"batch_size": 4}, "settings.batch_size: was 8, now 4"),
        ({"data__flip": False}, "settings.data.flip: was True, now False"),
        ({"seed": 5}, "settings.seed: was 0, now 5"),
        ({"optimizer__learning_rate": 0.1}, "learning_rate: was 0.0002, now 0.1"),
        ({"model__factors": (0.25,)}, "settings.model.factors: was [0.5], now [0.25]"),
    ],
)
def test_resuming_with_other_settings_is_refused(trained, tiny_data, changes, text):
    before = (trained.workdir / "config.json").read_bytes()
    with pytest.raises(ValueError, match="other settings; use another --workdir") as caught:
        train(runs.tiny_config(tiny_data, **changes), trained.workdir)
    assert text in str(caught.value)
    assert (trained.workdir / "config.json").read_bytes() == before


def test_a_run_resumed_with_other_readers_ends_bit_identical(trained, tiny_data, tmp_path):
    """One epoch read by threads, the second by two processes, against both read by threads."""
    train(runs.tiny_config(tiny_data, num_epochs=1), tmp_path)
    train(runs.tiny_config(tiny_data, data__workers=2, data__prefetch=1), tmp_path)
    last = runs.checkpoint_steps(trained.workdir)[-1]
    arrays, expected = (runs.saved_arrays(run, last) for run in (tmp_path, trained.workdir))
    assert arrays.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(arrays[key], value, key)


def test_resuming_on_other_data_is_refused(trained, tmp_path):
    other = runs.write_dataset(
        tmp_path / "other",
        "tiny",
        {name: runs.records(name, count + 3) for name, count in runs.SPLITS.items()},
        {},
    )
    with pytest.raises(ValueError, match="data fingerprint: was"):
        train(runs.tiny_config(other.path), trained.workdir)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__path": "/nonexistent"}, "/nonexistent"),
        ({"data__train_split": "exercise"}, "data.train_split is 'exercise'; the data set has dev"),
        ({"model__backbone": "vgg"}, "model.backbone is 'vgg'"),
    ],
)
def test_unusable_settings_are_refused(tiny_data, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(runs.tiny_config(tiny_data, **changes), tmp_path / "run")


def test_one_class_alone_cannot_be_validated(tmp_path):
    photographs = [r for r in runs.records("train", 30) if r.label == 0]
    splits = {"train": runs.records("train", 8), "validation": photographs, "test": photographs}
    data = runs.write_dataset(tmp_path / "data", "one", splits, {})
    with pytest.raises(ValueError, match=r"labels \[0\] only"):
        train(runs.tiny_config(data.path), tmp_path / "run")
