"""Where arrays live: parameters everywhere, each batch split over the ``data`` axis."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from input_pipeline.errors import UserError

DATA_AXIS = "data"


def data_mesh(devices: list[jax.Device] | None = None) -> Mesh:
    """A mesh with one axis, ``data``, over the given devices (None: all, of all processes)."""
    devices = devices or jax.devices()
    return jax.make_mesh((len(devices),), (DATA_AXIS,), (AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding that keeps a whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_rows(mesh: Mesh) -> NamedSharding:
    """The sharding that splits the leading axis over the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
    """Raises ``ValueError`` unless every device gets the same number of rows."""
    if batch_size % mesh.size:
        raise UserError(
            f"batch_size is {batch_size} but there are {mesh.size} devices; "
            f"expected a multiple of {mesh.size}: set --config.batch_size="
            f"{-(-batch_size // mesh.size) * mesh.size}"
        )


def to_devices(
    batch: dict[str, np.ndarray], mesh: Mesh, *, stacked: bool = False
) -> dict[str, Any]:
    """This process's rows of a global batch, onto its devices.

    ``stacked``: the arrays begin with an axis over runs side by side, the rows are the next one.
    """
    spec = PartitionSpec(None, DATA_AXIS) if stacked else PartitionSpec(DATA_AXIS)
    sharding = NamedSharding(mesh, spec)
    return {
        key: jax.make_array_from_process_local_data(sharding, value) for key, value in batch.items()
    }
