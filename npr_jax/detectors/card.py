"""A trained detector that can be given to others: a file of weights and the card that describes it.

The card, ``<name>.json``, lies beside ``<name>.safetensors``. It says all that scoring needs
besides the weights, whose SHA-256 ties the two together, and what readers should know before they
trust the detector: what it was trained on, under which licences, and how well it does.
"""

import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import Calibration
from npr_jax.detectors.run_config import checked_model
from npr_jax.detectors.weights_file import load_network, weights_bytes
from npr_jax.models.base import Model
from npr_jax.models.systems.registry import SYSTEMS

FORMAT = 1  # of the card
# The folder of the detector that comes with this package.
OWN_FOLDER = pathlib.Path(__file__).parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_WEIGHTS = ".safetensors"


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of a detector besides its weights.

    Attributes:
        name: letters, digits, ``-`` and ``_``; also that of its files.
        version: of the detector, any text.
        model: the ``model`` section of the config it was trained with.
        preprocessing: what happens to a file first.
        calibration: what turns logits into probabilities and verdicts; None: nothing.
        step: optimizer steps of the checkpoint.
        trained_on: what its run learned from.
        facts: all else, JSON values: data, licences, recipe, commit, figures and the like.
    """

    name: str
    version: str
    model: ConfigDict
    preprocessing: Preprocessing
    calibration: Calibration | None
    step: int
    trained_on: dict[str, Any]
    facts: dict[str, Any]

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def pack(card: Card, model: Model) -> dict[str, bytes]:
    """The two files of a detector by name, the card last.

    ``UserError`` for a system that needs more than its own numbers, a name that no file should
    have, or facts that stand elsewhere on the card.
    """
    if SYSTEMS[card.model.name].frozen_file or SYSTEMS[card.model.name].file_view:
        raise UserError(
            f"{card.model.name} needs files of others besides its own weights, which a card cannot "
            "hold; keep its run"
        )
    if not _NAME.fullmatch(card.name):
        raise UserError(
            f"a detector's name is {card.name!r}; expected letters, digits, - and _, as wild"
        )
    weights = weights_bytes(model)
    known = {
        "format": FORMAT,
        "name": card.name,
        "version": card.version,
        "weights": {
            "file": card.name + _WEIGHTS,
            "sha256": hashlib.sha256(weights).hexdigest(),
            "bytes": len(weights),
            "numbers": "float32",
        },
        "model": card.model.to_dict(),
        "preprocessing": card.preprocessing.values(),
        "calibration": card.calibration and calibration_file.to_json(card.calibration),
        "step": card.step,
        "trained_on": card.trained_on,
    }
    if twice := sorted(known.keys() & card.facts.keys()):
        raise UserError(f"the card says {', '.join(twice)} by itself; leave it out of the facts")
    text = json.dumps(known | card.facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return {card.name + _WEIGHTS: weights, f"{card.name}.json": text.encode()}


def find_card(path: str | pathlib.Path) -> pathlib.Path | None:
    """The card that a path means: itself, the one in a folder, the one beside a file of weights.

    None: it means none. ``UserError`` for a folder with several.
    """
    path = pathlib.Path(path)
    if path.suffix == _WEIGHTS:
        beside = path.with_suffix(".json")
        return beside if beside.is_file() else None
    if not path.is_dir():
        return path if path.suffix == ".json" else None
    cards = sorted(p for p in path.glob("*.json") if p.with_suffix(_WEIGHTS).is_file())
    if len(cards) > 1:
        names = ", ".join(card.name for card in cards)
        raise UserError(f"{path} holds several detectors: name the card of one, as {names}")
    return cards[0] if cards else None


def own_card() -> pathlib.Path:
    """The card of the detector that comes with this package."""
    found = find_card(OWN_FOLDER)
    if found is None:
        raise UserError(
            "this copy of npr_jax comes without a trained detector; give --workdir=RUN or "
            "--weights=FILE"
        )
    return found


def load_card(path: pathlib.Path) -> tuple[Card, Model]:
    """Reads a card and the weights beside it.

    ``UserError`` where one of them is missing or damaged, or they do not belong together.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a detector's card: {error}") from error
    card, file, digest = _parsed(content, path)
    weights = path.with_name(file)
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} names {weights}, which cannot be read: {error.strerror}; keep both files in "
            "one folder"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise UserError(
            f"{weights} is not the file that {path.name} describes (SHA-256 {found[:12]}, expected "
            f"{digest[:12]}): copy both files again"
        )
    try:
        return card, load_network(card.model, data)
    except UserError as error:
        raise UserError(f"{weights}: {error}") from error


def _parsed(content: Any, path: pathlib.Path) -> tuple[Card, str, str]:
    """The card, the name of its weights and their SHA-256."""
    try:
        facts = dict(content)
        if (version := facts.pop("format")) != FORMAT:
            raise ValueError(f"its format is {version}, this version of npr_jax reads {FORMAT}")
        weights = facts.pop("weights")
        card = Card(
            name=facts.pop("name"),
            version=facts.pop("version"),
            model=checked_model(facts.pop("model")),
            preprocessing=Preprocessing(**facts.pop("preprocessing")),
            calibration=_calibration(facts.pop("calibration")),
            step=facts.pop("step"),
            trained_on=facts.pop("trained_on"),
            facts=facts,
        )
        return card, pathlib.PurePath(weights["file"]).name, str(weights["sha256"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{path} is no card of a detector: {what}") from error


def _calibration(saved: Mapping[str, Any] | None) -> Calibration | None:
    return None if saved is None else calibration_file.from_json(saved)
