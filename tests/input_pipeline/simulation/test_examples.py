"""Example pictures of one's own making, as files."""

import numpy as np
import pytest
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.simulation import examples
from input_pipeline.simulation.examples import write_examples


def grey(path):
    pixels = np.asarray(Image.open(path).convert("L"), np.float64)
    assert pixels.shape == (256, 256)
    return pixels.ravel()


def test_examples_are_files_named_for_what_they_are(tmp_path, monkeypatch):
    paths = write_examples(tmp_path)
    assert sorted(path.name for path in paths) == sorted(p.name for p in tmp_path.iterdir())
    kinds = [path.name.split("-")[0] for path in paths]
    assert kinds == ["photograph", "photograph", "generated", "generated", "photograph"]
    # A generated picture shows what its photograph shows, and no two pictures are the same.
    first, second, of_first, of_second, _ = map(grey, paths)
    assert np.corrcoef(first, of_first)[0, 1] > 0.9 > np.corrcoef(second, of_first)[0, 1]
    assert np.corrcoef(second, of_second)[0, 1] > 0.9
    assert len({path.read_bytes() for path in paths}) == len(paths)
    # They are written again, but over no picture of the user's.
    assert write_examples(tmp_path) == paths
    pngs = [path.read_bytes() for path in paths]
    monkeypatch.setattr(examples, "render_examples", lambda: pngs)
    paths[0].write_bytes(b"mine")
    with pytest.raises(UserError, match=r"photograph-1\.png is another picture"):
        write_examples(tmp_path)
    assert paths[0].read_bytes() == b"mine"
