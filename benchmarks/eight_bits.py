"""The bundled detector in 8 bits beside float32, both by ONNX Runtime, on real pictures.

    OMP_NUM_THREADS=1 python -m benchmarks.eight_bits REALWORLD [--every=1]

Scores the whole pictures of the split ``dev`` of a folder (docs/data.md), after each delivery, in
either precision: processor seconds, AUC over all pictures, how far logits lie apart, in standard
deviations of the float32 ones, and how many verdicts become another.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.processor import processor_name
from input_pipeline.images.transforms import DELIVERIES, decode, deliver
from input_pipeline.prepare.folders import ImageFile
from input_pipeline.prepare.sources import find_source
from npr_jax.detectors.card import own_card
from npr_jax.inference.packed_detector import PackedDetector
from npr_jax.inference.verdict import Scored

PRECISIONS = ("float32", "int8")
SPLIT = "dev"


def detectors() -> list[PackedDetector]:
    """The bundled one in each of ``PRECISIONS``."""
    found = [PackedDetector.open(own_card(), precision=name) for name in PRECISIONS]
    if None in found:
        raise SystemExit("ONNX Runtime is missing: pip install onnxruntime")
    return [detector for detector in found if detector is not None]


def compare(files: Sequence[ImageFile], delivery: str) -> tuple[str, np.ndarray]:
    """A line for the table, and the processor seconds of either precision."""
    both = detectors()
    seconds, logits = np.zeros(2), np.zeros((2, len(files)))
    for place, file in enumerate(files):
        pixels = deliver(decode(pathlib.Path(file.path).read_bytes()), delivery)
        for number, detector in enumerate(both):
            seen = detector.preprocessing(pixels)
            start = time.process_time()
            logits[number, place] = detector.logits([seen])[0]
            seconds[number] += time.process_time() - start
    labels = [file.label for file in files]
    areas = [100 * roc_auc_score(labels, own) for own in logits]
    apart = np.sqrt(np.mean(np.square(logits[1] - logits[0]))) / logits[0].std()
    float32, eight_bits = (
        [verdict(d, z) for z in own] for d, own in zip(both, logits, strict=True)
    )
    pairs = list(zip(float32, eight_bits, strict=True))
    changed = sum(a != b for a, b in pairs)
    flipped = sum({a, b} == {"generated", "photograph"} for a, b in pairs)
    return (
        f"{delivery}: AUC {areas[0]:.1f} and {areas[1]:.1f}, {apart:.2f} spreads apart, "
        f"{changed} of {len(files)} verdicts changed, {flipped} of them to the other class"
    ), seconds


def verdict(detector: PackedDetector, logit: float) -> str:
    """What ``predict`` says of a picture with this logit."""
    return detector.judge("", Scored(0, logit, None)).verdict


def main() -> None:
    """Prints a line for each delivery and the time of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("realworld", type=pathlib.Path, help="the folder with the split dev")
    parser.add_argument("--every", type=int, default=1, help="only every so many pictures")
    options = parser.parse_args()
    files = find_source(options.realworld).splits[SPLIT][:: options.every]
    print(f"{processor_name()}; {', '.join(d.source for d in detectors())}")
    whole = np.zeros(2)
    for delivery in DELIVERIES:
        line, seconds = compare(files, delivery)
        whole += seconds
        print(line, flush=True)
    print(
        f"processor seconds: {whole[0]:.0f} and {whole[1]:.0f}: "
        f"{whole[0] / whole[1]:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
