"""DIRE: a ResNet-50 on the error of a diffusion model's reconstruction.

Wang et al., "DIRE for Diffusion-Generated Image Detection", ICCV 2023. The error maps are made by
npr_jax/diffusion; `reconstruct` keeps those of a data set, on which the network is trained as on
any images. Files are turned into error maps before they are scored.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.models.pretrained.noise_predictor_file import hash_of, load_noise_predictor
from npr_jax.models.resnet import BACKBONES
from npr_jax.models.systems.cnndetection import build, imagenet_problems, start_from_imagenet
from npr_jax.models.systems.system import FileView, System, choice, integer, text

_FACTS = "dire"  # key of what decides an error map, in dataset.json and training_data.json


def _problems(config: ConfigDict) -> list[str]:
    data, problems = config.data, imagenet_problems(config)
    if not config.model.noise_predictor:
        return problems
    for key, wanted in (("evaluate_resize", 0), ("evaluate_crop", 0), ("delivery", "clean")):
        if data[key] != wanted:
            problems.append(
                f"data.{key} is {data[key]!r}, but dire's test images are error maps, which it "
                f"would change; expected {wanted!r}. What should happen to images themselves "
                "belongs before `python main.py reconstruct`"
            )
    if data.reencode:
        problems.append(
            f"data.reencode is {tuple(data.reencode)}, but dire's images are error maps; expected "
            "()"
        )
    return problems


def _data_facts(config: ConfigDict, dataset: MixedDataset) -> dict[str, Any]:
    """What the data sets' error maps were made with; where a predictor is named, it must be it."""
    model = config.model
    if not model.noise_predictor:
        return {}
    for stored in dataset.datasets:
        found = stored.info.get(_FACTS)
        if found is None:
            raise UserError(
                f"{stored.path} holds images; dire learns from their reconstruction errors: write "
                f"them with `python main.py reconstruct --data={stored.path} --output=DIR "
                f"--noise_predictor={model.noise_predictor}` and give that directory as "
                "--config.data.path (evaluate: --data)"
            )
        _check_same(config.model, found, f"the error maps of {stored.path}")
    return {_FACTS: dataset.datasets[0].info[_FACTS]}


def _file_view(model: ConfigDict, facts: Mapping[str, Any]) -> FileView | None:
    """Makes error maps of files; None where no predictor is named: files hold maps already."""
    if not model.noise_predictor:
        return None
    # Imported here: who trains on stored maps needs no diffusion model.
    from npr_jax.models.diffusion.reconstruct import ErrorMaps

    if _FACTS in facts:
        _check_same(model, facts[_FACTS], "the error maps that the run was trained on")
    predictor = load_noise_predictor(model.noise_predictor)
    return ErrorMaps(predictor, steps=model.ddim_steps, image_size=model.image_size)


def _check_same(model: ConfigDict, found: Mapping[str, Any], what: str) -> None:
    wanted = {
        "noise_predictor_sha256": hash_of(model.noise_predictor),
        "ddim_steps": model.ddim_steps,
        "image_side": model.image_size,
    }
    other = [
        f"{key} {found.get(key)}, not {value}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]
    if other:
        raise UserError(
            f"{what} were made with {'; '.join(other)}. Set model.noise_predictor (now "
            f"{model.noise_predictor}), model.ddim_steps and model.image_size to what made them"
        )


SYSTEM = System(
    build=build,
    rules={
        "backbone": choice(*BACKBONES),
        "imagenet_weights": text(empty="Kaiming's random weights"),
        "noise_predictor": text(empty="files to score are error maps already"),
        "ddim_steps": integer(1, 1000),
        "image_size": integer(32, 4096),
    },
    paper="Wang et al., DIRE for Diffusion-Generated Image Detection, ICCV 2023",
    problems=_problems,
    start=start_from_imagenet,
    data_facts=_data_facts,
    file_view=_file_view,
)
