"""DIRE as a system: its data, its files, and a run from error maps to verdicts."""

import numpy as np
import pytest

import npr_jax
from configs import dire
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.records import decode_record, image_array
from npr_jax.config import check_config
from npr_jax.models.diffusion.reconstruct import reconstruct
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training.train import train
from tests.models.diffusion import small

SYSTEM = SYSTEMS["dire"]


def config(data, predictor, **model):
    """The recipe, shrunk to the maps of `small`."""
    config = dire.get_config()
    config.model.update(backbone="thin_resnet", noise_predictor=predictor, ddim_steps=2)
    config.model.image_size = small.SIDE
    config.model.update(model)
    config.data.update(path=str(data), host_crop=32, crop=32, validation_crop=32)
    config.update(batch_size=4, num_epochs=1)
    return config


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A noise predictor's file, a data set and its error maps."""
    folder = tmp_path_factory.mktemp("dire")
    predictor = small.predictor(folder)
    source = small.dataset(folder / "little", train=8, validation=4, test=4)
    maps = reconstruct(source, predictor, folder / "maps", steps=2)
    return predictor, source, maps


def facts(config, dataset):
    return SYSTEM.data_facts(config, MixedDataset([dataset]))


def test_data_are_error_maps_of_the_named_predictor(made, tmp_path):
    predictor, source, maps = made
    recorded = facts(config(maps.path, predictor.source), maps)["dire"]
    assert recorded["noise_predictor_sha256"] == predictor.sha256
    with pytest.raises(ValueError, match="holds images; dire learns from their reconstruction"):
        facts(config(source.path, predictor.source), source)
    other = small.predictor(tmp_path, seed=1)
    with pytest.raises(ValueError, match=f"sha256 {predictor.sha256}, not {other.sha256}"):
        facts(config(maps.path, other.source), maps)
    with pytest.raises(ValueError, match="ddim_steps 2, not 20"):
        facts(config(maps.path, predictor.source, ddim_steps=20), maps)
    with pytest.raises(ValueError, match="does not exist"):
        facts(config(maps.path, "nowhere.pt"), maps)
    assert facts(config(source.path, ""), source) == {}


def test_files_become_maps_with_the_predictor_trained_on_only(made, tmp_path):
    predictor, _, maps = made
    settings = config(maps.path, predictor.source)
    recorded = facts(settings, maps)
    view = SYSTEM.file_view(settings.model, recorded)
    assert view.description == "reconstruction error at 32x32 pixels"
    other = config(maps.path, small.predictor(tmp_path, seed=1).source)
    with pytest.raises(ValueError, match="the run was trained on"):
        SYSTEM.file_view(other.model, recorded)
    assert SYSTEM.file_view(config(maps.path, "").model, {}) is None


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("data", "evaluate_resize", 64),
        ("data", "evaluate_crop", 64),
        ("data", "delivery", "web"),
        ("data", "reencode", (60, 90)),
        ("model", "imagenet_weights", "resnet50.pth"),
    ],
)
def test_what_would_change_the_maps_is_refused(section, key, value):
    settings = config("maps", "predictor.pt")
    check_config(settings)
    settings[section][key] = value
    with pytest.raises(ValueError, match=f"{section}.{key} is"):
        check_config(settings)


@pytest.mark.slow
def test_a_file_scores_as_its_error_map_does(made, tmp_path):
    predictor, source, maps = made
    settings = config(maps.path, predictor.source)
    settings.data.validation_split = "validation"
    train(settings, tmp_path / "run")
    detector = npr_jax.Detector.load(tmp_path / "run")
    assert detector.training_data["dire"]["noise_predictor_sha256"] == predictor.sha256
    records = source.source("test")
    files, stored = [], maps.source("test")
    for i in range(len(records)):
        record = decode_record(records[i])
        files.append(tmp_path / f"{i}.{record.filename.rpartition('.')[2]}")
        files[-1].write_bytes(record.image)
    scores = [result.score for result in detector.score([*files, tmp_path / "missing.png"])]
    logits = detector.logits([image_array(decode_record(stored[i])) for i in range(len(stored))])
    np.testing.assert_allclose(scores[:-1], 1 / (1 + np.exp(-logits)), atol=1e-5)
    assert scores[-1] is None
