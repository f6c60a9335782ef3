"""Which published detector a state dict is: one table per system, one line here."""

from __future__ import annotations

from input_pipeline.errors import UserError
from npr_jax.models.base import Model
from npr_jax.models.pretrained import cnndetection, freqnet, ladeda, npr, safe
from npr_jax.models.pretrained.published import Published
from npr_jax.models.pretrained.torch_weights import Arrays, fill, problems_of, refusal

SHOWN = 20  # problems of the nearest system that a refusal lists
# The first that fits is taken: of systems that share all keys the likelier comes first.
PUBLISHED: tuple[Published, ...] = (
    npr.PUBLISHED,
    cnndetection.PUBLISHED,
    ladeda.PUBLISHED,
    freqnet.PUBLISHED,
    safe.PUBLISHED,
)


def recognise(arrays: Arrays, name: str = "") -> tuple[Published, Model]:
    """The published detector that the arrays are the weights of.

    Args:
        arrays: torch names to arrays in torch's layout, with or without
            ``num_batches_tracked``.
        name: the system, where several share all keys; empty: the first that fits.

    Raises:
        ValueError: if no system fits, with the problems of the nearest one, or for an unknown
            ``name``.
    """
    systems = PUBLISHED
    if name:
        known = [system.name for system in systems]
        systems = tuple(system for system in systems if system.name == name)
        if not systems:
            raise UserError(f"no published weights of {name!r} are known; known: {known}")
    found: list[tuple[list[str], Published]] = []
    for system in systems:
        abstract = system.abstract()
        problems = problems_of(system.table, abstract, arrays)
        if not problems:
            return system, fill(abstract, system.table, arrays)
        found.append((problems, system))
    raise UserError(_refusal(found))


def _refusal(found: list[tuple[list[str], Published]]) -> str:
    problems, nearest = min(found, key=lambda item: len(item[0]))
    message = refusal(nearest.table, problems, SHOWN)
    others = [f"{system.table.title} ({len(p)})" for p, system in found if system is not nearest]
    if others:
        message += f"\nof other systems even more does not fit: {', '.join(others)}"
    return message


def from_torch_state_dict(arrays: Arrays, name: str = "") -> Model:
    """The model of ``recognise``."""
    return recognise(arrays, name)[1]
