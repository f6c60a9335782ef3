"""Where `prepare` takes images from: which files, in which layout, of which data set."""

import os

from input_pipeline.errors import UserError
from input_pipeline.prepare.catalog import find_entry
from input_pipeline.prepare.catalog_folders import walk_entry
from input_pipeline.prepare.folders import Source, walk_classes, walk_separate


def find_source(
    source: str | os.PathLike[str] | None = None,
    *,
    dataset: str = "",
    split: str = "",
    photographs: str | os.PathLike[str] | None = None,
    generated: str | os.PathLike[str] | None = None,
) -> Source:
    """Sorts the files of a source.

    Args:
      source: a tree laid out as `folders.walk_classes` says, or as the catalogue says of `dataset`.
      dataset: name in the catalogue, or ''.
      split: name of the split of a tree without split folders; '' means 'test', or the catalogue's.
      photographs: tree of photographs, together with `generated` in place of `source`.
      generated: tree of generated images.

    Raises:
      ValueError: an argument is not allowed, or the trees hold no images.
    """
    separate = photographs is not None or generated is not None
    if dataset and (source is None or separate):
        raise UserError(
            f"--dataset={dataset} needs --source=DIR, and neither --photographs nor --generated."
        )
    if source is not None and not separate:
        if dataset:
            return walk_entry(find_entry(dataset), source, split)
        return walk_classes(source, split)
    if source is None and photographs is not None and generated is not None:
        return walk_separate(photographs, generated, split)
    raise UserError(
        "give either --source=DIR with folders 0_real and 1_fake inside, or both --photographs=DIR "
        "and --generated=DIR."
    )
