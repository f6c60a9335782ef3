"""What it costs to read what files say of themselves, beside plain `predict` of the same files.

    python benchmarks/provenance.py [--engine=onnxruntime] [--files=4] [--rounds=3] [--json=FILE]

The files are JPEGs of 12.6 megapixels, photograph-like, half of them with Content Credentials of a
certificate made here (needs the extras provenance and test). `predict` runs on them by the bundled
detector, without and with --provenance, in turn; what is compared is the processor time of
all threads, which other work on the machine does not change much. The parts are timed by
themselves: what every file says, credentials verified, the invisible mark (decoding included).
"""

import argparse
import contextlib
import functools
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pipeline import describe_machine
from benchmarks.pipeline_data import EDGE, photograph_like
from input_pipeline.images.invisible_mark import find_mark
from input_pipeline.images.transforms import decode
from input_pipeline.provenance.credentials import read_credentials
from input_pipeline.provenance.report import read_provenance
from input_pipeline.provenance.trust_lists import TrustList
from input_pipeline.storage.atomic_files import write_json
from npr_jax.inference.file_detector import FileDetector

TILES = (12, 16)  # of `EDGE` pixels, down and across
DIFFERENT = 6
QUALITY = 92
REPEATS = 5  # of a part
LIMIT_RATIO, LIMIT_MS = 1.15, 5.0


def photograph(index: int) -> bytes:
    """A JPEG of `TILES`, each one of a few photograph-like images."""
    rng = np.random.default_rng(index)
    tiles = np.stack([photograph_like(DIFFERENT * index + n) for n in range(DIFFERENT)])
    picture = tiles[rng.integers(0, DIFFERENT, TILES)].swapaxes(1, 2)
    pixels = picture.reshape(TILES[0] * EDGE, TILES[1] * EDGE, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def processor_seconds(work: Callable[[], object]) -> float:
    """Of all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def milliseconds(work: Callable[[bytes], object], files: list[bytes]) -> float:
    """A file, the best of a few times."""
    times = [processor_seconds(lambda: [work(data) for data in files]) for _ in range(REPEATS)]
    return 1000 * min(times) / len(files)


def open_detector(engine: str) -> FileDetector:
    """The bundled detector, as `predict --engine` opens it."""
    if engine == "flax":
        from npr_jax.inference.detector import Detector

        return Detector.default()
    from npr_jax.detectors.card import own_card
    from npr_jax.inference.packed_detector import PackedDetector

    card = own_card()
    packed = None if card is None else PackedDetector.open(card)
    if packed is None:
        raise SystemExit("ONNX Runtime is not installed: pip install 'npr-jax[fast]'")
    return packed


def measure(engine: str, count: int, rounds: int) -> dict[str, float]:
    """Seconds and milliseconds by what was done; the best of some rounds."""
    from npr_jax.cli.predict import predict_files
    from tests.input_pipeline.provenance.signing import Signer

    signer = Signer()
    trusted = TrustList("own", signer.root, "")
    plain = [photograph(index) for index in range(count)]
    signed = [signer.sign(data, "image/jpeg") for data in plain[: -(-count // 2)]]
    detector = open_detector(engine)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.jpg") for number in range(count)]
        for path, data in zip(paths, [*signed, *plain[len(signed) :]], strict=True):
            path.write_bytes(data)
        names = [str(path) for path in paths]

        def run(provenance: TrustList | None) -> None:
            table = str(Path(folder, "table.csv"))
            with contextlib.redirect_stderr(io.StringIO()):
                predict_files(detector, names, table, confidence=None, provenance=provenance)

        run(trusted)  # compiles, and imports
        seconds: dict[TrustList | None, list[float]] = {None: [], trusted: []}
        for _ in range(rounds):
            for provenance, found in seconds.items():
                found.append(processor_seconds(functools.partial(run, provenance)))
    ratios = [after / before for before, after in zip(*seconds.values(), strict=True)]
    return {
        "megabytes_a_file": sum(map(len, plain)) / count / 1e6,
        "predict_seconds_a_file": min(seconds[None]) / count,
        "with_provenance_seconds_a_file": min(seconds[trusted]) / count,
        "ratio": statistics.median(ratios),
        "least_ratio": min(ratios),
        "largest_ratio": max(ratios),
        "said_ms": milliseconds(read_provenance, plain),
        "said_by_signed_files_ms": milliseconds(read_provenance, signed),
        "credentials_ms": milliseconds(lambda data: read_credentials(data, trusted), signed),
        "mark_ms": milliseconds(lambda data: find_mark(decode(data)), plain),
    }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=["flax", "onnxruntime"], default="onnxruntime")
    parser.add_argument("--files", type=int, default=4, help="half of them signed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="writes the results there too")
    flags = parser.parse_args()
    machine = describe_machine()
    found = measure(flags.engine, flags.files, flags.rounds)
    for name, value in (machine | found).items():
        print(f"{name:32} {value:.3f}" if isinstance(value, float) else f"{name:32} {value}")
    print(f"goals: at most {LIMIT_RATIO} times predict, {LIMIT_MS:g} ms a file without credentials")
    if flags.json:
        write_json(flags.json, {"machine": machine, "results": found})


if __name__ == "__main__":
    main()
