"""What is refused before any work, and whether the message helps."""

import functools
import importlib
import json
import operator
import pathlib
import re

import ml_collections
import pytest

from configs import cnndetection, default, multiscale_attention, native_crops, npr, quickstart
from input_pipeline.storage.atomic_files import write_json
from npr_jax.config import (
    check_config,
    explain_override,
    rules_of,
)
from npr_jax.detectors.run_config import load_config
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training.resume import check_same_layout
from tests import runs


def problems(config) -> list[str]:
    with pytest.raises(ValueError) as caught:
        check_config(config)
    return str(caught.value).splitlines()[1:]


def changed(**changes) -> ml_collections.ConfigDict:
    """The default recipe with settings changed or added, whatever their types."""
    settings = default.get_config().to_dict()
    for key, value in changes.items():
        *sections, name = key.split("__")
        section = settings
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    return ml_collections.ConfigDict(settings)


def test_every_recipe_is_accepted(root):
    for path in sorted((root / "configs").glob("[!_]*.py")):
        check_config(importlib.import_module(f"configs.{path.stem}").get_config())
    check_config(npr.get_config("1/3"))
    check_config(multiscale_attention.get_config("0.25,0.5"))
    check_config(quickstart.get_config("multiscale_attention"))
    check_config(native_crops.get_config("reencoded"))


@pytest.mark.parametrize("variant", ["as_they_lie", "reencoded"])
def test_few_validation_images_decide_nothing(variant):
    """Where they did, two machines ended the same recipe 32 epochs apart."""
    config = native_crops.get_config(variant)
    assert config.early_stopping_epochs == 0
    assert config.best_checkpoint == "last"
    assert config.optimizer.schedule == "cosine", "ends where the weights have settled"


def test_the_default_recipe_is_the_papers():
    config = default.get_config()
    assert (config.batch_size, config.num_epochs) == (32, 50)
    assert config.model.to_dict() == {
        "name": "npr",
        "factors": (0.5,),
        "modes": ("nearest",),
        "phases": ((0, 0),),
        "colors": ("rgb",),
        "learn_factors": (False,),
        "backbone": "cut_resnet50",
        "dtype": "float32",
    }
    optimizer = config.optimizer
    assert (optimizer.learning_rate, optimizer.b1, optimizer.b2) == (2e-4, 0.9, 0.999)
    assert (config.data.resize, config.data.crop, config.data.flip) == (256, 224, True)


ADAM = {"optimizer.name": "adam", "optimizer.weight_decay": 0.0}
LIKE_NPR = ADAM | {
    "batch_size": 32,
    "num_epochs": 50,
    "optimizer.learning_rate": 2e-4,
    "optimizer.schedule": "step",
    "optimizer.decay_rate": 0.9,
    "optimizer.decay_every_epochs": 10,
    "data.resize": 256,
    "data.crop": 224,
    "data.flip": True,
    "data.validation_crop": 224,
    "data.evaluate_resize": 256,
}
# As the papers say, see each recipe.
PUBLISHED = {
    "npr": LIKE_NPR,
    "multiscale_attention": LIKE_NPR | {"model.factors": (0.25, 0.5, 0.75)},
    "freqnet": LIKE_NPR,
    "ladeda": LIKE_NPR | {"model.factors": (0.5,), "model.stem_momentum": 0.001},
    "cnndetection": ADAM
    | {
        "batch_size": 64,
        "optimizer.learning_rate": 1e-4,
        "optimizer.schedule": "plateau",
        "optimizer.decay_rate": 0.1,
        "optimizer.plateau_epochs": 5,
        "optimizer.plateau_improvement": 0.001,
        "optimizer.min_learning_rate": 1e-6,
        "data.resize": 256,
        "data.resize_mode": "short_side",
        "data.crop": 224,
        "data.flip": True,
        "data.augment.blur_probability": 0.5,
        "data.augment.blur_sigma": (0.0, 3.0),
        "data.augment.jpeg_probability": 0.5,
        "data.augment.jpeg_quality": (30, 100),
        "model.backbone": "torchvision_resnet50",
    },
    "safe": {
        "batch_size": 32,
        "num_epochs": 20,
        "label_smoothing": 0.1,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 1e-2 * 32 / 256,
        "optimizer.weight_decay": 0.01,
        "optimizer.schedule": "cosine",
        "optimizer.warmup_epochs": 1,
        "data.resize": 0,
        "data.host_crop": 256,
        "data.crop": 256,
        "data.flip": True,
        "data.evaluate_resize": 0,
        "data.evaluate_crop": 256,
        "data.augment.rotation": 180.0,
        "data.augment.color_jitter": 0.5,
        "data.augment.mask_probability": 0.5,
        "data.augment.mask_patch": 16,
        "data.augment.mask_ratio": (0.0, 0.75),
    },
    "univfd": ADAM
    | {
        "data.augment.blur_probability": 0.5,
        "data.augment.jpeg_probability": 0.5,
        "data.evaluate_crop": 224,
        "model.image_side": 224,
        "model.patch": 14,
        "model.projection": 768,
    },
    "dire": {"data.crop": 224, "model.backbone": "torchvision_resnet50"},
}


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_recipes_are_the_papers(recipe):
    config = importlib.import_module(f"configs.{recipe}").get_config()
    for key, expected in PUBLISHED[recipe].items():
        assert functools.reduce(operator.getitem, key.split("."), config) == expected, key


def test_arguments_after_the_colon():
    assert npr.get_config("0.25").model.factors == (0.25,)
    assert npr.get_config("1/3").model.factors == (1 / 3,)
    assert multiscale_attention.get_config("0.25,0.5").model.factors == (0.25, 0.5)
    for text in ("half", "1/0", ""):
        with pytest.raises(ValueError, match=r"write 0\.25 or 1/3"):
            npr.get_config(text)
    with pytest.raises(ValueError, match=r"'often' is no number; write 0\.5 or 0\.1"):
        cnndetection.get_config("often")
    with pytest.raises(ValueError, match="expected npr or multiscale_attention"):
        quickstart.get_config("vit")


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("batch_size", 0, "an integer of at least 2"),
        ("batch_size", 8.0, "an integer of at least 2"),
        ("batch_size", "8", "an integer of at least 2"),
        ("batch_size", True, "an integer of at least 2"),
        ("seed", -1, "an integer from 0 to 2147483647"),
        ("num_epochs", None, "an integer of at least 1"),
        ("model__name", "vit", f"one of {', '.join(SYSTEMS)}"),
        ("model__factors", (0.5, 1.0), "numbers above 0 and below 1"),
        ("model__factors", (), "numbers above 0 and below 1"),
        ("model__factors", 0.5, "numbers above 0 and below 1"),
        ("model__modes", ("lanczos",), "one or more of nearest, bilinear, bicubic"),
        ("model__dtype", "float16", "one of float32, bfloat16"),
        ("data__crop", 16, "an integer from 32 to 4096"),
        ("data__flip", 1, "True or False"),
        ("data__reencode", (95, 60), "two JPEG qualities from 1 to 100, lowest first"),
        ("data__reencode", (0, 60), "two JPEG qualities from 1 to 100, lowest first"),
        ("data__resize_mode", "long_side", "one of squash, short_side"),
        ("data__small_images", "black", "one of reflect, tile"),
        ("data__augment__blur_probability", 1.5, "a number from 0 to 1"),
        ("data__augment__jpeg_probability", True, "a number from 0 to 1"),
        ("data__augment__webp_probability", float("nan"), "a number from 0 to 1"),
        ("data__augment__blur_sigma", (3.0, 0.0), "two numbers from 0 to 100, lowest first"),
        ("data__augment__blur_sigma", 3.0, "two numbers from 0 to 100, lowest first"),
        ("data__augment__jpeg_quality", (), "two qualities from 1 to 100, lowest first"),
        ("data__augment__webp_quality", (0, 50), "two qualities from 1 to 100, lowest first"),
        ("data__augment__jpeg_codecs", ("pil", "gimp"), "one or more of pil, opencv"),
        ("data__augment__jpeg_codecs", (), "one or more of pil, opencv"),
        ("data__augment__jpeg_codecs", ("pil", "pil"), "each once"),
        ("data__delivery", "telegram", "one of clean, web, hard"),
        ("data__train_split", "", "a text that is not empty"),
        ("data__validation_fraction", 1, "a number above 0 and below 1"),
        ("data__path", "prepared/a,,prepared/b", "several separated by commas"),
        ("data__fraction", 0, "a number above 0 and at most 1"),
        ("data__fraction", "0.2", "a number above 0 and at most 1"),
        ("data__max_per_class", -1, "an integer of at least 1, or 0 (no limit)"),
        ("data__weights", (1, 0), "a positive number for each directory"),
        ("data__weights", (1, "2"), "a positive number for each directory"),
        ("data__weights", 1.0, "a positive number for each directory"),
        ("data__weights", (1, float("inf")), "a positive number for each directory"),
        ("data__balance", "size", "one of '' (none), label, generator, class"),
        ("data__workers", -1, "an integer from 0 to 256"),
        ("optimizer__learning_rate", 0, "a number above 0 and below 10"),
        ("optimizer__learning_rate", float("nan"), "a number above 0 and below 10"),
        ("optimizer__decay_rate", 1.5, "a number above 0 and at most 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed_and_the_fix(key, value, allowed):
    [problem] = problems(changed(**{key: value}))
    name = key.replace("__", ".")
    assert f"{name} is {value!r}; expected " in problem
    assert allowed in problem
    assert f"--config.{name}=" in problem


def test_all_problems_are_listed_at_once():
    config = changed(batch_size=-3, model__modes=("cubic",), data__colour=1, optimiser__lr=1)
    del config.data["crop"]
    found = problems(config)
    assert len(found) == 5
    for text in (
        "batch_size is -3",
        "model.modes is ('cubic',)",
        "data.colour: no such setting",
        "optimiser.lr: no such setting",
        "data.crop: missing",
    ):
        assert sum(text in problem for problem in found) == 1, text


def test_a_misspelt_setting_is_answered_with_the_right_one():
    [problem] = problems(changed(optimizer__learning_rat=0.1))
    assert "did you mean optimizer.learning_rate?" in problem
    [problem] = problems(changed(optimizer__momentum=0.9))
    assert "optimizer.b1" in problem, "the section's settings are listed"


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"model__factors": (0.25, 0.5)}, ("model.factors", "multiscale_attention.py")),
        ({"data__host_crop": 64}, ("data.resize is 256", "data.host_crop is 64")),
        ({"data__resize": 0}, ("both 0", "--config.data.host_crop=")),
        ({"data__crop": 300}, ("data.crop is 300", "at most 256")),
        (
            {"data__weights": (3, 1), "data__path": "a"},
            ("data.weights is (3, 1)", "the 1 data sets of data.path 'a'"),
        ),
        ({"data__weights": (1,)}, ("data.weights is (1,)", "no data sets of data.path ''")),
        ({"data__validation_crop": 300}, ("data.validation_crop is 300", "at most 256")),
        ({"data__resize_mode": "short_side"}, ("short_side", "--config.data.host_crop=")),
        (
            {"data__resize_mode": "short_side", "data__host_crop": 300},
            ("data.host_crop is 300", "at most 256"),
        ),
        (
            {"data__resize_mode": "short_side", "data__host_crop": 200},
            ("data.crop is 224", "200 pixels of data.host_crop"),
        ),
    ],
)
def test_contradictions(changes, texts):
    [problem] = problems(changed(**changes))
    for text in texts:
        assert text in problem


def test_short_sides_and_a_crop_go_together():
    check_config(changed(data__resize_mode="short_side", data__host_crop=224))
    for probability in (0, 1, 0.1):
        check_config(changed(data__augment__blur_probability=probability))


def test_every_setting_has_a_rule_and_an_explanation(root):
    """A comment on its line, or right above it: in default.py, or in the system's own recipe."""
    settings = set(runs.flatten(default.get_config().to_dict() | {"_": 0})) - {"_"}
    top = {re.sub(r"(\.\d+)+$", "", key) for key in settings} | {"data.reencode", "data.weights"}
    assert top == set(rules_of("npr"))
    common = (root / "configs" / "default.py").read_text().splitlines()
    for system in SYSTEMS:
        own = root / "configs" / f"{system}.py"
        lines = common + (own.read_text().splitlines() if own.exists() else [])
        for key in rules_of(system):
            name = key.split(".")[-1]
            pattern = re.compile(rf"^\s+(\w+\.)*{name} = |^\s+\"{name}\": ")
            places = [i for i, line in enumerate(lines) if pattern.match(line)]
            assert places, (system, key)
            plain = ("data.train_split", "data.test_split", "num_epochs", "optimizer.learning_rate")
            near = [line for i in places for line in lines[max(0, i - 3) : i + 1]]
            assert any("#" in line for line in near) or key in plain, (system, key)


def test_config_of_a_run_survives_the_disk(tmp_path):
    config = native_crops.get_config("reencoded")
    config.data.augment.jpeg_codecs = ("opencv",)
    config.data.path, config.data.weights = "prepared/a, prepared/b", (3, 0.5)
    write_json(tmp_path / "config.json", config.to_dict())
    assert load_config(tmp_path).to_dict() == config.to_dict()


def test_data_sets_are_separated_by_commas():
    check_config(changed(data__path="prepared/a, prepared/b", data__weights=(3, 1)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no run"),
        ("{", "no valid JSON"),
        (json.dumps({"seed": 0}), "missing"),
    ],
)
def test_an_unusable_run_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_config(pathlib.Path(tmp_path))


@pytest.mark.parametrize(
    ("override", "texts"),
    [
        ("--config.data.reszie=64", ("--config.data.reszie", "did you mean data.resize?")),
        ("--config.batch_size=many", ("--config.batch_size=many", "an integer of at least 2")),
    ],
)
def test_wrong_overrides_end_with_status_2_in_one_line(override, texts):
    finished = runs.main("--config=configs/npr.py", "--workdir=unused", override, status=2)
    assert finished.stdout == ""
    [line] = finished.stderr.splitlines()
    for text in texts:
        assert text in line


def test_explanations_leave_other_arguments_alone():
    assert explain_override("--workdir=x", "any") == ""
    assert explain_override("--config.batch_size=8", "about another flag") == ""


def test_a_run_of_version_1_with_multiscale_attention_is_read_as_multiscale(tmp_path):
    today = multiscale_attention.get_config("0.25,0.5")
    settings = today.to_dict()
    for added in (
        "fusion",
        "share_branches",
        "batch_branches",
        "attention_heads",
        "scale_weights",
    ):
        del settings["model"][added]
    settings["model"]["name"] = "multiscale_attention"
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert load_config(tmp_path).to_dict() == today.to_dict()
    as_saved, now = (
        {"settings": json.loads(json.dumps(part))} for part in (settings, today.to_dict())
    )
    check_same_layout(as_saved, now, tmp_path)
    now["settings"]["model"]["factors"] = [0.25, 0.75]
    with pytest.raises(ValueError, match=r"settings\.model\.factors"):
        check_same_layout(as_saved, now, tmp_path)
