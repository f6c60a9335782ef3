"""UnivFD: the published computation against transformers and torch, and what counts as trained."""

import jax
import ml_collections
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from configs import univfd as recipe
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.cli.detector_flags import load_detector
from npr_jax.config import check_config
from npr_jax.evaluation.protocol import as_published
from npr_jax.inference.detector import Detector
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import Frozen, count_parameters, predict
from npr_jax.models.systems.registry import build_model
from npr_jax.models.systems.univfd import load_univfd
from tests import clips
from tests.trees import prepare, save


def small_config(**changes) -> ml_collections.ConfigDict:
    config = recipe.get_config()
    config.update_from_flattened_dict(clips.TINY_SETTINGS | changes)
    return config


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Files of a linear layer and of a tower, and torch's logits of uint8 images."""
    torch, theirs = clips.torch_tower(seed=3)
    folder = tmp_path_factory.mktemp("published")
    head = torch.nn.Linear(clips.TINY.projection, 1)
    torch.save(head.state_dict(), folder / "fc_weights.pth")
    torch.save(theirs.state_dict(), folder / "clip.pth")

    def logits(images):
        # CLIP's published mean and deviation of RGB in [0, 1].
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
        deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])
        x = (torch.from_numpy(images).float() / 255 - mean) / deviation
        with torch.no_grad():
            return head(theirs(x.permute(0, 3, 1, 2)).image_embeds)[:, 0].numpy()

    return folder, logits


def pictures(count):
    side = clips.TINY.image_side
    return np.random.default_rng(7).integers(0, 256, (count, side, side, 3), np.uint8)


def test_logits_are_those_of_torch(published):
    folder, theirs = published
    model = load_univfd(folder / "fc_weights.pth", folder / "clip.pth", clips.TINY)
    images = pictures(5)
    expected = theirs(images)
    assert np.ptp(expected) > 0.1, "differences would not show"
    logits = jax.jit(lambda pixels: predict(model, pixels).logits)(images)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(Scorer(model).score_all(list(images))[0], expected, atol=1e-4)


def test_gradient_of_the_head_has_the_norm_that_follows_from_its_features(published):
    folder, _ = published
    model = load_univfd(folder / "fc_weights.pth", folder / "clip.pth", clips.TINY)
    graphdef, params, frozen = nnx.split(model, nnx.Param, Frozen)
    images = pictures(4)

    def mean_logit(params):
        return predict(nnx.merge(graphdef, params, frozen), images).logits.mean()

    gradient = jax.jit(jax.grad(mean_logit))(params)["classifier"]["kernel"][...]
    _, tower = clips.torch_tower(seed=3)
    embeddings = clips.torch_embeddings(tower, images)
    expected = np.linalg.norm(embeddings.mean(0))
    assert float(np.linalg.norm(gradient)) == pytest.approx(float(expected), rel=1e-3)


def test_the_linear_layer_alone_is_trained():
    model = nnx.eval_shape(lambda: build_model(recipe.get_config().model, nnx.Rngs(0), load=False))
    assert count_parameters(model) == 768 + 1
    frozen = jax.tree.leaves(nnx.state(model, Frozen))
    assert sum(leaf.size for leaf in frozen) == 303_966_208


def test_a_tower_without_file_is_announced_and_the_same_for_every_seed(caplog):
    config = small_config().model
    towers = [nnx.state(build_model(config, nnx.Rngs(params=seed)), Frozen) for seed in (1, 2)]
    for one, other in zip(*map(jax.tree.leaves, towers), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "holds RANDOM numbers" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.evaluate_crop": 0}, "data.evaluate_crop is 0, but the vision tower takes images"),
        ({"data.flip": True}, "give --config.data.flip=False"),
        ({"model.patch": 7}, "model: image_side is 32; expected a multiple of patch, 7"),
        ({"model.heads": 3}, "model: width is 32; expected a multiple of heads, 3"),
    ],
)
def test_settings_that_cannot_be_together(changes, message):
    check_config(small_config())
    with pytest.raises(ValueError, match=message):
        check_config(small_config(**changes))


def test_recipe_is_accepted():
    check_config(recipe.get_config())


def test_published_files_score_pictures_cropped_in_the_centre(published, tmp_path):
    folder, theirs = published
    files = folder / "fc_weights.pth", folder / "clip.pth"
    detector = Detector.from_univfd(*files, shape=clips.TINY)
    pixels = np.random.default_rng(9).integers(0, 256, (50, 41, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    [result] = detector.score([tmp_path / "picture.png"])
    # Torchvision's CenterCrop: (50 - 32) / 2 and (41 - 32) / 2, rounded to even.
    [logit] = theirs(np.ascontiguousarray(pixels[None, 9:41, 4:36]))
    assert result.score == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)
    assert detector.system == "univfd"


def test_two_files_on_the_command_line_are_the_layer_and_the_tower(published, monkeypatch):
    folder, _ = published
    original = Detector.from_univfd
    monkeypatch.setattr(
        Detector, "from_univfd", lambda *files, **o: original(*files, **o, shape=clips.TINY)
    )
    detector = load_detector("", f"{folder / 'fc_weights.pth'}, {folder / 'clip.pth'}")
    way = detector.preprocessing
    assert (way.resize, way.crop) == (0, clips.TINY.image_side)
    with pytest.raises(ValueError, match=r"fc_weights\.pth,CLIP\.safetensors"):
        load_detector("", "one.pth,two.pth,three.pth")


def test_a_protocol_without_crop_leaves_the_tower_its_own(published, tmp_path):
    folder, _ = published
    files = folder / "fc_weights.pth", folder / "clip.pth"
    detector = Detector.from_univfd(*files, shape=clips.TINY)
    save(tmp_path / "in/BEGAN/1_fake/a.png", 0, (50, 40))
    prepare(tmp_path / "in", tmp_path / "out", dataset="gangen_detection", storage="encoded")
    dataset = MixedDataset.load([tmp_path / "out"])
    way = as_published(detector, "test", dataset).preprocessing
    assert (way.resize, way.crop) == (0, clips.TINY.image_side)
