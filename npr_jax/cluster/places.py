"""Where files lie: this machine, or an object store by its URI."""

import functools
import os
from typing import Any, NamedTuple

from input_pipeline.errors import UserError


class Place(NamedTuple):
    """A file or folder of a file system."""

    system: Any  # a pyarrow.fs.FileSystem
    path: str  # in it

    def __truediv__(self, name: str) -> "Place":
        return Place(self.system, f"{self.path.rstrip('/')}/{name}")


def place_of(name: str) -> Place:
    """The place that a path or a URI such as ``s3://bucket/key`` means.

    What a store needs to be told follows a ``?``, as
    ``s3://bucket/key?endpoint_override=127.0.0.1:9000&scheme=http``. ``UserError`` for a store that
    pyarrow does not know.
    """
    if "://" not in name:
        from pyarrow import fs

        return Place(fs.LocalFileSystem(), os.path.abspath(name))
    address, _, options = name.partition("?")
    scheme, _, rest = address.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme == "file":
        return place_of(f"/{key}")
    # A key may hold what a URI may not: it is put behind the bucket as it is.
    system, root = _opened(f"{scheme}://{bucket}" + (f"?{options}" if options else ""))
    return Place(system, f"{root}/{key}" if key else root)


def options_of(name: str) -> dict[str, str]:
    """The bucket of a URI and what its store needs to be told; empty where that is nothing."""
    address, _, options = name.partition("?")
    if "://" not in name or not options:
        return {}
    return {bucket_of(address): options}


def bucket_of(uri: str) -> str:
    """``s3://bucket`` of ``s3://bucket/key``."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


@functools.cache
def _opened(uri: str) -> tuple[Any, str]:
    import pyarrow
    from pyarrow import fs

    try:
        return fs.FileSystem.from_uri(uri)
    except (pyarrow.ArrowException, ValueError) as error:
        raise UserError(
            f"{uri} cannot be opened: {error}; give a path, or a URI of s3, gs, abfs, hdfs or file"
        ) from error
