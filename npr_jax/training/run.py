"""What belongs to one training run on the host: its input, checkpoints, curves and progress."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import grain
import jax
import ml_collections
import numpy as np
from clu import parameter_overview
from flax import nnx
from jax.sharding import Mesh

from input_pipeline.storage.atomic_files import write_file, write_json
from npr_jax.detectors import frozen_weights
from npr_jax.evaluation.evaluate import evaluate_run
from npr_jax.inference.detector import Detector
from npr_jax.inference.scorer import Scorer
from npr_jax.models import sharding
from npr_jax.models.base import learned_factors
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training import embeddings, inputs
from npr_jax.training.checkpoint import Checkpoints, abstract
from npr_jax.training.embeddings import Embedded
from npr_jax.training.metrics import TrainMetrics
from npr_jax.training.reporting import CurveWriter
from npr_jax.training.resume import check_same_layout, layout_of
from npr_jax.training.schedules import Plateau
from npr_jax.training.train_state import TrainState
from npr_jax.training.validation import Progress, validate, validate_embedded

_LOG = logging.getLogger(__name__)


class Run:
    """One config in one directory. Opened with ``open``, closed with ``close``.

    Attributes:
        config: checked.
        workdir: made if missing.
        batches: endless, seeded; valid after ``open``.
        start_step: steps that were done when it was opened.
    """

    batches: grain.DatasetIterator
    start_step: int

    def __init__(self, config: ml_collections.ConfigDict, workdir: pathlib.Path, mesh: Mesh):
        """Opens the data set of a config that ``check_config`` has accepted.

        Raises:
            ValueError: for a data set or a batch size that cannot be used.
        """
        sharding.check_batch_size(config.batch_size, mesh)
        self.config, self.workdir = config, workdir
        workdir.mkdir(parents=True, exist_ok=True)
        self._mesh = mesh
        self._dataset = inputs.open_dataset(config, workdir)
        self._facts = SYSTEMS[config.model.name].data_facts(config, self._dataset)
        self._input = inputs.TrainInput(config, self._dataset)
        self._frozen = frozen_weights.fingerprint(config.model)
        frozen_weights.check(workdir, config.model, self._frozen)
        self._progress = Progress()
        self._plateau = Plateau()
        self._closing = contextlib.ExitStack()
        self._train_features: Embedded | None = None
        self._validation_features: Embedded | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self._input.steps_per_epoch

    @property
    def num_steps(self) -> int:
        """Of the whole run."""
        return self.steps_per_epoch * self.config.num_epochs

    def open(self, fresh: TrainState, scorer: Scorer) -> TrainState:
        """The state to go on from: the workdir's, where it holds any, else the fresh one.

        Args:
            fresh: the state before the first step.
            scorer: of the run's model; computes the features where only the head is trained.

        Raises:
            ValueError: where the workdir's run was started with other settings.
        """
        # Closed also when the loop fails: a checkpoint under way is finished first.
        closing = self._closing
        self._checkpoints = closing.enter_context(contextlib.closing(Checkpoints(self.workdir)))
        self._layout = layout_of(self.config, self._dataset, self.steps_per_epoch)
        system = SYSTEMS[self.config.model.name]
        step = self._checkpoints.latest_step()
        if step is None:
            params, batch_stats = system.start(self.config.model, fresh.params, fresh.batch_stats)
            fresh = dataclasses.replace(fresh, params=params, batch_stats=batch_stats)
        else:
            saved = self._checkpoints.progress(step)
            check_same_layout(saved["layout"], self._layout, self.workdir)
            self._progress = Progress(**saved["validation"])
            self._plateau = Plateau(**saved["plateau"])
        if system.trains_head_only:
            self._embed(scorer)
        batches = self._input.train_batches(self._train_features)
        self.batches = closing.enter_context(contextlib.closing(batches))
        state = jax.device_put(fresh, sharding.replicated(self._mesh))
        if step is not None:
            state = self._checkpoints.restore(step, abstract(state), self.batches)
            _LOG.info("resuming %s at step %d of %d", self.workdir, step, self.num_steps)
        self._describe(state)
        self.start_step = int(state.step)
        self._curves = CurveWriter(self.workdir, resume_step=self.start_step)
        closing.callback(self._curves.close)
        return state

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._closing.close()

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

    def log(
        self, window: Sequence[TrainMetrics], step: int, factors: Mapping[str, Any]
    ) -> dict[str, float]:
        """Writes the means over the window's steps, of which ``step`` is the last.

        ``factors`` are the trained factors after that step, {} where there are none.

        Raises:
            FloatingPointError: for a metric that is not finite; names metric and step.
        """
        values = summarize(window, last_step=step)
        values |= {name: float(value) for name, value in factors.items()}
        self._write(step, "train", values)
        return values

    def validate(self, scorer: Scorer, state: TrainState, step: int) -> bool:
        """Scores the validation images; true if the epoch is the best so far."""
        scorer = scorer.with_variables(state.params, state.batch_stats)
        if self._validation_features is None:
            values = validate(scorer, self._input.validation_images())
        else:
            values = validate_embedded(scorer, self._validation_features)
        improved = self._progress.update(values["ap"], values["loss"], step)
        self._follow_plateau(values["accuracy"])
        factors = {name: float(value) for name, value in learned_factors(state.params).items()}
        self._write(step, "validation", values | factors)
        words = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        epoch = step // self.steps_per_epoch
        _LOG.info("epoch %d of %d: %s", epoch, self.config.num_epochs, words)
        return improved

    def _follow_plateau(self, accuracy: float) -> None:
        settings = self.config.optimizer
        if settings.schedule == "plateau" and self._plateau.update(
            accuracy, patience=settings.plateau_epochs, improvement=settings.plateau_improvement
        ):
            _LOG.info("validation accuracy has stalled: learning rate x %g", settings.decay_rate)

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
            "validation": self._progress.as_dict(),
            "plateau": dataclasses.asdict(self._plateau),
        }
        self._checkpoints.save(step, state, self.batches, saved, improved=improved)

    def evaluate(self) -> dict[str, Any] | None:
        """Scores the test split with the best checkpoint; see ``evaluate_run``."""
        detector = Detector.load(self.workdir)
        return evaluate_run(detector, self.config, self._dataset, self.workdir)

    def _embed(self, scorer: Scorer) -> None:
        """Computes the features of all images, or takes those that an earlier start computed."""
        identity = embeddings.identity_of(self._layout, self._frozen)
        directory = self.workdir / "embeddings"
        own = self._input
        self._train_features = embeddings.embed(
            directory, identity | {"images": "train"}, own.train_images_once, scorer
        )
        self._validation_features = embeddings.embed(
            directory, identity | {"images": "validation"}, own.validation_images, scorer
        )

    def _write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        epoch = step / self.steps_per_epoch
        self._curves.write(step=step, epoch=epoch, split=split, values=values)

    def _describe(self, state: TrainState) -> None:
        """Settings, data and parameters as files, and one line about what is going to happen."""
        if jax.process_index() != 0:
            return
        write_json(self.workdir / "config.json", self.config.to_dict(), sort_keys=True)
        frozen_weights.remember(self.workdir, self.config.model, self._frozen)
        described = self._input.describe() | self._facts
        write_json(self.workdir / "training_data.json", described, sort_keys=True)
        params = nnx.to_pure_dict(state.params)
        overview = parameter_overview.get_parameter_overview(params)
        write_file(self.workdir / "parameters.txt", overview + "\n")
        model = self.config.model
        settings = ", ".join(f"{key} {model[key]}" for key in SYSTEMS[model.name].rules)
        devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
        _LOG.info(
            f"{model.name} ({settings}), {parameter_overview.count_parameters(params):,} "
            f"parameters; {self._input.num_train_images} training images, "
            f"{self.steps_per_epoch} steps per epoch; {jax.device_count()} x {devices}"
        )


def summarize(window: Sequence[TrainMetrics], last_step: int) -> dict[str, float]:
    """Means over the window's steps; refuses to go on from a loss that is not finite."""
    first_step = last_step - len(window) + 1
    for step, metrics in enumerate(window, start=first_step):
        for name, value in metrics.compute().items():
            if not np.isfinite(value):
                raise FloatingPointError(
                    f"train {name} is {value} at step {step}; no later step was saved: lower "
                    "--config.optimizer.learning_rate, or look at the data of that step"
                )
    total = window[0]
    for metrics in window[1:]:
        total = total.merge(metrics)
    return {name: float(value) for name, value in total.compute().items()}
