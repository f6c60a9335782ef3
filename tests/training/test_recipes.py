"""Every recipe trains one step, overfits sixteen images, saves, restores and predicts."""

import csv
import importlib
import io
import shutil

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.analysis.report import build_report
from npr_jax.cli.predict import predict_files
from npr_jax.inference import scorer
from npr_jax.inference.detector import Detector
from tests import clips, runs

IMAGES, STEPS = 16, 60
SIDE = 32  # pixels
# Roles stay as the recipe has them (resize or crops, augmentation, loss, optimizer, schedule);
# sizes and rates become those of sixteen images and sixty steps.
SHRUNK = {
    "data.crop": SIDE,
    "data.validation_crop": SIDE,
    "data.validation_split": "test",
    "data.test_split": "test",
    "batch_size": IMAGES,
    "num_epochs": 1,
    "log_every_steps": 1,
    "early_stopping_epochs": 0,
    "optimizer.learning_rate": 3e-3,
    "optimizer.warmup_epochs": 0,
}
THIN = {"model.backbone": "thin_resnet"}
# Blur and JPEG as strong as published would leave sixteen small images nothing to tell them apart.
GENTLE = {"data.augment.blur_sigma": (0.0, 0.5), "data.augment.jpeg_quality": (90, 100)}
# Sixteen images are few enough to be learnt as they are; the mean of sixty steps would lag behind.
STILL = {
    "data.random_delivery.thumbnail_probability": 0.0,
    "data.random_delivery.jpeg_quality": (90, 95),
    "data.random_delivery.scale": (0.9, 1.3),
    "data.random_delivery.blur_sigma": (0.1, 0.5),
    "data.random_delivery.noise_sigma": (1.0, 4.0),
    "data.images_per_epoch": IMAGES * STEPS,
    "ema": 0.5,
}
# Its published momentum would leave the stem's statistics where they began.
SHORT = {"model.stem_momentum": 0.1}
# Nothing normalises what enters its blocks, whose variance is so far below 1 that the running one,
# which starts there, takes longer than 60 steps to come down.
SETTLED = {"num_epochs": 3}
# File of configs/ and what follows the colon: what makes it small.
SMALL: dict[str, dict] = {
    "default": THIN,
    "npr:1/4": THIN,
    "multiscale_attention:0.25,0.5": THIN,
    "multiscale:stack,0.25,0.5": THIN,
    "residuals:learn": THIN,
    "cnndetection": THIN | GENTLE,
    "freqnet": SETTLED | {"model.width": 8},
    "ladeda": SHORT | {"model.backbone": "thin_patch"},
    "safe": THIN,
    "wild": THIN | STILL,
    "spectrum": {"optimizer.learning_rate": 0.03},
    "metadata": {},
    "univfd": clips.TINY_SETTINGS
    | GENTLE
    | {"model.projection": 128, "optimizer.learning_rate": 0.1},
    "dire": THIN,
    "quickstart": THIN,
    "native_crops:reencoded": THIN,
}
# Those of SMALL that take 10 s or more.
LONG = (
    "npr:1/4",
    "multiscale_attention:0.25,0.5",
    "freqnet",
    "ladeda",
    "safe",
    "dire",
    "quickstart",
)
# More of the same recipes' choices.
MORE: dict[str, dict] = {
    "npr:0.25": THIN,
    "npr:0.75": THIN,
    "npr:1/8": THIN,
    "multiscale_attention:0.125,0.25,0.5,0.75": THIN,
    "multiscale:mean,0.25,0.5": THIN,
    "multiscale:concatenation,0.25,0.5": THIN,
    "multiscale:attention,0.25,0.5": THIN,
    "multiscale:fixed,0.25,0.5": THIN,
    "multiscale:spatial,0.25,0.5": THIN,
    "multiscale:cross,0.25,0.5": THIN,
    "residuals:mode=area,factor=1/8,color=ycbcr": THIN,
    "residuals:mode=bilinear": THIN,
    "residuals:mode=bicubic": THIN,
    "residuals:mode=hh": THIN,
    "residuals:mode=none": THIN,
    "residuals:phase=1-0,color=lab": THIN,
    "residuals:color=differences": THIN,
    "cnndetection:0.1": THIN | GENTLE,
    "quickstart:multiscale_attention": THIN,
    "native_crops": THIN,
}
# The networks as they are published, on small images.
FULL: dict[str, dict] = {
    "default": {},
    "multiscale_attention": {},
    "multiscale:cross": {},
    "cnndetection": GENTLE,
    "freqnet": SETTLED,
    "ladeda": SHORT,
    "safe": {},
    "dire": {},
}


def file_of(index: int) -> tuple[bytes, str]:
    """The bytes of an image and the ending of its name: photographs are JPEG, the others PNG."""
    kind = "PNG" if index % 2 else "JPEG"
    file = io.BytesIO()
    pixels = runs.picture(index, bool(index % 2), side=SIDE)
    Image.fromarray(pixels).save(file, kind, quality=98)
    return file.getvalue(), kind.lower()


def records(repeats: int):
    for index in range(IMAGES * repeats):
        number = index % IMAGES
        data, ending = file_of(number)
        name = f"{index:04d}.{ending}"
        yield ImageRecord(data, "encoded", SIDE, SIDE, number % 2, "gan", name)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An epoch of sixty steps, which shows each of the sixteen images sixty times."""
    path = tmp_path_factory.mktemp("data") / "sixteen"
    write_dataset(path, "sixteen", {"train": records(STEPS), "test": records(1)}, {})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The sixteen as files, whose names sort as their numbers do."""
    path = tmp_path_factory.mktemp("files")
    for index in range(IMAGES):
        content, ending = file_of(index)
        (path / f"{index:02d}.{ending}").write_bytes(content)
    return path


def shrunk(recipe: str, data, changes: dict):
    module, _, argument = recipe.partition(":")
    get_config = importlib.import_module(f"configs.{module}").get_config
    config = get_config(argument) if argument else get_config()
    settings = SHRUNK | {"data.path": str(data)}
    for key in ("resize", "host_crop", "evaluate_resize", "evaluate_crop"):
        if config.data[key]:
            settings[f"data.{key}"] = SIDE
    config.update_from_flattened_dict(settings | changes)
    return config


def test_every_recipe_has_a_case(root):
    names = {path.stem for path in (root / "configs").glob("[!_]*.py")}
    assert {recipe.partition(":")[0] for recipe in SMALL} == names


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        *(
            pytest.param(*case, id=case[0], marks=[pytest.mark.slow] * (case[0] in LONG))
            for case in SMALL.items()
        ),
        *(pytest.param(*case, id=case[0], marks=pytest.mark.slow) for case in MORE.items()),
        *(pytest.param(*c, id=f"{c[0]} full", marks=pytest.mark.slow) for c in FULL.items()),
    ],
)
def test_a_recipe(recipe, changes, data, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(scorer.BATCH_PIXELS, "cpu", IMAGES * 64 * 64)
    config, workdir = shrunk(recipe, data, changes), tmp_path / "run"
    runs.train_and_evaluate(config, workdir)

    points = runs.curve(workdir, "train")
    last = STEPS * config.num_epochs
    assert [point["step"] for point in points] == list(range(1, last + 1))
    points = points[:STEPS]
    losses = [point["loss"] for point in points]
    # Labels smoothed by s leave at least the entropy of s / 2.
    share = config.label_smoothing / 2
    floor = -share * np.log(share) - (1 - share) * np.log(1 - share) if share else 0.0
    assert losses[0] - floor > 0.2, "nothing to learn"
    assert np.mean(losses[-5:]) - floor < 0.5 * (losses[0] - floor)
    assert np.mean([point["accuracy"] for point in points[-5:]]) > 0.85, "as augmented"

    assert build_report(workdir).is_file()
    detector = Detector.load(workdir)
    saved = runs.saved_arrays(workdir, detector.step)
    params = runs.flatten(nnx.to_pure_dict(nnx.state(detector.model, nnx.Param)), "params")
    assert params
    for key, value in params.items():
        np.testing.assert_array_equal(value, saved[f"{key}.value"], key)

    for_predict = tmp_path / "scores.csv"
    assert predict_files(detector, [str(folder)], str(for_predict), confidence=0.75) == 0
    with for_predict.open(newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    assert [score > 0.5 for score in scores] == [bool(index % 2) for index in range(IMAGES)]

    # The same command again restores the whole state and finds nothing left to do.
    before = (workdir / "metrics.jsonl").read_bytes()
    shutil.rmtree(workdir / "evaluation")
    runs.train_and_evaluate(config, workdir)
    assert (workdir / "metrics.jsonl").read_bytes() == before
    assert list((workdir / "evaluation").glob("*/results.json"))
