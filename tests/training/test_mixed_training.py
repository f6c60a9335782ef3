"""Runs on several data sets: what is trained on, evaluated, and refused."""

import collections
import csv
import itertools
import json
import logging
import shutil

import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags

from configs import default
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.cli import main
from npr_jax.training import inputs
from npr_jax.training.resume import check_same_layout, layout_of
from npr_jax.training.train import train
from tests import runs

OTHER = {"train": 40, "test": 8}


def other_records(split, count):
    """File names as in the tiny data set, other pixels; a quarter is generated."""
    for index in range(count):
        label = int(index % 4 == 0)
        pixels = runs.picture(7000 + 100 * (split == "test") + index, bool(label))
        name = f"{split}/{index:03d}.png"
        generator = "delta" if label else "photos"
        yield ImageRecord(pixels.tobytes(), "decoded", runs.SIDE, runs.SIDE, label, generator, name)


@pytest.fixture(scope="module")
def paths(tiny_data, tmp_path_factory):
    """The tiny data set of 21 training images, and another of 40 without a validation split."""
    path = tmp_path_factory.mktemp("data") / "other"
    write_dataset(
        path, "other", {s: other_records(s, n) for s, n in OTHER.items()}, {"made_by": "tests"}
    )
    return f"{tiny_data},{path}"


def whole_images(paths, **changes):
    """A config whose training images are those of the records."""
    settings = {"data__resize": runs.SIDE, "data__host_crop": 0, **changes}
    return runs.tiny_config(paths, **settings)


def epoch_of(config, workdir):
    """The first epoch: how often each image is in it, by data set, generator and name."""
    known = {}
    for name, records in (
        ("tiny", runs.records("train", runs.SPLITS["train"])),
        ("other", other_records("train", OTHER["train"])),
    ):
        known |= {r.image: (name, r.generator, r.label, r.filename) for r in records}
    train = inputs.TrainInput(config, inputs.open_dataset(config, workdir))
    batches = train.train_batches()
    counts = collections.Counter()
    for batch in itertools.islice(batches, train.steps_per_epoch):
        rows = zip(batch["image"], batch["label"], batch["mask"], strict=True)
        for image, label, mask in rows:
            if mask:
                key = known[image.tobytes()]
                assert key[2] == label
                counts[key] += 1
    batches.close()
    assert sum(counts.values()) == train.num_train_images
    return counts


def total(counts, name, label=None):
    return sum(n for key, n in counts.items() if key[0] == name and label in (None, key[2]))


def test_every_image_of_every_data_set_comes_once_by_default(paths, tmp_path):
    counts = epoch_of(whole_images(paths), tmp_path)
    assert set(counts.values()) == {1}
    assert (total(counts, "tiny"), total(counts, "other")) == (21, 40)


def test_weights_and_balance_reach_the_batches(paths, tmp_path):
    counts = epoch_of(whole_images(paths, data__weights=(3.0, 1.0)), tmp_path)
    assert total(counts, "tiny") == 46  # 61 * 3 / 4 = 45.75
    assert total(counts, "other") == 15
    counts = epoch_of(whole_images(paths, data__balance="label"), tmp_path)
    photographs, generated = (total(counts, "tiny", k) + total(counts, "other", k) for k in (0, 1))
    assert {photographs, generated} == {30, 31}


def test_a_fraction_is_taken_of_what_is_not_held_out(paths, tmp_path):
    held_out = {"data__validation_split": "", "data__validation_fraction": 0.3}
    whole = epoch_of(whole_images(paths, **held_out), tmp_path)
    part = epoch_of(whole_images(paths, **held_out, data__fraction=0.5), tmp_path)
    capped = epoch_of(whole_images(paths, **held_out, data__max_per_class=2), tmp_path)
    assert set(part) < set(whole)
    assert set(capped) < set(whole)
    kinds = collections.Counter(key[:3] for key in whole)
    assert len(whole) < 61
    for kind, count in kinds.items():
        found = sum(key[:3] == kind for key in part)
        assert abs(found - count / 2) <= 0.5
        assert sum(key[:3] == kind for key in capped) == min(2, count)
    # Which images are held out does not depend on what they are mixed with.
    alone = epoch_of(whole_images(paths.split(",")[0], **held_out), tmp_path)
    assert alone == {key: n for key, n in whole.items() if key[0] == "tiny"}


def test_splits_that_are_missing(paths, tmp_path):
    config = whole_images(paths, data__validation_split="validation")
    train = inputs.TrainInput(config, inputs.open_dataset(config, tmp_path))
    assert len(list(train.validation_images())) == runs.SPLITS["validation"]
    for setting, message in (
        ({"data__train_split": "dev"}, "'dev'; the data set other has test, train"),
        ({"data__validation_split": "none"}, r"tiny has dev, .*; the data set other has test"),
    ):
        config = whole_images(paths, **setting)
        with pytest.raises(ValueError, match=message):
            inputs.TrainInput(config, inputs.open_dataset(config, tmp_path))


def test_the_log_says_how_often_images_are_drawn(paths, tmp_path, caplog):
    caplog.set_level(logging.INFO, "npr_jax")
    config = whole_images(paths, data__weights=(3.0, 1.0))
    inputs.TrainInput(config, inputs.open_dataset(config, tmp_path))
    # 46 of 21 images and 15 of 40.
    assert "from 2 groups of images: each image 0.375 to 2.19 times" in caplog.text


# As many steps as the other tests' runs have, to share their compiled program.
RUN = {
    "data__weights": (3.0, 1.0),
    "data__balance": "generator",
    "data__fraction": 0.35,
    "num_epochs": 1,
}


@pytest.fixture(scope="module")
def run(paths, tmp_path_factory):
    """A run of one epoch on both data sets; tests must not write into its workdir."""
    workdir = tmp_path_factory.mktemp("run") / "mixed"
    runs.train_and_evaluate(runs.tiny_config(paths, **RUN), workdir)
    return workdir


def scored_names(directory):
    with open(directory / "scores.csv", newline="") as file:
        return [row["filename"] for row in csv.DictReader(file)]


def test_a_run_on_two_data_sets(run):
    # 21 of the 61 images, in batches of 8.
    assert [point["step"] for point in runs.curve(run, "validation")] == [3]
    [directory] = (run / "evaluation").iterdir()
    assert directory.name == "tiny+other-test-native-clean"
    names = scored_names(directory)
    assert len(set(names)) == len(names) == runs.SPLITS["test"] + OTHER["test"]
    assert names[0] == "tiny/test/000.png"
    assert names[-1] == "other/test/007.png"
    results = json.loads((directory / "results.json").read_text())
    generators = {row["generator"]: row for row in results["generators"]}
    assert set(generators) == {"alpha", "beta", "gamma", "delta"}
    assert all(row["trained"] for row in generators.values())
    assert results["meta"]["train_data"] == "tiny+other"


def test_a_run_on_two_data_sets_is_evaluated_on_one(run, paths, tmp_path, capsys):
    """Its weights are of the data sets it learned from."""
    places = [f"--workdir={run}", f"--data={paths.split(',')[1]}", f"--output={tmp_path}"]
    assert main.run(["evaluate", *places, "--samples=2"]) == 0
    assert "delta" in capsys.readouterr().out
    [directory] = (tmp_path / "evaluation").iterdir()
    assert scored_names(directory) == [f"test/{i:03d}.png" for i in range(OTHER["test"])]


def test_a_resumed_run_must_draw_as_before(run, paths, tmp_path):
    workdir = tmp_path / "again"
    shutil.copytree(run, workdir)
    for change, message in (
        ({"data__weights": (1.0, 3.0)}, r"settings\.data\.weights: was \[3\.0, 1\.0\], now \[1"),
        ({"data__fraction": 0.5}, r"settings\.data\.fraction: was 0\.35, now 0\.5"),
        ({"data__balance": "label"}, r"settings\.data\.balance: was 'generator', now 'label'"),
        ({"data__max_per_class": 3}, r"settings\.data\.max_per_class: was 0, now 3"),
    ):
        with pytest.raises(ValueError, match=message):
            train(runs.tiny_config(paths, **{**RUN, **change}), workdir)
    orders = [paths, ",".join(paths.split(",")[::-1])]
    layouts = []
    for order in orders:
        config = runs.tiny_config(order, **RUN)
        layouts.append(layout_of(config, inputs.open_dataset(config, tmp_path), 3))
    with pytest.raises(ValueError, match="data fingerprint: was"):
        check_same_layout(*layouts, tmp_path)


@pytest.mark.parametrize("text", ["(3,1)", "3,1", "(3.0, 1)"])
def test_weights_on_the_command_line(text, monkeypatch):
    arguments = ["main.py", f"--config.data.weights={text}"]
    monkeypatch.setattr("sys.argv", arguments)  # where config_flags looks for overrides
    values = flags.FlagValues()
    holder = config_flags.DEFINE_config_dict("config", default.get_config(), flag_values=values)
    values(arguments)
    assert holder.value.data.weights == (3, 1)


def test_the_order_of_one_data_set_is_that_of_earlier_versions(tiny_data, tmp_path):
    """Raw Philox bits, keyed by the seed and the epoch, sorted."""
    config = whole_images(tiny_data)
    train = inputs.TrainInput(config, inputs.open_dataset(config, tmp_path))
    batches = train.train_batches()
    order = [image for batch in itertools.islice(batches, 3) for image in batch["image"]][:21]
    batches.close()
    key = int(np.random.SeedSequence([config.seed, 1]).generate_state(1)[0])
    expected = np.argsort(np.random.Philox(key=[key, 0]).random_raw(21), kind="stable")
    images = [record.image for record in runs.records("train", 21)]
    assert [image.tobytes() for image in order] == [images[i] for i in expected]
