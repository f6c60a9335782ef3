"""The folder of the page: what is in it, how large it is, and what is refused."""

import gzip
import hashlib
import json
import re
import shutil

import numpy as np
import onnxruntime
import pytest

from benchmarks.web_pictures import scene
from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from npr_jax.export.formats import export_detector
from npr_jax.export.web import folder, packages
from npr_jax.export.web.folder import write_page
from npr_jax.inference.detector import Detector
from tests.export.web.pages import RECIPES, make_detector

MOST_BYTES = {"npr": 6_000_000, "multiscale_attention": 9_000_000}


@pytest.mark.parametrize("system", MOST_BYTES)
def test_model_and_page_are_small(npm_packages, tmp_path, system):
    paper = RECIPES[system].get_config().model.backbone
    sizes = write_page(make_detector(system, paper, calibrated=False), tmp_path / "site")
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    own = sum(path.stat().st_size for path in files if path.parent.name != "vendor")
    assert sizes["model"] + sizes["page"] == own < MOST_BYTES[system]
    whole = sum(path.stat().st_size for path in files)
    assert sizes["vendor"] == whole - own < 4_500_000


def test_the_folder_describes_its_detector(site, detector):
    said = json.loads((site / "model.json").read_text())
    model = (site / "model.onnx").read_bytes()
    assert said["model_sha256"] == hashlib.sha256(model).hexdigest()
    assert said["calibration"]["temperature"] == detector.calibration.temperature
    assert (said["system"], said["preprocessing"]) == (
        "npr",
        "native size, sides cut to multiples of 2 pixels",
    )
    assert said["steps"] == {
        "resize": 0,
        "crop": 0,
        "small_images": "reflect",
        "multiple_of": 2,
    }
    session = onnxruntime.InferenceSession(model)
    pixels = scene(1)[None, :99]
    probability, logits = session.run(["probability", "logits"], {"images": pixels})
    np.testing.assert_allclose(logits, detector.logits(pixels), atol=1e-4)
    scaled = logits / detector.calibration.temperature + detector.calibration.bias
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-scaled)), atol=1e-4)


def test_what_it_runs_on_is_unchanged_and_its_licences_are_there(npm_packages, site):
    original = npm_packages["onnxruntime-web"]["dist/ort-wasm-simd-threaded.wasm"]
    packed = (site / "vendor" / "ort-wasm-simd-threaded.wasm.gz").read_bytes()
    assert gzip.decompress(packed) == original
    texts = {path.name: path.read_text() for path in site.glob("vendor/LICENSE-*")}
    assert len(texts) == len(packages.PACKAGES)
    runtime = texts["LICENSE-onnxruntime-web-1.30.0.txt"]
    assert "Copyright (c) Microsoft Corporation" in runtime
    assert "Permission is hereby granted, free of charge" in runtime
    assert "Apache License" in texts["LICENSE-jsquash-jpeg-1.6.0.txt"]
    assert "Modified (3-clause) BSD License" in texts["LICENSE-jsquash-jpeg-1.6.0.txt"]
    assert "Redistribution and use" in texts["LICENSE-jsquash-webp-1.5.0.txt"]


def test_the_page_names_no_other_host():
    pattern = re.compile(r"https?://[^\s\"'`)]+")
    for path in folder.PAGE.iterdir():
        assert not pattern.findall(path.read_text(encoding="utf-8")), path.name


def test_a_page_is_replaced_but_no_other_folder(site, npm_packages, tmp_path):
    detector = make_detector(calibrated=False)
    target = tmp_path / "site"
    shutil.copytree(site, target)
    write_page(detector, target)
    assert json.loads((target / "model.json").read_text())["calibration"] is None
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_bytes(b"precious")
    with pytest.raises(ValueError, match="holds other files; give a folder that does not exist"):
        write_page(detector, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["photo.png"]


def test_nothing_that_was_put_beside_a_page_is_lost(site, npm_packages, tmp_path):
    """A host's files, say; those of an earlier version, which has listed them, are replaced."""
    detector, target = make_detector(calibrated=False), tmp_path / "site"
    shutil.copytree(site, target)
    said = json.loads((target / "model.json").read_text())
    (target / "model.json").write_text(json.dumps(said | {"files": ["vendor/old.js"]}))
    (target / "vendor" / "old.js").touch()
    for name in ("robots.txt", "pics/a.png", "vendor/mine.js"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_bytes(b"precious")
        with pytest.raises(UserError, match=rf"\(found {name.removesuffix('/a.png')}\)$"):
            write_page(detector, target)
        assert (target / name).read_bytes() == b"precious"
        (target / name).rename(tmp_path / "elsewhere")
        if name.startswith("pics"):
            (target / "pics").rmdir()
    write_page(detector, target)
    assert not (target / "vendor" / "old.js").exists()
    shutil.copytree(site, target, dirs_exist_ok=True)
    (target / "model.json").write_text('{"format": "layers-model"}')
    with pytest.raises(UserError, match=r"\(found card.js, codecs.js, decode.js and \d+ more\)$"):
        write_page(detector, target)


def test_detectors_that_a_browser_cannot_repeat_are_refused(tmp_path):
    plain = make_detector(calibrated=False)
    reencoding = Detector(plain.model, Preprocessing(jpeg_quality=90), source="tests")
    with pytest.raises(ValueError, match=r"re-encodes files as JPEG 90 .* trained without"):
        export_detector(reencoding, "web", str(tmp_path / "site"))
    for system in ("metadata", "dire"):
        other = Detector(plain.model, source="tests", system=system)
        with pytest.raises(ValueError, match=f"{system} looks at more of a file than its pixels"):
            export_detector(other, "web", str(tmp_path / "site"))
    assert not (tmp_path / "site").exists()


def test_packages_come_from_a_folder_or_npm_says_why_not(tmp_path, monkeypatch):
    package = packages.PACKAGES[1]
    with pytest.raises(ValueError, match=f"has no {package.file_name}; where there is a network"):
        packages.read_package(package, str(tmp_path))
    (tmp_path / package.file_name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"is not @jsquash/jpeg 1.6.0 as published"):
        packages.read_package(package, str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"npm is not installed.* --web_packages=FOLDER"):
        packages.read_package(package, "")
    failing = tmp_path / "npm"
    failing.write_text("#!/bin/sh\necho 'npm error network unreachable' >&2\nexit 1\n")
    failing.chmod(0o755)
    with pytest.raises(ValueError, match=r"could not fetch .*\(npm error network unreachable\)"):
        packages.read_package(package, "")
    assert list((tmp_path / "cache" / "npr_jax" / "web").iterdir()) == []


def test_what_npm_packed_by_hand_is_taken(npm_packages, tmp_path, monkeypatch):
    cached = packages.cache_folder()
    for package in packages.PACKAGES:
        shutil.copy(cached / package.file_name, tmp_path)
    monkeypatch.setenv("PATH", "")
    jpeg = packages.read_package(packages.PACKAGES[1], str(tmp_path))
    assert jpeg["codec/dec/mozjpeg_dec.wasm"].startswith(b"\0asm")
