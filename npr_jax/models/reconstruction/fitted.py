"""The weights of the decoders: one safetensors file each, float16, shipped with the package."""

import functools
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax import nnx

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_file
from npr_jax.models.reconstruction.decoders import find_decoder, reconstruct

Decoder = Callable[[np.ndarray, jax.Array], jax.Array]
# On the CPU convolutions come from a library; the rest gains nothing from three times the work on
# compiling it.
QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}


def weights_directory() -> pathlib.Path:
    """Where the fitted weights lie, one ``<decoder>.safetensors`` each."""
    return pathlib.Path(__file__).parent / "weights"


def save_weights(path: pathlib.Path, network: nnx.Module) -> None:
    """Writes a network's parameters as float16, the file whole or not at all."""
    flat = nnx.to_flat_state(nnx.state(network, nnx.Param))
    arrays = {_name(path): np.asarray(variable.get_value(), np.float16) for path, variable in flat}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, safetensors.numpy.save(arrays))


def load_decoder(name: str, directory: pathlib.Path | None = None) -> Decoder:
    """A fitted decoder: uint8 pictures ``[b, h, w, 3]`` and a key to reconstructions of them.

    It is ``decoders.reconstruct``, compiled once per size. ``directory``: of the weights; None
    takes the package's. ``UserError`` where the name is unknown, or its weights are missing or do
    not fit.
    """
    spec = find_decoder(name)
    path = (directory or weights_directory()) / f"{name}.safetensors"
    refit = f"fit them anew: python -m docs.research.fit_reconstruction_decoders --decoders {name}"
    if not path.is_file():
        raise UserError(f"the weights of decoder {name!r} are missing at {path}; {refit}")
    try:
        arrays = safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is not a readable .safetensors file: {error}; {refit}") from error
    graphdef, wanted = nnx.split(nnx.eval_shape(spec.network))
    flat = dict(nnx.to_flat_state(wanted))
    expected = {_name(path): variable.get_value().shape for path, variable in flat.items()}
    found = {key: array.shape for key, array in arrays.items()}
    if expected != found:
        raise UserError(
            f"the weights of decoder {name!r} at {path} are of another network; {refit}"
        )
    values = [
        (path, variable.replace(jnp.asarray(arrays[_name(path)], jnp.float32)))
        for path, variable in flat.items()
    ]
    run = jax.jit(reconstruct, static_argnums=0, compiler_options=QUICK_TO_COMPILE)
    return functools.partial(run, graphdef, nnx.from_flat_state(values))


def _name(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))
