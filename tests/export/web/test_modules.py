"""The page's own arithmetic, run by Node.js, against Pillow, numpy and the Python it repeats."""

import io
import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from benchmarks.web_pictures import chunk, png_file
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.images.transforms import UnreadableImageError, centre_crop, decode
from npr_jax.export.web.folder import PAGE, view_of
from npr_jax.inference.evidence_images import residual_pixels
from npr_jax.residuals.front_end import paper_front_end

SHAPES = [(64, 64), (131, 187), (500, 33), (257, 255), (64, 100)]
PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
ADAM7 = (*ADAM7, (0, 1, 1, 2))


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs jobs by the page's modules; returns the bytes that each of them made."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path_factory.mktemp("modules")
    for path in PAGE.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}')

    def run(jobs):
        for number, job in enumerate(jobs):
            content = job.pop("content")
            job |= {"input": str(folder / f"{number}.in"), "output": str(folder / f"{number}.out")}
            pathlib.Path(job["input"]).write_bytes(content)
        (folder / "jobs.json").write_text(json.dumps(jobs))
        script = pathlib.Path(__file__).with_name("run_modules.mjs")
        subprocess.run([program, script, folder, folder / "jobs.json"], check=True, timeout=500)
        return [pathlib.Path(job["output"]).read_bytes() for job in jobs]

    return run


def pictures():
    drawn = np.random.default_rng(0)
    for shape in SHAPES:
        pixels = drawn.integers(0, 256, (*shape, 3), np.uint8)
        pixels[: shape[0] // 3] = 255  # flat and at the end of the range: sums reach their limit
        yield pixels


def check(node, cases):
    """Cases are (what it is, job, pixels wanted)."""
    jobs = [job for _, job, _ in cases]
    for (what, _, wanted), made in zip(cases, node(jobs), strict=True):
        found = np.frombuffer(made, np.uint8)
        assert found.size == wanted.size, what
        np.testing.assert_array_equal(found.reshape(wanted.shape), wanted, err_msg=str(what))


def job(kind, pixels, **settings):
    content = np.ascontiguousarray(pixels).tobytes()
    return {"kind": kind, "content": content, "shape": pixels.shape[:2], **settings}


def test_resize_is_pillows_to_the_bit(node):
    cases = []
    for pixels in pictures():
        for width, height in ((64, 64), (256, 256), (32, 32), (33, 64), (64, 50), (100, 64)):
            wanted = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
            settings = {"width": width, "height": height}
            cases.append(
                (
                    (pixels.shape, settings),
                    job("resize", pixels, **settings),
                    np.asarray(wanted),
                )
            )
    check(node, cases)


def test_centre_crop_is_that_of_the_pipeline(node):
    cases = []
    for pixels in pictures():
        for size in (32, 63, 64, 130, 300, 1201):  # up to many reflections of the narrow one
            for how in ("reflect", "tile"):
                wanted = centre_crop(pixels, size, how)
                what = (pixels.shape, size, how)
                cases.append((what, job("crop", pixels, size=size, how=how), wanted))
    check(node, cases)


VIEWS = ((0.5, (0, 0)), (0.25, (1, 2)), (0.75, (0, 0)), (1 / 3, (2, 0)), (0.125, (0, 3)))


def test_pictures_are_cut_as_the_pipeline_cuts_them(node):
    cases = []
    for pixels in pictures():
        for settings in ({}, {"resize": 50}, {"crop": 63}):
            for multiple in (1, 2, 12):
                way = Preprocessing(**settings, multiple_of=multiple)
                job_of = job("prepare", pixels, steps=way.values())
                cases.append(((pixels.shape, settings, multiple), job_of, way(pixels)))
    check(node, cases)


def test_residual_maps_are_those_of_the_report(node):
    """Of pictures whose sides are whole blocks, as they are scored."""
    cases = []
    for pixels in pictures():
        for factor, phase in VIEWS:
            end = paper_front_end(factor, "nearest", phase)
            height, width = (side // end.period * end.period for side in pixels.shape[:2])
            scored = pixels[:height, :width]
            wanted = residual_pixels(scored, end)
            made = job("residual", scored, view=view_of(end))
            cases.append(((scored.shape, factor), made, np.asarray(wanted)))
    check(node, cases)


def test_references_are_the_networks_at_every_size(node):
    """From 32 to 1,024 pixels; by float32's rounding some sizes could have others."""
    jobs, wanted = [], []
    for factor, phase in VIEWS:
        end = paper_front_end(factor, "nearest", phase)
        block = view_of(end)["columns"]
        jobs.append(
            {"kind": "references", "content": b"", "block": block, "first": 32} | {"last": 1024}
        )
        lengths = (n // end.period * end.period for n in range(32, 1025))
        wanted.append(np.concatenate([end.operator(n, 1) for n in lengths]))
    for (factor, _), made, expected in zip(VIEWS, node(jobs), wanted, strict=True):
        np.testing.assert_array_equal(np.frombuffer(made, np.int32), expected, err_msg=str(factor))


def made_up_png(drawn, width, height, depth, colours, interlaced):
    """A PNG of noise that uses every filter."""

    def rows(width, height):
        stride = (width * SAMPLES[colours] * depth + 7) // 8
        parts = [bytes([drawn.integers(0, 5)]) + drawn.bytes(stride) for _ in range(height)]
        return b"".join(parts)

    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes]
    packed = b"".join(rows(w, h) for w, h in sizes if w > 0 and h > 0)
    # Fewer colours than indices can name.
    palette = drawn.bytes(3 * min(200, 2**depth)) if colours == 3 else b""
    options = {"interlaced": interlaced, "palette": palette}
    return png_file(width, height, depth, colours, packed, **options)


def test_png_files_of_every_kind_are_read_as_pillow_reads_them(node):
    drawn = np.random.default_rng(1)
    cases = []
    for colours, depths in PNG_DEPTHS.items():
        for depth in depths:
            for interlaced in (False, True):
                for width, height in ((37, 41), (1, 1), (3, 9)):
                    content = made_up_png(drawn, width, height, depth, colours, interlaced)
                    what = (colours, depth, interlaced, width, height)
                    cases.append((what, {"kind": "png", "content": content}, decode(content)))
    check(node, cases)


def test_transparent_png_files_are_laid_on_grey(node):
    drawn = np.random.default_rng(4)
    kinds = {0: b"\0\x42", 2: bytes([0, 1, 0, 2, 0, 3]), 3: drawn.bytes(90)}
    cases = []
    for colours, key in kinds.items():
        content = made_up_png(drawn, 37, 41, 8, colours, False)
        start = content.index(b"IDAT") - 4
        made = content[:start] + chunk(b"tRNS", key) + content[start:]
        cases.append((colours, {"kind": "png", "content": made}, decode(made)))
    pixels = np.asarray(Image.open(io.BytesIO(made_up_png(drawn, 9, 8, 8, 2, False)))).copy()
    pixels[2:5] = 1, 2, 3
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    content = png_file(9, 8, 8, 2, rows)
    start = content.index(b"IDAT") - 4
    made = content[:start] + chunk(b"tRNS", kinds[2]) + content[start:]
    assert (decode(made)[2:5] == 128).all()
    cases.append(("key", {"kind": "png", "content": made}, decode(made)))
    check(node, cases)


def test_png_files_of_10_and_12_bits_are_scaled_by_their_range(node):
    drawn = np.random.default_rng(5)
    cases = []
    for depth in (8, 10, 12, 14, 16):
        for colours in (0, 2, 4, 6):
            values = drawn.integers(0, 2**depth, (20, 30, SAMPLES[colours])).astype(">u2")
            rows = b"".join(b"\0" + row.tobytes() for row in values)
            content = png_file(30, 20, 16, colours, rows)
            cases.append(((depth, colours), {"kind": "png", "content": content}, decode(content)))
    check(node, cases)


def test_damaged_png_files_are_refused(node):
    whole = made_up_png(np.random.default_rng(2), 40, 40, 8, 2, False)
    header = whole[:33]
    damaged = {
        "half": whole[: len(whole) // 2],
        "header only": header,
        "no pixels": header + chunk(b"IEND", b""),
        "other compression": whole[:26] + b"\1" + whole[27:],
        "no zlib": png_file(40, 40, 8, 2, b"").replace(b"\x78\x9c", b"\0\0"),
        "changed": whole[:900] + bytes([whole[900] ^ 0x55]) + whole[901:],
        "unknown filter": png_file(40, 40, 8, 2, (b"\7" + bytes(120)) * 40),
    }
    for content in damaged.values():
        with pytest.raises(UnreadableImageError):
            decode(content)
    # Pillow makes black of these.
    damaged["no palette"] = png_file(40, 40, 8, 3, bytes(41 * 40))
    damaged["half of the rows"] = png_file(40, 40, 8, 2, bytes(121 * 20))
    made = node([{"kind": "png", "content": content} for content in damaged.values()])
    for name, result in zip(damaged, made, strict=True):
        assert result.startswith(b"refused: This PNG file is damaged"), name


def test_png_files_with_bytes_after_their_end_are_read(node):
    whole = made_up_png(np.random.default_rng(3), 40, 40, 8, 2, False)
    end = whole.index(b"IEND") - 8
    wrong = whole[:end] + bytes(4) + whole[end + 4 :]  # of a chunk; that of the stream is right
    contents = {"trailing": whole + b"more", "no end": whole[:-12], "a checksum": wrong}
    cases = [(name, {"kind": "png", "content": made}) for name, made in contents.items()]
    check(node, [(*case, decode(whole)) for case in cases])
    for made in contents.values():
        np.testing.assert_array_equal(decode(made), decode(whole))
