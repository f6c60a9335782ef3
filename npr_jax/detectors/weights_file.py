"""A network's numbers as one safetensors file, by their place in the network."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from npr_jax.models.base import Model
from npr_jax.models.systems.registry import build_model


def weights_bytes(model: nnx.Module) -> bytes:
    """The file of a model's parameters and running statistics, float32."""
    flat = nnx.to_flat_state(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat)))
    arrays = {_name(path): np.asarray(variable.get_value(), np.float32) for path, variable in flat}
    return safetensors.numpy.save(arrays)


def load_network(settings: ConfigDict, content: bytes) -> Model:
    """The network of a config's ``model`` section with the numbers of a file.

    ``UserError`` where the content is no safetensors file, or of another network.
    """
    try:
        arrays = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise UserError(f"no readable safetensors file: {error}") from error
    abstract = nnx.eval_shape(lambda: build_model(settings, nnx.Rngs(params=0)))
    graphdef, state = nnx.split(abstract)
    flat = dict(nnx.to_flat_state(state))
    if problems := _problems(flat, arrays):
        raise UserError(f"weights of another network: {'; '.join(problems)}")
    placed = [(path, v.replace(jnp.asarray(arrays[_name(path)]))) for path, v in flat.items()]
    return nnx.merge(graphdef, nnx.from_flat_state(placed))


def _name(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def _problems(
    flat: Mapping[tuple[str | int, ...], nnx.Variable], arrays: Mapping[str, np.ndarray]
) -> list[str]:
    """At most one line for each way in which arrays do not fit."""
    wanted = {_name(path): variable.get_value() for path, variable in flat.items()}
    problems = []
    if missing := sorted(wanted.keys() - arrays.keys()):
        problems.append(f"{len(missing)} arrays are missing, as {missing[0]}")
    if unknown := sorted(arrays.keys() - wanted.keys()):
        problems.append(f"{len(unknown)} are unknown, as {unknown[0]}")
    for name in sorted(wanted.keys() & arrays.keys()):
        own, given = wanted[name], arrays[name]
        if (own.shape, own.dtype) != (given.shape, given.dtype):
            problems.append(
                f"{name} is {given.dtype} {list(given.shape)}, expected {own.dtype} "
                f"{list(own.shape)}"
            )
            break
    return problems
