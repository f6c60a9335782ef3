"""The command that measures what decoders do to residuals and logits, and its tables."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from docs.research import decoder_table, decoder_traces
from docs.research.decoder_traces import FOUND, KINDS, residuals, saved
from docs.research.decoders import decoders


def test_residuals_are_the_paper_s():
    """Each pixel less the one at the top left of its block, worked out by hand."""
    grey = np.array([[10, 14], [10, 2]], np.uint8)
    pixels = np.tile(grey[..., None], (3, 2, 3))
    np.testing.assert_allclose(residuals(pixels), [(4 + 0 + 8) / 4, 0], atol=1e-9)
    red = np.zeros((2, 2, 3), np.uint8)
    red[0, 1, 0] = 100
    luma, colour = residuals(red)
    assert luma == pytest.approx(29.9 / 4)
    assert colour == pytest.approx((16.87 + 50) / 2 / 4, abs=1e-3)


@pytest.mark.slow
def test_what_is_measured_is_laid_out(tmp_path, monkeypatch):
    pytest.importorskip("pillow_heif")
    pytest.importorskip("pillow_jxl")
    pytest.importorskip("simplejpeg")

    @contextlib.contextmanager
    def few():
        with decoders() as known:
            wanted = ("this project", "Pillow", "pillow-heif", "simplejpeg, fastupsample")
            yield [decoder for decoder in known if decoder.name in wanted]

    monkeypatch.setattr(decoder_traces, "decoders", few)
    folder = tmp_path / "in/dev/camera/0_real"
    folder.mkdir(parents=True)
    for seed in range(2):
        coarse = np.random.default_rng(seed).integers(60, 200, (20, 20, 3), np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC))
        (folder / f"{seed}.jpg").write_bytes(saved(picture, "JPEG 4:2:0"))
    (folder / "other.jpg").write_bytes(saved(picture, "JPEG 4:4:4"))  # not taken
    output = tmp_path / "new" / "decoders.csv"
    decoder_traces.main([str(tmp_path / "in"), str(output), "--made=1", "--photographs=2"])
    rows = decoder_table.read_rows(output)
    of = {(row["pictures"], row["file"], row["decoder"]): row for row in rows}
    for kind in KINDS:
        own = of[decoder_traces.EVEN, kind, "this project"]
        assert (own["changed"], own["luma"], own["colour"]) == ("0.0000", "1.0000", "1.0000")
    fast = of[FOUND, "JPEG 4:2:0", "simplejpeg, fastupsample"]
    assert fast["count"] == "2"
    assert float(fast["colour"]) < 0.5
    assert float(fast["luma"]) == pytest.approx(1, abs=0.05)
    assert float(fast["shift"]) <= float(fast["shift_largest"])
    assert float(of[FOUND, "HEIC 4:2:0", "pillow-heif"]["colour"]) < 0.5
    block = decoder_table.found_block(rows)
    assert "2 photographs; the spread of their logits" in block
    [line] = [line for line in block.splitlines() if line.startswith("| Pillow ")]
    assert line.count("=") == 4  # it reads no HEIC
    assert "| JPEG 4:2:0 odd |" in decoder_table.made_block(rows)


def test_without_a_table_the_page_says_so(tmp_path):
    assert decoder_table.read_rows(tmp_path / "none.csv") == []
    assert decoder_table.made_block([]).startswith("Not measured yet")
    assert decoder_table.found_block([]).startswith("Not measured yet")
