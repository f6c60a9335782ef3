"""The pixels that a browser makes of picture files beside Pillow's, and what that does to scores.

    python benchmarks/web_decoding.py --site=FOLDER [--photographs=FOLDER --count=40]

FOLDER of --site is what `python main.py export --format=web` wrote. Each file is read in the
browser in three ways:

* plain: `createImageBitmap`, then a canvas, as pages mostly do;
* asked: the same, asked to leave colour profiles, transparency and rotation alone;
* page: as the page does it, by a decoder of its own where it has one.

All are compared with `input_pipeline.images.transforms.decode`, which predict reads files with: the
largest and the mean difference of samples (0 to 255), and the largest difference of the score, by
ONNX Runtime in Python on the pixels of both.
"""

from __future__ import annotations

import argparse
import base64
import collections
import functools
import http.server
import pathlib
import shutil
import threading
from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks.web_pictures import picture_files
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WAYS = ("plain", "asked", "page")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_READ = """async ([data, way]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  let width, height, samples, own = true;
  if (way === "page") {
    const { decode } = await import(new URL("decode.js", location).href);
    const limits = { min_side: 1, max_pixels: 1e9 };
    const { picture, byBrowser } = await decode(bytes, limits);
    ({ width, height, data: samples } = picture);
    own = !byBrowser;
  } else {
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none",
      imageOrientation: "none" };
    const bitmap = await createImageBitmap(new Blob([bytes]), way === "asked" ? options : {});
    ({ width, height } = bitmap);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    samples = new Uint8Array(width * height * 3);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) samples[3 * i + c] = rgba[4 * i + c];
    }
  }
  let text = "";
  for (let at = 0; at < samples.length; at += 32768) {
    text += String.fromCharCode(...samples.subarray(at, at + 32768));
  }
  return [width, height, btoa(text), own];
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


def measure(site: pathlib.Path, files: Iterable[tuple[str, str, bytes]]) -> list[dict]:
    """For each file and way: largest and mean difference, and that of the score."""
    import onnxruntime
    from playwright.sync_api import sync_playwright

    session = onnxruntime.InferenceSession(str(site / "model.onnx"))
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = []
    try:
        with sync_playwright() as playwright:
            path = next(filter(None, map(shutil.which, BROWSERS)))
            browser = playwright.chromium.launch(executable_path=path)
            tab = browser.new_page()
            tab.goto(f"http://127.0.0.1:{server.server_port}/")
            for kind, name, content in files:
                wanted = decode(content)
                score = _score(session, wanted)
                for way in WAYS:
                    pixels, own = _read(tab, content, way)
                    row = _difference(wanted, pixels)
                    row["score"] = abs(_score(session, pixels) - score)
                    found.append({"kind": kind, "name": name, "way": way, "own": own} | row)
            browser.close()
    finally:
        server.shutdown()
    return found


def _read(tab, content: bytes, way: str) -> tuple[np.ndarray, bool]:
    width, height, text, own = tab.evaluate(_READ, [base64.b64encode(content).decode(), way])
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3)
    return pixels, own


def _difference(wanted: np.ndarray, pixels: np.ndarray) -> dict[str, float]:
    if wanted.shape != pixels.shape:
        return {"largest": np.nan, "mean": np.nan}
    apart = np.abs(wanted.astype(int) - pixels)
    return {"largest": float(apart.max()), "mean": float(apart.mean())}


def _score(session, pixels: np.ndarray) -> float:
    return float(session.run(["probability"], {"images": pixels[None]})[0][0])


def format_rows(rows: list[dict]) -> str:
    """A line for each kind: the largest over its files (mean difference: the mean)."""
    kinds = collections.defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    heads = " | ".join(f"{way}: pixels, score" for way in WAYS)
    lines = [f"| files | n | {heads} | read by |", "|---|---|---|---|---|---|"]
    for kind, members in kinds.items():
        ways = {way: [row for row in members if row["way"] == way] for way in WAYS}
        cells = [_cell(ways[way]) for way in WAYS]
        own = "page" if all(row["own"] for row in ways["page"]) else "browser"
        lines.append(f"| {kind} | {len(ways['page'])} | {' | '.join(cells)} | {own} |")
    return "\n".join(lines)


def _cell(rows: list[dict]) -> str:
    largest = max(row["largest"] for row in rows)
    if any(np.isnan(row["largest"]) for row in rows):
        return f"turned, {max(row['score'] for row in rows):.1g}"
    mean = np.mean([row["mean"] for row in rows])
    score = max(row["score"] for row in rows)
    return "same" if not largest else f"{largest:.0f} (mean {mean:.2g}), {score:.1g}"


def photograph_files(folder: pathlib.Path, count: int) -> Iterator[tuple[str, str, bytes]]:
    """About ``count`` files, as many of each folder; those that cannot be read are left out."""
    folders = collections.defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            folders[path.parent].append(path)
    each = -(-count // len(folders))
    for paths in folders.values():
        for path in paths[:: max(1, len(paths) // each)][:each]:
            content = path.read_bytes()
            try:
                decode(content)
            except UnreadableImageError:
                continue
            kind = "PNG" if content[:4] == b"\x89PNG" else "JPEG"
            yield f"real: {kind}", path.name, content


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--site", type=pathlib.Path, required=True)
    parser.add_argument("--photographs", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    rows = measure(arguments.site, picture_files())
    if arguments.photographs:
        rows += measure(arguments.site, photograph_files(arguments.photographs, arguments.count))
    print(format_rows(rows))


if __name__ == "__main__":
    main()
