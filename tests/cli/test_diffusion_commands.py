"""`noise_predictor` and `reconstruct` as a user calls them."""

import pytest

from input_pipeline.storage.prepared_dataset import PreparedDataset
from npr_jax.models.pretrained.noise_predictor_file import load_noise_predictor
from tests import runs
from tests.models.diffusion import small

RECIPE = "--config=configs/diffusion/noise_predictor.py"


@pytest.mark.slow
def test_from_photographs_to_error_maps(tmp_path):
    source = small.dataset(tmp_path / "little", train=6, test=3)
    settings = {
        **{"unet.channels": 8, "unet.groups": 4, "unet.head_channels": 8},
        **{"unet.multipliers": "(1, 2)", "data.path": source.path, "data.crop": 16},
        **{"batch_size": 2, "num_steps": 2},
    }
    overrides = [f"--config.{key}={value}" for key, value in settings.items()]
    said = runs.main("noise_predictor", RECIPE, f"--workdir={tmp_path / 'noise'}", *overrides)
    assert said.stdout == f"noise predictor: {tmp_path / 'noise' / 'noise_predictor.safetensors'}\n"
    arguments = [f"--data={source.path}", f"--noise_predictor={tmp_path / 'noise'}"]
    arguments += [f"--output={tmp_path / 'maps'}", "--ddim_steps=2", "--image_size=32"]
    said = runs.main("reconstruct", *arguments, "--name=maps")
    assert "train: 6 error maps" in said.stdout
    written = PreparedDataset.load(tmp_path / "maps")
    assert (written.info["name"], written.info["image_size"]) == ("maps", 32)
    assert written.info["dire"]["ddim_steps"] == 2
    sha256 = load_noise_predictor(tmp_path / "noise").sha256
    assert written.info["dire"]["noise_predictor_sha256"] == sha256
    again = runs.main("reconstruct", *arguments, status=2)
    assert "exists already" in again.stderr


@pytest.mark.slow
def test_what_is_missing_is_named():
    said = runs.main("reconstruct", "--data=DIR", "--output=DIR2", status=2)
    assert "needs --noise_predictor" in said.stderr
    said = runs.main("noise_predictor", RECIPE, status=2)
    assert "noise_predictor needs --workdir" in said.stderr
