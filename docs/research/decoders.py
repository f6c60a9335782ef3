"""Libraries that decode pictures, as many as are installed: each a function from bytes to pixels.

Only what `pip` installs, besides the Chromium of the machine. Optional are the packages pyvips
(with pyvips-binary), av, imageio, jpeglib, pyjpegli, pymupdf, raylib, tensorflow-cpu and
playwright; a decoder whose package is missing is left out.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import io
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from input_pipeline.images.plugins import open_as
from input_pipeline.images.transforms import decode

Decode = Callable[[bytes], np.ndarray]
OURS = "this project"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_IN_BROWSER = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none",
    premultiplyAlpha: "none", imageOrientation: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const samples = context.getImageData(0, 0, width, height).data;
  let text = "";
  for (let at = 0; at < samples.length; at += 32768) {
    text += String.fromCharCode(...samples.subarray(at, at + 32768));
  }
  return [width, height, btoa(text)];
}"""


class Decoder(NamedTuple):
    """One way to decode.

    Attributes:
        name: for the table.
        package: of which version is told; '' for none.
        decode: bytes of a file to uint8 [h, w, 3] RGB; raises anything for what it does not read.
    """

    name: str
    package: str
    decode: Decode

    @property
    def version(self) -> str:
        """Of the package."""
        return importlib.metadata.version(self.package) if self.package else ""


@contextlib.contextmanager
def decoders() -> Iterator[list[Decoder]]:
    """Those that are installed, this project's own first."""
    with contextlib.ExitStack() as stack:
        found = [Decoder(OURS, "", decode)]
        for name, package, make in _KNOWN:
            with contextlib.suppress(ImportError, OSError):
                found.append(Decoder(name, package, make()))
        if browser := _chromium(stack):
            found.append(browser)
        yield found


def _pillow() -> Decode:
    with contextlib.suppress(ImportError):
        import pillow_jxl  # noqa: F401
    own = ("JPEG", "WEBP", "AVIF", "JXL")  # not HEIF, once pillow-heif has registered it
    return lambda data: np.asarray(open_as(data, own).convert("RGB"))


def _pillow_heif() -> Decode:
    import pillow_heif

    def read(data: bytes) -> np.ndarray:
        return np.asarray(pillow_heif.open_heif(data).to_pillow().convert("RGB"))

    return read


def _simplejpeg(**options: Any) -> Decode:
    from simplejpeg import decode_jpeg

    return lambda data: decode_jpeg(data, "RGB", **options)


def _imagecodecs(*names: str) -> Decode:
    import imagecodecs

    readers = [getattr(imagecodecs, f"{name}_decode") for name in names]

    def read(data: bytes) -> np.ndarray:
        for reader in readers:
            with contextlib.suppress(RuntimeError, ValueError, ImportError):
                return reader(data)
        raise ValueError("not read")

    return read


def _opencv() -> Decode:
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), flags)[..., ::-1]


def _imageio() -> Decode:
    from imageio import v3

    return lambda data: v3.imread(data)


def _libvips() -> Decode:
    import pyvips

    return lambda data: pyvips.Image.new_from_buffer(data, "").numpy()[..., :3]


def _ffmpeg() -> Decode:
    import av

    def read(data: bytes) -> np.ndarray:
        with av.open(io.BytesIO(data)) as container:
            return next(container.decode(video=0)).to_ndarray(format="rgb24")

    return read


def _tensorflow(**options: Any) -> Decode:
    import tensorflow as tf

    def read(data: bytes) -> np.ndarray:
        if data[:2] == b"\xff\xd8":
            return tf.io.decode_jpeg(data, channels=3, **options).numpy()
        return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()

    return read


def _jpeglib(version: str) -> Decode:
    import jpeglib

    def read(data: bytes) -> np.ndarray:
        if data[:2] != b"\xff\xd8":  # libjpeg would end the process
            raise ValueError("no JPEG")
        with tempfile.TemporaryDirectory() as folder, jpeglib.version(version):
            path = pathlib.Path(folder, "a.jpg")
            path.write_bytes(data)
            return jpeglib.read_spatial(str(path)).spatial

    return read


def _jpegli() -> Decode:
    import pyjpegli

    def read(data: bytes) -> np.ndarray:
        pixels, width, height = pyjpegli.decode(data)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    return read


def _mupdf() -> Decode:
    import pymupdf

    def read(data: bytes) -> np.ndarray:
        pixmap = pymupdf.Pixmap(data)
        return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, -1)

    return read


def _stb() -> Decode:
    import raylib

    def read(data: bytes) -> np.ndarray:
        image = raylib.LoadImageFromMemory(b".jpg", data, len(data))
        if image.data == raylib.ffi.NULL:
            raise ValueError("not read")
        samples = bytes(raylib.ffi.buffer(image.data, image.width * image.height * 3))
        raylib.UnloadImage(image)
        return np.frombuffer(samples, np.uint8).reshape(image.height, image.width, 3)

    return read


_ACCURATE = {"dct_method": "INTEGER_ACCURATE"}
_KNOWN: tuple[tuple[str, str, Callable[[], Decode]], ...] = (
    ("Pillow", "pillow", _pillow),
    ("pillow-heif", "pillow-heif", _pillow_heif),
    ("simplejpeg", "simplejpeg", _simplejpeg),
    ("simplejpeg, fastupsample", "simplejpeg", lambda: _simplejpeg(fastupsample=True)),
    ("imagecodecs", "imagecodecs", lambda: _imagecodecs("jpeg8", "webp", "avif", "jpegxl")),
    ("OpenCV", "opencv-python-headless", _opencv),
    ("imageio", "imageio", _imageio),
    ("libvips", "pyvips-binary", _libvips),
    ("FFmpeg (PyAV)", "av", _ffmpeg),
    ("TensorFlow", "tensorflow-cpu", _tensorflow),
    ("TensorFlow, INTEGER_ACCURATE", "tensorflow-cpu", lambda: _tensorflow(**_ACCURATE)),
    ("libjpeg 6b", "jpeglib", lambda: _jpeglib("6b")),
    ("libjpeg 7", "jpeglib", lambda: _jpeglib("7")),
    ("libjpeg 9f", "jpeglib", lambda: _jpeglib("9f")),
    ("MozJPEG 4.0.3", "jpeglib", lambda: _jpeglib("mozjpeg403")),
    ("jpegli", "pyjpegli", _jpegli),
    ("MuPDF", "pymupdf", _mupdf),
    ("stb_image (raylib)", "raylib", _stb),
)


def _chromium(stack: contextlib.ExitStack) -> Decoder | None:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if path is None:
        return None
    browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=path)
    stack.callback(browser.close)
    tab = browser.new_page()

    def read(data: bytes) -> np.ndarray:
        width, height, text = tab.evaluate(_IN_BROWSER, base64.b64encode(data).decode())
        samples = np.frombuffer(base64.b64decode(text), np.uint8)
        return samples.reshape(height, width, 4)[..., :3]

    return Decoder(f"Chromium {browser.version.partition('.')[0]}", "", read)
