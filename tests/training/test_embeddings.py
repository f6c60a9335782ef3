"""A head trained on features that are computed once: right numbers, resumed, same file only."""

import contextlib
import pathlib

import numpy as np
import pytest
import safetensors.numpy
from scipy import ndimage

from configs import univfd as recipe
from npr_jax.inference.detector import Detector
from npr_jax.inference.scorer import Scorer
from npr_jax.training import inputs
from tests import clips, runs


def write_weights(path: pathlib.Path, seed: int) -> pathlib.Path:
    _, tower = clips.torch_tower(seed=seed)
    arrays = {name: tensor.numpy() for name, tensor in tower.state_dict().items()}
    safetensors.numpy.save_file(arrays, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "clip.safetensors", seed=0)


def settings_of(data, weights, **changes):
    settings = clips.TINY_SETTINGS | {
        "data.path": str(data),
        "data.validation_split": "validation",
        "model.weights": str(weights),
        "optimizer.learning_rate": 0.03,
        "early_stopping_epochs": 0,
        "batch_size": runs.BATCH_SIZE,
        "num_epochs": 2,
        "log_every_steps": 2,
    }
    return settings | {key.replace("__", "."): value for key, value in changes.items()}


def config_of(data, weights, **changes):
    config = recipe.get_config()
    config.update_from_flattened_dict(settings_of(data, weights, **changes))
    return config


@contextlib.contextmanager
def images_seen(monkeypatch):
    """Counts the images that go through the tower."""
    seen = []
    original = Scorer._features

    def counted(self, images):
        for item in original(self, images):
            if item is not None:
                seen.append(item[0])
            yield item

    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "_features", counted)
        yield seen


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_data, weights):
    workdir = tmp_path_factory.mktemp("univfd") / "run"
    runs.train_and_evaluate(config_of(tiny_data, weights), workdir)
    return workdir


def embedded(workdir, what):
    [path] = (workdir / "embeddings").glob(f"{what}-*.npz")
    return np.load(path)


def test_validation_features_are_the_embeddings_of_transformers(trained):
    _, tower = clips.torch_tower(seed=0)
    # Centre crops of 32 from pictures of 64 pixels.
    count = runs.SPLITS["validation"]
    first = 1000 * sorted(runs.SPLITS).index("validation")
    crops = [runs.picture(first + n, bool(n % 2))[16:48, 16:48] for n in range(count)]
    saved = embedded(trained, "validation")
    expected = clips.torch_embeddings(tower, np.stack(crops))
    np.testing.assert_allclose(saved["features"], expected, atol=1e-4, rtol=1e-4)
    np.testing.assert_array_equal(saved["labels"], np.arange(count) % 2)


def test_checkpoint_holds_what_is_trained_and_no_tower(trained):
    arrays = runs.saved_arrays(trained, runs.checkpoint_steps(trained)[-1])
    shapes = {key: value.shape for key, value in arrays.items() if key.startswith("params")}
    assert sorted(shapes.values()) == [(1,), (16, 1)]
    assert sum(value.size for value in arrays.values()) < 100


def test_going_on_uses_the_features_and_ends_as_if_never_stopped(
    tiny_data, weights, tmp_path, monkeypatch
):
    tests = runs.SPLITS["test"]
    with images_seen(monkeypatch) as seen:
        runs.train_and_evaluate(config_of(tiny_data, weights, num_epochs=1), tmp_path / "run")
    assert len(seen) == runs.SPLITS["train"] + runs.SPLITS["validation"] + tests
    with images_seen(monkeypatch) as seen:
        runs.train_and_evaluate(config_of(tiny_data, weights, num_epochs=2), tmp_path / "run")
    assert len(seen) == tests, "only the final evaluation looks at images"
    runs.train_and_evaluate(config_of(tiny_data, weights), tmp_path / "whole")
    last = [runs.checkpoint_steps(tmp_path / name)[-1] for name in ("run", "whole")]
    assert last[0] == last[1] == 6, "21 images in batches of 8, twice"
    whole = runs.saved_arrays(tmp_path / "whole", 6)
    for key, value in runs.saved_arrays(tmp_path / "run", 6).items():
        np.testing.assert_array_equal(value, whole[key], key)


def test_other_preprocessing_is_computed_anew(trained, tiny_data, weights):
    from npr_jax.training.embeddings import identity_of
    from npr_jax.training.resume import layout_of

    def identity(**changes):
        config = config_of(tiny_data, weights, **changes)
        dataset = inputs.open_dataset(config, trained)
        return identity_of(layout_of(config, dataset, 3), "digest")

    same = identity(optimizer__learning_rate=1.0, batch_size=4, data__workers=2)
    assert identity() == same
    for changes in (
        {"seed": 1},
        {"data__augment__blur_probability": 0.1},
        {"data__host_crop": 40},
        {"model__layers": 1},
    ):
        assert identity(**changes) != same, changes


def test_predict_scores_a_file_as_the_head_scores_its_feature(trained, tmp_path):
    from PIL import Image

    _, tower = clips.torch_tower(seed=0)
    pixels = runs.picture(5, True)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    arrays = runs.saved_arrays(trained, Detector.load(trained).step)
    [kernel] = [v for k, v in arrays.items() if k.startswith("params") and v.shape == (16, 1)]
    [bias] = [v for k, v in arrays.items() if k.startswith("params") and v.shape == (1,)]
    logit = clips.torch_embeddings(tower, pixels[None, 16:48, 16:48]) @ kernel + bias
    finished = runs.main("predict", f"--workdir={trained}", tmp_path / "picture.png")
    score = float(finished.stdout.splitlines()[1].split(",")[1])
    assert score == pytest.approx(1 / (1 + np.exp(-logit[0, 0])), abs=1e-4)


def test_another_file_is_refused_on_resumption_and_on_loading(
    trained, tiny_data, weights, tmp_path
):
    other = write_weights(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(ValueError, match=r"was trained with .*clip\.safetensors.*other") as caught:
        runs.train_and_evaluate(config_of(tiny_data, other, num_epochs=3), trained)
    assert "\n" not in str(caught.value)
    content = weights.read_bytes()
    try:
        weights.write_bytes(other.read_bytes())
        with pytest.raises(ValueError, match="give the file it was trained with"):
            Detector.load(trained)
        weights.unlink()
        with pytest.raises(ValueError, match="does not exist; give the file of published weights"):
            Detector.load(trained)
    finally:
        weights.write_bytes(content)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(content)
    config = config_of(tiny_data, copy)
    runs.train_and_evaluate(config, trained)  # the same content in another place is no other file


def test_augmentation_is_drawn_once_for_each_image(tiny_data, weights, tmp_path):
    def images(**changes):
        config = config_of(tiny_data, weights, **changes)
        train = inputs.TrainInput(config, inputs.open_dataset(config, tmp_path))
        return [element["image"] for element in train.train_images_once()]

    whole = {"data__augment__jpeg_probability": 0.0}
    sharp = images(data__augment__blur_probability=0.0, **whole)
    again = images(data__augment__blur_probability=0.0, **whole)
    blurred = images(data__augment__blur_probability=1.0, **whole)
    for n, (one, two, smooth) in enumerate(zip(sharp, again, blurred, strict=True)):
        picture = runs.picture(1000 * sorted(runs.SPLITS).index("train") + n, bool(n % 2))
        windows = np.lib.stride_tricks.sliding_window_view(picture, (32, 32, 3))
        assert (windows == one).all((-3, -2, -1)).any(), "a crop of the picture itself"
        np.testing.assert_array_equal(one, two)
        assert (
            ndimage.laplace(smooth.astype(float)).std() <= ndimage.laplace(one.astype(float)).std()
        )
    assert sum(not np.array_equal(a, b) for a, b in zip(sharp, blurred, strict=True)) > 15
