"""Damaged files of every kind end with a result or a sentence; the same ones for the same seed."""

import io
import json
import os
import random
import subprocess
import sys

import pytest
from PIL import Image

from benchmarks.faults_inputs import damaged
from benchmarks.mutations import Kind, mutate, mutate_json, with_png_sums
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode


def test_a_seed_and_a_number_are_a_file():
    kind = Kind([b"some bytes of a file" * 20, b"and others" * 9], lambda data, folder: None)
    files = [damaged(kind, "text", 3, number) for number in range(40)]
    assert files == [damaged(kind, "text", 3, number) for number in range(40)]
    assert len(set(files)) > 35
    assert files != [damaged(kind, "text", 4, number) for number in range(40)]


def test_every_damage_takes_files_of_any_length():
    rng = random.Random(0)
    for size in (0, 1, 7, 300):
        for _ in range(100):
            assert isinstance(mutate(rng, bytes(size), b"x" * (300 - size)), bytes)


def test_json_is_mostly_damaged_inside():
    rng, sound = random.Random(0), json.dumps({"a": [1, {"b": "c"}], "d": None}).encode()
    read = 0
    for _ in range(200):
        try:
            read += json.loads(mutate_json(rng, sound, sound)) != json.loads(sound)
        except (ValueError, RecursionError):
            continue
    assert read > 100


def test_checksums_of_a_damaged_png_are_right_again():
    file = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(file, "PNG")
    whole = file.getvalue()
    broken = whole[:29] + bytes(4) + whole[33:]  # the checksum of the first chunk
    with pytest.raises(UnreadableImageError):
        decode(broken)
    assert with_png_sums(broken) == whole


@pytest.mark.slow
def test_a_small_campaign_finds_nothing_but_results_and_refusals(root, tmp_path):
    path = tmp_path / "inputs.json"
    command = [sys.executable, "benchmarks/faults.py", "inputs", "--number=400", "--seed=11"]
    environment = {**os.environ, "PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [*command, f"--json={path}"], cwd=root, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(path.read_text())
    assert {"JPEG", "PNG interlaced", "WebP", "TFRecord", "card", "zip", "tar"} <= found.keys()
    assert all(set(kind["counts"]) <= {"result", "refused"} for kind in found.values())
    assert sum(kind["counts"].get("result", 0) for kind in found.values()) > 50
