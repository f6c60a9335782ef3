"""One run on the host: its images, checkpoints, curves, and what validation has shown so far."""

import contextlib
import dataclasses
import logging
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from clu import parameter_overview
from flax import nnx
from jax.sharding import Mesh
from ml_collections import ConfigDict
from sklearn import metrics

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_file, write_json
from npr_jax.config import check_config
from npr_jax.detectors import frozen_weights
from npr_jax.detectors.checkpoint import WHOLE_STATE
from npr_jax.inference.scorer import Scorer
from npr_jax.models import sharding
from npr_jax.models.base import learned_factors
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training import embeddings
from npr_jax.training.checkpoint import Checkpoints
from npr_jax.training.embeddings import Embedded, labelled
from npr_jax.training.inputs import TrainInput
from npr_jax.training.processes import gather_rows
from npr_jax.training.reporting import CurveWriter
from npr_jax.training.resume import check_same_layout, layout_of
from npr_jax.training.step import TrainMetrics, summarize
from npr_jax.training.train_state import Plateau, TrainState

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class Progress:
    """What validation has seen so far; saved with every checkpoint."""

    best_ap: float = -1.0
    best_loss: float = sys.float_info.max
    best_step: int = 0
    epochs_without_improvement: int = 0

    def update(self, ap: float, loss: float, step: int, *, last_is_best: bool = False) -> bool:
        """Takes in one epoch; true if it is the best so far.

        Where AP is equal, as it soon is at 1 on few validation images, the lower loss is
        better. Early stopping goes by AP alone: a loss can fall for ever. ``last_is_best``: AP does
        not decide, every epoch is better than the one before.
        """
        self.epochs_without_improvement = (
            0 if ap > self.best_ap else self.epochs_without_improvement + 1
        )
        if not last_is_best and (ap, -loss) <= (self.best_ap, -self.best_loss):
            return False
        self.best_ap, self.best_loss, self.best_step = ap, loss, step
        return True

    def stopped_early(self, patience: int) -> bool:
        """Whether ``patience`` epochs (0: any number) passed without improvement."""
        return bool(patience) and self.epochs_without_improvement >= patience


def validate(scorer: Scorer, images: Iterable[dict]) -> dict[str, float]:
    """Loss (nats), accuracy at 0.5, AP and AUC over the validation images of all processes."""
    labels: list[int] = []
    logits, _ = scorer.score_all(labelled(images, labels))
    return _measures(np.array(labels, np.int32), logits)


def validate_embedded(scorer: Scorer, images: Embedded) -> dict[str, float]:
    """As ``validate``, of images whose features are known."""
    own = slice(jax.process_index(), None, jax.process_count())
    return _measures(images.labels[own], scorer.score_features([images.features[own]]))


def _measures(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    labels, logits = gather_rows(labels), gather_rows(logits)
    if len(found := set(labels.tolist())) != 2:
        raise UserError(
            f"the validation images have labels {sorted(found)} only; "
            "expected photographs (0) and generated images (1)"
        )
    signs = 1 - 2 * labels
    return {
        "loss": float(np.logaddexp(0, signs * logits.astype(np.float64)).mean()),
        "accuracy": float(((logits > 0) == (labels == 1)).mean()),
        "ap": float(metrics.average_precision_score(labels, logits)),
        "auc": float(metrics.roc_auc_score(labels, logits)),
    }


def check_start(config: ConfigDict, workdir: pathlib.Path, mesh: Mesh) -> None:
    """Makes the workdir; ``UserError`` for a setting that cannot be used, a batch that the devices
    cannot share, or a file of frozen numbers that is missing or not the workdir's."""
    check_config(config)
    sharding.check_batch_size(config.batch_size, mesh)
    workdir.mkdir(parents=True, exist_ok=True)
    frozen_weights.check(workdir, config.model, frozen_weights.fingerprint(config.model))


class Run:
    """One config in one directory; opening it finds out where it stands.

    Attributes:
        config: checked.
        workdir: exists.
        batches: endless, seeded; at the right place after ``restore``.
        start_step: steps that were done when it was opened.
        num_steps: of the whole run.
        steps_per_epoch: batches of one epoch.
    """

    def __init__(
        self,
        config: ConfigDict,
        workdir: pathlib.Path,
        images: TrainInput,
        scorer: Scorer,
        mesh: Mesh,
    ):
        """Config and workdir are accepted by ``check_start``, the images opened with the config,
        the scorer is of its model at the size of validation images, the mesh shares each batch.

        Raises:
            UserError: the workdir's run was started with other settings or data.
        """
        self.config, self.workdir = config, workdir
        self.steps_per_epoch = images.steps_per_epoch
        self.num_steps = images.steps_per_epoch * config.num_epochs
        self._images, self._scorer, self._mesh = images, scorer, mesh
        self._system = SYSTEMS[config.model.name]
        self._frozen = frozen_weights.fingerprint(config.model)
        self._progress, self._plateau = Progress(), Plateau()
        self._layout = layout_of(config, images.dataset, images.steps_per_epoch)
        with contextlib.ExitStack() as opened:
            # Closed also when the loop fails: a checkpoint under way is finished first.
            self._checkpoints = opened.enter_context(contextlib.closing(Checkpoints(self.workdir)))
            self.start_step = self._checkpoints.latest_step() or 0
            if self.start_step:
                saved = self._checkpoints.progress(self.start_step)
                check_same_layout(saved["layout"], self._layout, self.workdir)
                self._progress = Progress(**saved["validation"])
                self._plateau = Plateau(**saved["plateau"])
            self._features = self._embed() if self._system.trains_head_only else None
            batches = images.train_batches(self._features[0] if self._features else None)
            self.batches = opened.enter_context(contextlib.closing(batches))
            curves = CurveWriter(self.workdir, resume_step=self.start_step)
            self._curves = opened.enter_context(contextlib.closing(curves))
            self._closing = opened.pop_all()

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._closing.close()

    def restore(self, fresh: TrainState) -> TrainState:
        """The state to go on from: the last checkpoint's, without one the fresh state.

        ``batches`` are moved to where they were. Writes config.json, training_data.json and
        parameters.txt.
        """
        if not self.start_step:
            params, batch_stats = self._system.start(
                self.config.model, fresh.params, fresh.batch_stats
            )
            fresh = fresh.starting_from(params, batch_stats)
        state = jax.device_put(fresh, sharding.replicated(self._mesh))
        if self.start_step:
            state = self._restored(state)
            _LOG.info("resuming %s at step %d of %d", self.workdir, self.start_step, self.num_steps)
        self._describe(state)
        return state

    def _restored(self, like: TrainState) -> TrainState:
        step, restore = self.start_step, self._checkpoints.restore
        if self._checkpoints.holds(step, WHOLE_STATE):  # as version 1 wrote it
            fields = {key: value for key, value in vars(like).items() if key != "average"}
            return TrainState(**restore(step, {WHOLE_STATE: fields}, self.batches)[WHOLE_STATE])
        items = restore(step, like.items(), self.batches)
        return TrainState.from_items(items)

    def log_is_due(self, step: int) -> bool:
        """Whether the curve gets a point after this step; it does before every checkpoint."""
        return step % self.config.log_every_steps == 0 or self.save_is_due(step)

    def save_is_due(self, step: int) -> bool:
        """Whether a checkpoint is written after this step."""
        every = self.config.checkpoint_every_steps
        return self.ends_epoch(step) or (every > 0 and step % every == 0)

    def ends_epoch(self, step: int) -> bool:
        """Whether this step is the last of its epoch."""
        return step % self.steps_per_epoch == 0

    @property
    def stopped_early(self) -> bool:
        """Whether validation has not improved for as long as the config waits."""
        settings = self.config.optimizer
        rate = settings.learning_rate * self._plateau.share(settings.decay_rate)
        # Rounding must not decide whether 1e-4 / 100 is below 1e-6.
        too_low = rate < settings.min_learning_rate * (1 - 1e-6)
        return (settings.schedule == "plateau" and too_low) or self._progress.stopped_early(
            self.config.early_stopping_epochs
        )

    def log(self, window: Sequence[TrainMetrics], factors: Mapping[str, Any], step: int) -> float:
        """Adds the means over the window's steps to the curve; returns the loss.

        ``factors`` are the trained factors after ``step``, the last of the window; {} without any.
        Raises ``FloatingPointError`` for a metric that is not finite; names metric and step.
        """
        values = summarize(window, last_step=step)
        self._write(step, "train", values | _floats(factors))
        return values["loss"]

    def validate(self, state: TrainState, step: int) -> bool:
        """Scores the validation images; true if the epoch is the best so far."""
        scorer = self._scorer.with_variables(**state.variables)
        if self._features is None:
            values = validate(scorer, self._images.validation_images())
        else:
            values = validate_embedded(scorer, self._features[1])
        improved = self._progress.update(
            values["ap"], values["loss"], step, last_is_best=self.config.best_checkpoint == "last"
        )
        settings = self.config.optimizer
        if settings.schedule == "plateau" and self._plateau.update(
            values["accuracy"],
            patience=settings.plateau_epochs,
            improvement=settings.plateau_improvement,
        ):
            _LOG.info("validation accuracy has stalled: learning rate x %g", settings.decay_rate)
        self._write(step, "validation", values | _floats(learned_factors(state.params)))
        words = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        epoch = step // self.steps_per_epoch
        _LOG.info("epoch %d of %d: %s", epoch, self.config.num_epochs, words)
        return improved

    def with_learning_rate(self, state: TrainState) -> TrainState:
        """The run's state with the rate that its validation so far asks for."""
        if not self._plateau.drops:
            return state
        settings = self.config.optimizer
        rate = np.float32(settings.learning_rate * self._plateau.share(settings.decay_rate))
        placed = jax.device_put(rate, state.learning_rate.sharding)
        return dataclasses.replace(state, learning_rate=placed)

    def save(self, state: TrainState, step: int, *, improved: bool | None) -> None:
        """Starts writing a checkpoint; ``improved`` is None where validation was not due."""
        saved = {
            "layout": self._layout,
            "validation": dataclasses.asdict(self._progress),
            "plateau": dataclasses.asdict(self._plateau),
        }
        self._checkpoints.save(step, state.items(), self.batches, saved, improved=improved)

    def _embed(self) -> tuple[embeddings.Embedded, embeddings.Embedded]:
        """Features of the training and validation images, computed unless a file has them."""
        identity = embeddings.identity_of(self._layout, self._frozen)
        directory = self.workdir / "embeddings"
        sources = {
            "train": self._images.train_images_once,
            "validation": self._images.validation_images,
        }
        train, validation = (
            embeddings.embed(directory, identity | {"images": name}, images, self._scorer)
            for name, images in sources.items()
        )
        return train, validation

    def _write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        epoch = step / self.steps_per_epoch
        self._curves.write(step=step, epoch=epoch, split=split, values=values)

    def _describe(self, state: TrainState) -> None:
        """Settings, data and parameters as files, and one line about what is going to happen."""
        if jax.process_index() != 0:
            return
        write_json(self.workdir / "config.json", self.config.to_dict(), sort_keys=True)
        frozen_weights.remember(self.workdir, self.config.model, self._frozen)
        write_json(self.workdir / "training_data.json", self._images.describe(), sort_keys=True)
        params = nnx.to_pure_dict(state.params)
        overview = parameter_overview.get_parameter_overview(params)
        write_file(self.workdir / "parameters.txt", overview + "\n")
        model = self.config.model
        settings = ", ".join(f"{key} {model[key]}" for key in self._system.rules)
        devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
        _LOG.info(
            f"{model.name} ({settings}), {parameter_overview.count_parameters(params):,} "
            f"parameters; {self._images.num_train_images} training images, "
            f"{self.steps_per_epoch} steps per epoch; {jax.device_count()} x {devices}"
        )


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
