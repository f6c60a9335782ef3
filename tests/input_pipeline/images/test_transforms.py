"""Decoding of every kind of file, resizing, cropping, re-encoding."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images import transforms
from input_pipeline.images.problems import UnreadableImageError


def scene(height=48, width=64):
    """A smooth colour image with some texture."""
    y, x = np.mgrid[:height, :width]
    planes = (x * 3 + y, 128 + 90 * np.sin(x / 5) * np.cos(y / 7), (x * y) % 97 + y)
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


def file_of(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_lossless_files_decode_to_their_pixels(kind):
    pixels = scene()
    decoded = transforms.decode(file_of(Image.fromarray(pixels), kind))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


def test_transparent_pixels_are_laid_on_grey():
    pixels = scene()
    alpha = np.linspace(0, 255, 64).astype(np.uint8) * np.ones((48, 1), np.uint8)
    share = alpha[..., None] / 255
    expected = pixels * share + 128 * (1 - share)
    rgba = Image.fromarray(np.dstack([pixels, alpha]))
    grey = Image.fromarray(np.dstack([pixels[..., :1], alpha]))
    for kind in ("PNG", "TIFF"):
        decoded = transforms.decode(file_of(rgba, kind))
        np.testing.assert_allclose(decoded, expected, rtol=0, atol=0.5 + 1e-9)
        decoded = transforms.decode(file_of(grey, kind))
        np.testing.assert_allclose(decoded, expected[..., :1].repeat(3, -1), rtol=0, atol=0.501)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colours_under_transparency_change_nothing(kind):
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[10:30] = 0
    hidden = np.dstack([scene(), alpha])
    other = hidden.copy()
    other[10:30, :, :3] = np.random.default_rng(0).integers(0, 256, (20, 64, 3))
    options = {"WEBP": {"lossless": True, "exact": True}}.get(kind, {})
    decoded = [
        transforms.decode(file_of(Image.fromarray(image), kind, **options))
        for image in (hidden, other)
    ]
    np.testing.assert_array_equal(*decoded)
    assert (decoded[0][10:30] == 128).all()
    np.testing.assert_array_equal(decoded[0][30:], scene()[30:])


def test_a_picture_that_is_wholly_transparent_is_refused():
    for mode in ("RGBA", "LA"):
        with pytest.raises(UnreadableImageError, match="every pixel is transparent"):
            transforms.decode(file_of(Image.new(mode, (40, 40), 0)))


def test_grey_palette_and_bilevel_become_rgb():
    grey = scene()[..., 0]
    expected = np.repeat(grey[..., None], 3, -1)
    np.testing.assert_array_equal(transforms.decode(file_of(Image.fromarray(grey))), expected)

    palette = Image.fromarray(scene()).quantize(16)
    expected = np.array(palette.getpalette()[: 16 * 3]).reshape(-1, 3)[np.asarray(palette)]
    np.testing.assert_array_equal(transforms.decode(file_of(palette)), expected)
    opaque = file_of(palette, transparency=bytes([255] * 16))
    np.testing.assert_array_equal(transforms.decode(opaque), expected)
    first = file_of(palette, transparency=0)
    hidden = (np.asarray(palette) == 0)[..., None]
    np.testing.assert_array_equal(transforms.decode(first), np.where(hidden, 128, expected))

    bits = grey > 100
    decoded = transforms.decode(file_of(Image.fromarray(bits)))
    np.testing.assert_array_equal(decoded[..., 1], np.where(bits, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_upper_byte(kind):
    values = np.random.default_rng(0).integers(0, 65536, (20, 30)).astype(np.uint16)
    decoded = transforms.decode(file_of(Image.fromarray(values), kind))
    np.testing.assert_array_equal(decoded, np.repeat((values // 256)[..., None], 3, -1))


def test_16_bit_colour_keeps_its_upper_byte():
    values = np.random.default_rng(1).integers(0, 65536, (9, 11, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 11, 9, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(transforms.decode(png), values // 256)


def test_exif_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees for display
    data = file_of(Image.fromarray(scene()), "PNG", exif=exif)
    np.testing.assert_array_equal(transforms.decode(data), scene())


def test_cmyk_and_the_first_frame_of_an_animation():
    cmyk = transforms.decode(file_of(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.astype(int) - scene()).mean() < 4
    frames = [Image.fromarray(np.full((8, 9, 3), value, np.uint8)) for value in (10, 200)]
    animation = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert transforms.decode(animation).shape == (8, 9, 3)
    assert transforms.decode(animation).max() <= 12


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"no image at all, just text", "not an image"),
        (file_of(Image.fromarray(scene()), "PNG")[:300], "damaged image: .* are missing"),
        (file_of(Image.fromarray(scene()), "JPEG")[:-60], "damaged image: .* are missing"),
        # PostScript is a program, not an image: Pillow would run an interpreter on it.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_unreadable_bytes_give_a_reason(data, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        transforms.decode(data)


def test_absurdly_large_images_are_refused_before_any_pixel_is_decoded():
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + head
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    png += struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    with pytest.raises(UnreadableImageError, match="too large"):
        transforms.decode(png)
    with pytest.raises(UnreadableImageError, match="too large: 64 x 48 is more than 3000 pixels"):
        transforms.decode(file_of(Image.fromarray(scene())), max_pixels=3000)


def test_no_mutation_of_any_format_escapes_as_another_exception():
    rng = np.random.default_rng(3)
    image = Image.fromarray(scene(20, 28))
    kinds = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "TGA", "WEBP"]
    outcomes = {"read": 0, "refused": 0}
    for kind in kinds:
        original = file_of(image, kind)
        for _ in range(150):
            data = bytearray(original)
            if rng.random() < 0.3:
                del data[rng.integers(1, len(data)) :]
            for at in rng.integers(0, min(len(data), 200), rng.integers(0, 6)):
                data[at] = rng.integers(0, 256)
            try:
                pixels = transforms.decode(bytes(data), max_pixels=10**6)
            except UnreadableImageError:
                outcomes["refused"] += 1
            else:
                assert pixels.dtype == np.uint8
                assert pixels.shape[2] == 3
                outcomes["read"] += 1
    assert outcomes["refused"] > 300
    assert outcomes["read"] > 100


def test_squash_is_pils_antialiased_bilinear():
    pixels = scene(300, 200)
    expected = np.asarray(Image.fromarray(pixels).resize((256, 256), Image.BILINEAR))
    np.testing.assert_array_equal(transforms.resize_to(pixels, 256), expected)
    assert transforms.resize_to(expected, 256) is expected


@pytest.mark.parametrize(("height", "width"), [(40, 50), (41, 53), (30, 30), (33, 64)])
def test_centre_crop_as_torchvision(height, width):
    pixels = scene(height, width)
    top, left = round((height - 30) / 2.0), round((width - 30) / 2.0)
    np.testing.assert_array_equal(
        transforms.centre_crop(pixels, 30), pixels[top : top + 30, left : left + 30]
    )


def test_random_crops_reach_every_place_and_stay_inside():
    pixels = scene(34, 33)
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(400):
        crop = transforms.random_crop(pixels, 32, rng)
        assert crop.shape == (32, 32, 3)
        found |= {
            (top, left)
            for top in range(3)
            for left in range(2)
            if np.array_equal(crop, pixels[top : top + 32, left : left + 32])
        }
    assert found == {(top, left) for top in range(3) for left in range(2)}


def test_smaller_images_are_padded_by_reflection():
    pixels = scene(5, 40)
    for crop in (
        transforms.centre_crop(pixels, 16),
        transforms.random_crop(pixels, 16, np.random.default_rng(0)),
    ):
        assert crop.shape == (16, 16, 3)
        columns = {column.tobytes() for column in pixels.transpose(1, 0, 2)}
        assert {column.tobytes() for column in crop[5:10].transpose(1, 0, 2)} <= columns
        np.testing.assert_array_equal(crop[4], crop[6])  # a mirror at the first row


@pytest.mark.parametrize(("height", "width"), [(5, 40), (16, 7), (6, 5), (1, 1), (20, 30)])
def test_small_images_are_tiled_in_whole_copies_from_the_top_left(height, width):
    pixels, size = scene(height, width), 16
    tall = height * -(-size // height) if height < size else height
    wide = width * -(-size // width) if width < size else width
    tiled = np.array(
        [[pixels[row % height, column % width] for column in range(wide)] for row in range(tall)]
    )
    np.testing.assert_array_equal(transforms.enlarge(pixels, size, "tile"), tiled)
    top, left = round((tall - size) / 2), round((wide - size) / 2)
    np.testing.assert_array_equal(
        transforms.centre_crop(pixels, size, "tile"),
        np.tile(pixels, (16, 16, 1))[top : top + size, left : left + size],
    )
    windows = np.lib.stride_tricks.sliding_window_view(tiled, (size, size, 3))
    found = set()
    rng = np.random.default_rng(0)
    for _ in range(300):
        crop = transforms.random_crop(pixels, size, rng, "tile")
        places = np.argwhere((windows == crop).all(axis=(-1, -2, -3)))
        assert len(places)
        found |= {tuple(place) for place in places}
    assert len(found) > 0.8 * windows.shape[0] * windows.shape[1]


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    # Figures of torchvision.transforms.Resize(256): the long side is int(256 * long / short).
    [
        (300, 200, (384, 256)),
        (200, 300, (256, 384)),
        (333, 500, (256, 384)),
        (500, 333, (384, 256)),
        (427, 640, (256, 383)),
        (97, 31, (801, 256)),
        (77, 77, (256, 256)),
    ],
)
def test_short_side_keeps_the_aspect_as_torchvision(height, width, expected):
    pixels = scene(height, width)
    resized = transforms.resize_to(pixels, 256, "short_side")
    assert resized.shape[:2] == expected
    reference = Image.fromarray(pixels).resize(expected[::-1], Image.BILINEAR)
    np.testing.assert_array_equal(resized, np.asarray(reference))
    assert transforms.resize_to(resized, 256, "short_side") is resized


def test_jpeg_is_one_trip_through_pil():
    pixels = scene()
    data = file_of(Image.fromarray(pixels), "JPEG", quality=60, subsampling=2)
    np.testing.assert_array_equal(
        transforms.jpeg(pixels, 60), np.asarray(Image.open(io.BytesIO(data)))
    )
    with pytest.raises(ValueError, match="quality is 0; allowed is 1 to 100"):
        transforms.jpeg(pixels, 0)


@pytest.mark.parametrize(("height", "width"), [(100, 130), (97, 64), (64, 200), (40, 70)])
def test_crop_of_a_reencoded_image_needs_no_more_than_a_window(height, width):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    for seed in range(12):
        quality = 30 + 5 * seed
        expected = transforms.random_crop(
            transforms.jpeg(pixels, quality), 50, np.random.default_rng(seed)
        )
        found = transforms.random_crop_after_jpeg(pixels, 50, quality, np.random.default_rng(seed))
        np.testing.assert_array_equal(found, expected)


def test_delivery():
    large, small = scene(600, 1500), scene(90, 120)
    assert transforms.deliver(large, "clean") is large
    assert transforms.deliver(large, "web").shape == (410, 1024, 3)
    assert transforms.deliver(large, "hard").shape == (205, 512, 3)
    np.testing.assert_array_equal(transforms.deliver(small, "web"), transforms.jpeg(small, 75))
    np.testing.assert_array_equal(transforms.deliver(small, "hard"), transforms.jpeg(small, 40))
    with pytest.raises(ValueError, match="delivery is 'post'; allowed are"):
        transforms.deliver(small, "post")
