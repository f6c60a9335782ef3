"""What must not change between the start of a run and its resumption."""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.config import flatten
from npr_jax.detectors.run_config import SINCE_VERSION_1
from npr_jax.models.systems.registry import SYSTEMS, current_settings

# May change on resumption: they decide when to stop, report and save, not what is computed.
_FREE = ("early_stopping_epochs", "best_checkpoint", "log_every_steps", "checkpoint_every_steps")


def layout_of(config: ConfigDict, dataset: MixedDataset, steps_per_epoch: int) -> dict[str, Any]:
    """The settings and data that the saved input position depends on."""
    # The cosine ends with the last epoch: another number of epochs is another rate at every step.
    free = _FREE if config.optimizer.schedule == "cosine" else ("num_epochs", *_FREE)
    settings = {k: v for k, v in config.to_dict().items() if k not in free}
    settings["data"], settings["model"] = dict(settings["data"]), dict(settings["model"])
    # Also where a file of frozen numbers lies; its content is remembered by frozen_weights.
    settings["model"].pop(SYSTEMS[config.model.name].frozen_file, None)
    # Where files lie (their content and order have a fingerprint), who reads them (the batches are
    # the same) and how test images are treated may differ on another machine.
    readers = ("workers", "prefetch", "cache")
    tests = ("test_split", "evaluate_resize", "evaluate_crop", "evaluate_even", "delivery")
    for key in ("path", "photos", "simulation", *readers, *tests):
        settings["data"].pop(key)
    return {
        "settings": without_tuples(settings),
        "data fingerprint": dataset.fingerprint,
        "steps per epoch": steps_per_epoch,
    }


def check_same_layout(saved: dict[str, Any], current: dict[str, Any], workdir: pathlib.Path):
    """Raises ``UserError`` naming every difference.

    Restoring an input position into another batch size or seed would otherwise silently train
    on other batches than the uninterrupted run.
    """
    saved = dict(saved)
    saved.pop("processes", None)  # once, a run went on with as many as it had begun with only
    if model := saved.get("settings", {}).get("model"):
        settings = saved["settings"] | {"model": without_tuples(current_settings(model))}
        saved |= {"settings": settings}
    saved, current = flatten(saved), flatten(current)
    since = {f"settings.{key}": value for key, value in SINCE_VERSION_1.items()}
    saved = {key: value for key, value in since.items() if key in current} | saved
    changed = [
        f"{key}: was {saved.get(key)!r}, now {current.get(key)!r}"
        for key in sorted(saved.keys() | current.keys())
        if saved.get(key) != current.get(key)
    ]
    if changed:
        raise UserError(
            f"{workdir} holds a run with other settings; use another --workdir, or restore:\n  "
            + "\n  ".join(changed)
        )


def without_tuples(value: Any) -> Any:
    """As JSON gives it back: lists for tuples."""
    if isinstance(value, dict):
        return {key: without_tuples(item) for key, item in value.items()}
    return [without_tuples(item) for item in value] if isinstance(value, tuple | list) else value
