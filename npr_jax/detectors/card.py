"""A trained detector that can be given to others: a file of weights and the card that describes it.

The card, ``<name>.json``, lies beside ``<name>.safetensors``. It says all that scoring needs
besides the weights, whose SHA-256 ties the two together, and what readers should know before they
trust the detector: what it was trained on, under which licences, and how well it does. It ends in
the SHA-256 of all that: a digit of a limit that changed on the way would change verdicts.

A card can be read without JAX. Beside both may lie ``<name>.onnx``, the same network for ONNX
Runtime (``npr_jax.models.onnx.network_file``), with which a picture is scored without JAX, too, and
``<name>.int8.onnx``, which computes in 8 bits (``npr_jax.export.eight_bits``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.storage.whole_content import read_object, whole_content
from npr_jax.detectors.calibration import Calibration, from_json, to_json

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from npr_jax.models.base import Model

FORMAT = 1  # of the card
# The folder of the bundled detector.
OWN_FOLDER = pathlib.Path(__file__).parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REMEDY = "copy the detector again, all of its files"
_WEIGHTS = ".safetensors"
_SEAL = "card_sha256"  # of all else that a card says; cards of the first versions have none
_FITTED_TO = ", calibrated on "  # between a version and the images of another calibration
_OF_FILES = ("format", "weights", _SEAL)  # what a card says of itself and its weights
# By the precision that it computes in.
NETWORKS = {"float32": ".onnx", "int8": ".int8.onnx"}


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


class Outline(NamedTuple):
    """What of a card scoring needs besides the network."""

    title: str  # name and version
    system: str
    weights: str  # SHA-256 of their file
    preprocessing: Preprocessing
    calibration: Calibration | None


def pack(card: Card, model: Model) -> dict[str, bytes]:
    """The files of a detector by name, the card last: weights, where it can be one the network for
    ONNX Runtime, and the card.

    ``UserError`` for a system that needs more than its own numbers, a name that no file should
    have, or facts that stand elsewhere on the card.
    """
    from npr_jax.detectors.weights_file import weights_bytes
    from npr_jax.models.systems.registry import SYSTEMS

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
    digest = hashlib.sha256(weights).hexdigest()
    known = {
        "format": FORMAT,
        "name": card.name,
        "version": card.version,
        "weights": {
            "file": card.name + _WEIGHTS,
            "sha256": digest,
            "bytes": len(weights),
            "numbers": "float32",
        },
        "model": card.model.to_dict(),
        "preprocessing": card.preprocessing.values(),
        "calibration": card.calibration and to_json(card.calibration),
        "step": card.step,
        "trained_on": card.trained_on,
    }
    if twice := sorted(known.keys() & card.facts.keys()):
        raise UserError(f"the card says {', '.join(twice)} by itself; leave it out of the facts")
    files = {card.name + _WEIGHTS: weights}
    if network := _network(model, digest):
        files[card.name + NETWORKS["float32"]] = network
    return files | {f"{card.name}.json": card_text(known | card.facts).encode()}


def card_text(content: Mapping[str, Any]) -> str:
    """The text of a card that says this, JSON values, with its own SHA-256 last."""
    said = {key: value for key, value in content.items() if key != _SEAL}
    sealed = said | {_SEAL: _digest(said)}
    return json.dumps(sealed, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _digest(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _network(model: Model, weights: str) -> bytes:
    """Empty where it cannot be an ONNX file, or the library that writes one is not installed."""
    if importlib.util.find_spec("onnx") is None:
        return b""
    from npr_jax.models.base import evaluation_copy
    from npr_jax.models.onnx.network_file import network_bytes

    try:
        return network_bytes(evaluation_copy(model), weights=weights)
    except UserError:
        return b""


def recalibrated(
    path: pathlib.Path, calibration: Calibration, fitted_to: str, facts: Mapping[str, Any]
) -> dict[str, bytes]:
    """The files of a detector that has another calibration, by name, the card last.

    Weights and networks are those that lie beside the card at ``path``; errors are those of
    ``load_card``. The version ends in six digits of the calibration's SHA-256, so that no two
    calibrations go by one name.

    Args:
        path: the card of the detector as it was.
        calibration: the other one.
        fitted_to: the images that it was fitted to, in words, for the version.
        facts: what the card says besides; None: no longer. Figures go, which may be of verdicts and
            probabilities as they were.
    """
    content = dict(_read(path))
    weights, data = _weights_of(path, content)
    networks = [path.with_suffix(suffix) for suffix in NETWORKS.values()]
    files = {weights.name: data} | {p.name: p.read_bytes() for p in networks if p.is_file()}
    with whole_content(path, _REMEDY):
        version = content["version"].partition(_FITTED_TO)[0]
    saved = to_json(calibration)
    version += f"{_FITTED_TO}{fitted_to} ({_digest(saved)[:6]})"
    content |= {"version": version, "calibration": saved, "figures": None, **facts}
    said = {key: value for key, value in content.items() if value is not None}
    return files | {path.name: card_text(said).encode()}


def is_recalibrated(path: pathlib.Path) -> bool:
    """Whether a file is the card of a detector that ``recalibrated`` made."""
    try:
        version = _read(path).get("version")
    except UserError:
        return False
    return isinstance(version, str) and _FITTED_TO in version


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
    """The card of the bundled detector."""
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
    from npr_jax.detectors.run_config import checked_model
    from npr_jax.detectors.weights_file import load_network

    content = _read(path)
    weights, data = _weights_of(path, content)
    with whole_content(path, _REMEDY):
        facts = {key: value for key, value in content.items() if key not in _OF_FILES}
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
    try:
        return card, load_network(card.model, data)
    except UserError as error:
        raise UserError(f"{weights}: {error}") from error


def outline_of(path: pathlib.Path) -> Outline:
    """What a card says, without making its network; errors are those of ``load_card``."""
    content = _read(path)
    _, data = _weights_of(path, content)
    with whole_content(path, _REMEDY):
        return Outline(
            title=f"{content['name']} {content['version']}",
            system=content["model"]["name"],
            weights=hashlib.sha256(data).hexdigest(),
            preprocessing=Preprocessing(**content["preprocessing"]),
            calibration=_calibration(content["calibration"]),
        )


def _read(path: pathlib.Path) -> Mapping[str, Any]:
    try:
        content = read_object(path, _REMEDY)
    except OSError as error:
        raise UserError(f"{path} cannot be read as a detector's card: {error}") from error
    with whole_content(path, _REMEDY):
        version = content["format"]
        if isinstance(version, int) and version > FORMAT:
            raise UserError(
                f"its format is {version}, this version of npr-jax reads {FORMAT}; install a newer "
                "version of npr-jax, which reads it"
            )
        if version != FORMAT:
            raise ValueError(f"its format is {version!r}, expected {FORMAT}")
        said = {key: value for key, value in content.items() if key != _SEAL}
        if _SEAL in content and content[_SEAL] != _digest(said):
            raise ValueError("its content is not what was written")
    return content


def _weights_of(path: pathlib.Path, content: Mapping[str, Any]) -> tuple[pathlib.Path, bytes]:
    """The file of weights that a card names, and what is in it."""
    with whole_content(path, _REMEDY):
        named = content["weights"]
        weights, digest = path.with_name(pathlib.PurePath(named["file"]).name), named["sha256"]
        if not isinstance(digest, str):
            raise TypeError(f"the sha256 of its weights is {digest!r}")
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
    return weights, data


def _calibration(saved: Mapping[str, Any] | None) -> Calibration | None:
    return None if saved is None else from_json(saved)
