"""Trains a noise predictor on photographs: a second loop, and why there is one.

The loop of training/train.py learns labels: its step, validation and best checkpoint are a
detector's. A noise predictor has no labels, its loss draws noise inside the step, and what is kept
in the end is a running mean of its parameters. The order of the loop, images, checkpoints, curves
and resumption are the same.
"""

import contextlib
import functools
import logging
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import flax
import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.storage.atomic_files import write_json
from input_pipeline.storage.records import PHOTOGRAPH
from npr_jax.config import broken_rules, flatten, refuse
from npr_jax.models import sharding
from npr_jax.models.diffusion import ddim
from npr_jax.models.diffusion.ddim import SCHEDULES, alpha_bars
from npr_jax.models.diffusion.unet import NoisePredictor, UNet, UNetShape
from npr_jax.models.pretrained.noise_predictor_file import FILE_NAME, save_noise_predictor
from npr_jax.models.systems.system import (
    Rule,
    choice,
    integer,
    number,
    several,
    text,
)
from npr_jax.training import inputs
from npr_jax.training.checkpoint import Checkpoints
from npr_jax.training.preemption import Preempted, Preemption
from npr_jax.training.reporting import CurveWriter, progress_bar
from npr_jax.training.resume import check_same_layout, without_tuples
from npr_jax.training.train_state import ema_decay

_LOG = logging.getLogger(__name__)

_ITEM = "state"  # of a checkpoint; nothing else reads a part of it


_MANY = several(integer(1), "a tuple of integers of at least 1, as (1, 2, 2)")
RULES: Mapping[str, Rule] = {
    "seed": integer(0, 2**31 - 1),
    "unet.channels": integer(2),
    "unet.multipliers": _MANY,
    "unet.blocks": integer(1),
    "unet.attention": Rule(
        lambda v: v in ((), []) or _MANY.accepts(v), "() or a tuple of reductions, as (4,)"
    ),
    "unet.head_channels": integer(1),
    "unet.groups": integer(1),
    "schedule": choice(*SCHEDULES),
    "diffusion_steps": integer(20),
    "data.train_split": text(),
    "data.resize": integer(8, 4096, zero="native size"),
    "data.crop": integer(8, 4096),
    "data.workers": integer(0, 256),
    "batch_size": integer(1),
    "num_steps": integer(1),
    "learning_rate": number(0, 10),
    "ema": number(0, 1),
    "log_every_steps": integer(1),
    "checkpoint_every_steps": integer(1),
}
# May change on resumption: they decide when to stop, report and save.
_FREE = ("num_steps", "log_every_steps", "checkpoint_every_steps")
# Of section `data`; where the files lie may change, their content has a fingerprint.
_FIXED_DATA = ("train_split", "resize", "crop")


def _unet_shape(config: ConfigDict) -> UNetShape:
    """The U-Net that section ``unet`` describes; ``UserError`` where its layers do not fit."""
    unet = config.unet.to_dict().items()
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in unet}
    return UNetShape(**settings)


def _image_side(config: ConfigDict) -> int:
    """Side in pixels of the images that the predictor learns from."""
    return config.data.resize or config.data.crop


def check_noise_config(config: ConfigDict) -> None:
    """Raises one ``ValueError`` that lists every wrong setting with its fix."""
    recipe = "configs/diffusion/noise_predictor.py"
    refuse(broken_rules(flatten(config), RULES, recipe=recipe))
    stride, side = _unet_shape(config).stride, _image_side(config)
    if side % stride:
        raise UserError(
            f"data.resize is {config.data.resize} and data.crop {config.data.crop}: images of "
            f"{side} pixels; expected a multiple of {stride}, the U-Net's largest reduction"
        )


def _layout(config: ConfigDict, fingerprint: str) -> dict[str, Any]:
    """What must not change between the start of a run and its resumption, as JSON values."""
    settings: dict[str, Any] = {
        key: config[key] for key in RULES if "." not in key and key not in _FREE
    }
    data = {key: config.data[key] for key in _FIXED_DATA}
    settings |= {"unet": config.unet.to_dict(), "data": data}
    return {"settings": without_tuples(settings), "data fingerprint": fingerprint}


@flax.struct.dataclass
class NoiseState:
    """What a step changes, saved whole."""

    step: jax.Array  # int32 scalar, steps done
    params: nnx.State  # trained parameters, float32
    mean_params: nnx.State  # their running mean, which is what is used in the end
    opt_state: Any  # Adam's moments and count


def train_noise_predictor(
    config: ConfigDict, workdir: str | pathlib.Path, preemption: Preemption | None = None
) -> pathlib.Path:
    """Trains as the config says, resuming what the workdir holds.

    The config is that of configs/diffusion/noise_predictor.py; the workdir is made if missing.
    Returns its file ``noise_predictor.safetensors``. Raises what ``npr_jax.training.train.train``
    does.
    """
    check_noise_config(config)
    preemption = preemption or Preemption()
    mesh = sharding.data_mesh()
    sharding.check_batch_size(config.batch_size, mesh)
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    dataset = inputs.open_dataset(config, workdir)
    layout = _layout(config, dataset.fingerprint)
    graphdef, optimizer, state = _initial_state(config)
    state = jax.device_put(state, sharding.replicated(mesh))
    train_step = make_noise_step(config, graphdef, optimizer)

    with contextlib.ExitStack() as at_end:
        at_end.enter_context(preemption.steps())
        checkpoints = at_end.enter_context(contextlib.closing(Checkpoints(workdir)))
        batches = at_end.enter_context(contextlib.closing(_photographs(config, dataset)))
        if start := checkpoints.latest_step() or 0:
            check_same_layout(checkpoints.progress(start)["layout"], layout, workdir)
            state = checkpoints.restore(start, {_ITEM: state}, batches)[_ITEM]
            _LOG.info("resuming %s at step %d of %d", workdir, start, config.num_steps)
        write_json(workdir / "config.json", config.to_dict(), sort_keys=True)
        curves = CurveWriter(workdir, resume_step=start)
        at_end.callback(curves.close)
        bar = at_end.enter_context(
            progress_bar(
                total_images=config.num_steps * config.batch_size,
                done_images=start * config.batch_size,
                description="training the noise predictor",
            )
        )
        window: list[jax.Array] = []
        began = time.perf_counter()
        for step in range(start, config.num_steps + 1):
            last = step == config.num_steps
            leave = preemption.reached(step)
            save = last or leave or step % config.checkpoint_every_steps == 0
            if step > start and (save or step % config.log_every_steps == 0):
                values = {"loss": _mean(window, step)}
                seconds, began = time.perf_counter() - began, time.perf_counter()
                values["images_per_second"] = len(window) * config.batch_size / seconds
                window.clear()
                curves.write(step=step, epoch=0, split="train", values=values)
                _LOG.info("step %d of %d: loss %.4f", step, config.num_steps, values["loss"])
            if step > start and save:
                checkpoints.save(step, {_ITEM: state}, batches, {"layout": layout})
            if last:
                break
            if leave:
                raise Preempted.at(workdir, step, config.num_steps)
            state, loss = train_step(state, sharding.to_devices(next(batches), mesh))
            window.append(loss)
            bar.update(config.batch_size)
    unet = nnx.merge(graphdef, jax.device_get(state.mean_params))
    predictor = NoisePredictor(
        unet,
        schedule=config.schedule,
        steps=config.diffusion_steps,
        image_size=_image_side(config),
    )
    save_noise_predictor(predictor, workdir / FILE_NAME)
    return workdir / FILE_NAME


def make_noise_step(
    config: ConfigDict, graphdef: nnx.GraphDef, optimizer: optax.GradientTransformation
):
    """The jitted step ``(state, batch) -> (state, loss)``; the old state is donated.

    The loss is the mean squared error of the noise at time steps drawn uniformly (Ho et al.,
    NeurIPS 2020, equation 14). ``batch``: uint8 ``image [b, h, w, 3]`` and float32 ``mask [b]``, 0
    on padding.
    """
    kept = alpha_bars(config.schedule, config.diffusion_steps)
    signal, deviation = jnp.float32(np.sqrt(kept)), jnp.float32(np.sqrt(1 - kept))

    @functools.partial(jax.jit, donate_argnums=0)
    def train_step(state: NoiseState, batch: dict[str, jax.Array]) -> tuple[NoiseState, jax.Array]:
        """One step on images with noise of time steps drawn anew."""
        images, mask = ddim.to_signed(batch["image"]), batch["mask"]
        rows = images.shape[0]
        keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), state.step), 3)
        flip = jax.random.bernoulli(keys[0], shape=(rows, 1, 1, 1))
        images = jnp.where(flip, images[:, :, ::-1], images)
        timesteps = jax.random.randint(keys[1], (rows,), 0, config.diffusion_steps)
        noise = jax.random.normal(keys[2], images.shape)
        at = timesteps[:, None, None, None]
        noisy = signal[at] * images + deviation[at] * noise

        def loss_fn(params):
            said = nnx.merge(graphdef, params)(noisy, timesteps)[..., :3]
            return (jnp.square(said - noise).mean((1, 2, 3)) * mask).sum() / mask.sum()

        loss, gradients = jax.value_and_grad(loss_fn)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = ema_decay(config.ema, state.step)
        mean = optax.incremental_update(params, state.mean_params, 1 - decay)
        return NoiseState(state.step + 1, params, mean, opt_state), loss

    return train_step


def _initial_state(config: ConfigDict):
    unet = UNet(_unet_shape(config), rngs=nnx.Rngs(params=config.seed))
    graphdef, params = nnx.split(unet)
    optimizer = optax.adam(config.learning_rate)
    # A copy: two names of one array cannot both be donated.
    mean = jax.tree.map(jnp.array, params)
    state = NoiseState(jnp.zeros((), jnp.int32), params, mean, optimizer.init(params))
    return graphdef, optimizer, state


def _photographs(config: ConfigDict, dataset: MixedDataset) -> grain.DatasetIterator:
    """Endless batches of the photographs of the training split, resized or cut."""
    split = dataset.split(config.data.train_split)
    photographs = np.flatnonzero(split.table().labels == PHOTOGRAPH)
    if not len(photographs):
        raise UserError(
            f"split {config.data.train_split!r} holds no photographs; a noise predictor learns "
            "from photographs only"
        )
    return train_iterator(
        split.source.subset(photographs),
        batch_size=config.batch_size,
        seed=config.seed,
        resize=config.data.resize,
        host_crop=0 if config.data.resize else config.data.crop,
        workers=config.data.workers,
    )


def _mean(losses: list[jax.Array], step: int) -> float:
    loss = float(np.mean(jax.device_get(losses)))
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} at step {step}; lower --config.learning_rate and start again from "
            "the last checkpoint"
        )
    return loss
