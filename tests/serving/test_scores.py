"""The API's answers are those of ``predict`` for the same bytes, whatever the file."""

import base64
import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

import npr_jax
from input_pipeline.images.invisible_mark import write_mark
from npr_jax.cli.predict import predict_files
from npr_jax.detectors import calibration_file
from npr_jax.serving.page.render import file_lines
from npr_jax.serving.schema import FactsAnswer
from tests import runs

ORIENTATION, ROTATED = 0x0112, 6


def rotated():
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    return exif


def files(encode):
    """One file for each way that pixels are stored."""
    pixels = runs.picture(3, True, side=96)
    photograph = runs.picture(4, False, side=128)[:71, :101]
    rgba = np.dstack([pixels, np.full((96, 96), 128, np.uint8)])
    image = Image.fromarray
    return {
        "colour.png": encode(pixels),
        "odd.jpg": encode(photograph, "JPEG", quality=83),
        "grey.png": encode(image(pixels).convert("L")),
        "alpha.png": encode(image(rgba)),
        "palette.gif": encode(image(pixels).convert("P"), "GIF"),
        "turned.jpg": encode(photograph, "JPEG", quality=95, exif=rotated()),
        "lossy.webp": encode(photograph, "WEBP", quality=80),
        "sixteen.png": encode(image(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16)),
        "cmyk.jpg": encode(image(pixels).convert("CMYK"), "JPEG"),
    }


@pytest.fixture(scope="module")
def predicted(detector, tmp_path_factory):
    """What the command line says of each file: rows of its CSV, and unrounded scores."""
    folder = tmp_path_factory.mktemp("files")

    def encode(image, kind="PNG", **settings):
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        buffer = io.BytesIO()
        image.save(buffer, kind, **settings)
        return buffer.getvalue()

    made = files(encode)
    for name, data in made.items():
        (folder / name).write_bytes(data)
    table = folder / "scores.csv"
    paths = [str(folder / name) for name in made]
    assert predict_files(detector, paths, str(table), confidence=None) == 0
    rows = [line.rsplit("/", 1)[1].split(",") for line in table.read_text().splitlines()[1:]]
    exact = {name: r.score for name, r in zip(made, detector.score(paths), strict=True)}
    return made, {name: (float(score), verdict) for name, score, verdict, _ in rows}, exact


def test_one_request_with_all_files(predicted, client, ask):
    made, rows, exact = predicted
    answer = ask(client, *made.items())
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["name"] for result in results] == list(made)
    for result in results:
        score, verdict = rows[result["name"]]
        assert result["score"] == pytest.approx(score, abs=1e-6), "as the table, of six digits"
        assert result["score"] == pytest.approx(exact[result["name"]], abs=1e-6)
        assert result["detector_verdict"] == result["verdict"] == verdict
        assert result["score"] == pytest.approx(expit(result["logit"]), abs=1e-6)
        assert result["sha256"] == hashlib.sha256(made[result["name"]]).hexdigest()
        assert result["error"] == ""


def test_an_invisible_mark_is_told_and_changes_nothing(client, ask, encoded):
    marked = encoded(write_mark(runs.picture(4, False, side=256)))
    plain = encoded(runs.picture(4, True, side=64))
    for query in ("", "?delivery=1"):
        results = ask(client, ("a.png", marked), ("b.png", plain), query=query).json()["results"]
        mark = results[0]["facts"]["mark"]
        assert mark["program"] == "Stable Diffusion 1"
        assert 0 < mark["p_value"] < 1e-20
        assert results[0]["facts"]["source"] == ""
        assert results[1]["facts"]["mark"] == {"program": "", "p_value": None}


def test_a_request_for_each_file_with_everything(predicted, client, ask):
    made, _, exact = predicted
    for name in ("odd.jpg", "alpha.png"):
        [result] = ask(client, (name, made[name]), query="?delivery=1&evidence=1").json()["results"]
        assert result["score"] == pytest.approx(exact[name], abs=1e-6)


def test_answers_say_who_answers(client, ask, detector, encoded):
    expected = calibration_file.fingerprint(detector.model)
    answers = [
        client.get("/health"),
        ask(client, ("a.png", encoded(runs.picture(0, True)))),
        ask(client, ("a.png", b"no image")),
        client.get("/nothing/here"),
        client.post("/api/v1/score"),
        client.get("/api/v1/score"),
        client.post("/api/v1/score?delivery=perhaps"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 415, 404, 422, 405, 422]
    for answer in answers:
        assert answer.json()["checkpoint"] == expected
        assert answer.json()["version"] == "0.1.0"


def test_no_folder_of_the_server_is_told(client, ask, encoded, trained):
    answer = ask(client, ("a.png", encoded(runs.picture(0, True))))
    assert answer.json()["source"].startswith(f"{trained.workdir.name} (best, step ")
    assert str(trained.workdir.parent) not in answer.text


def test_a_detector_with_a_card_is_named(packed, make_client):
    client = make_client(npr_jax.Detector.from_card(packed))
    assert client.get("/health").json()["source"] == "tiny 1.0"
    document = client.get("/api/v1/openapi.json").json()
    assert "tiny 1.0" in document["info"]["description"]


def test_the_detector_works_at_its_own_size(trained, make_client, ask, encoded, tmp_path):
    squashing = npr_jax.Detector.load(trained.workdir, resize=48)
    data = encoded(runs.picture(5, False, side=90)[:70], "JPEG", quality=90)
    (tmp_path / "a.jpg").write_bytes(data)
    [expected] = squashing.score([tmp_path / "a.jpg"])
    answer = ask(make_client(squashing), ("a.jpg", data), query="?evidence=1").json()
    assert answer["preprocessing"] == "squashed to 48x48 pixels"
    [result] = answer["results"]
    assert result["score"] == pytest.approx(expected.score, abs=1e-6)
    pixels = np.asarray(Image.open(io.BytesIO(data)).resize((48, 48), Image.Resampling.BILINEAR))
    shown = decoded(result["evidence"]["residuals"]["0.5"])
    assert np.abs(shown.astype(int) - residual_of(pixels)).max() <= 1, "rounding of halves"


def decoded(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def residual_of(pixels):
    """NPR of uint8 pixels as a picture: each minus its 2x2 block's first, ±0.1 black to white."""
    pixels = pixels.astype(np.float64) / 255
    blocks = pixels[::2, ::2].repeat(2, 0).repeat(2, 1)[: pixels.shape[0], : pixels.shape[1]]
    return np.rint(255 * np.clip(0.5 + 5 * (pixels - blocks), 0, 1)).astype(np.uint8)


def test_evidence_is_the_residual_and_a_map_whose_mean_is_the_logit(client, ask, encoded):
    pixels = runs.picture(6, False, side=80)[:62]
    [result] = ask(client, ("a.png", encoded(pixels)), query="?evidence=1").json()["results"]
    evidence = result["evidence"]
    assert evidence["step"] == 1
    difference = decoded(evidence["residuals"]["0.5"]).astype(int) - residual_of(pixels)
    assert np.abs(difference).max() <= 1, "rounding of halves"
    assert np.mean(evidence["heat_map"]) == pytest.approx(result["logit"], abs=1e-4)
    assert decoded(evidence["overlay"]).shape == pixels.shape
    assert result["delivery"] == []
    [plain] = ask(client, ("a.png", encoded(pixels))).json()["results"]
    assert plain["evidence"] is None


def test_what_is_shown_stands_upright_and_the_score_is_of_pixels_as_stored(client, ask, encoded):
    picture = runs.picture(0, True)
    sent = [("a.png", encoded(picture)), ("b.png", encoded(picture, exif=rotated()))]
    stored, turned = ask(client, *sent, query="?evidence=true").json()["results"]
    assert turned["score"] == stored["score"]
    assert (stored["facts"]["orientation"], turned["facts"]["orientation"]) == (1, 6)
    for of in (lambda found: found["overlay"], lambda found: found["residuals"]["0.5"]):
        seen, upright = (decoded(of(result["evidence"])) for result in (stored, turned))
        np.testing.assert_array_equal(upright, np.rot90(seen, -1))
    maps = [np.array(result["evidence"]["heat_map"]) for result in (stored, turned)]
    np.testing.assert_allclose(maps[1], np.rot90(maps[0], -1))


def test_the_transparent_part_is_told_and_what_hides_there_changes_nothing(client, ask, encoded):
    picture = runs.picture(0, True)
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[: len(alpha) // 4] = 0
    hidden = picture.copy()
    hidden[: len(alpha) // 4] = np.random.default_rng(0).integers(0, 256, (len(alpha) // 4, 1, 3))
    pictures = [np.dstack([pixels, alpha]) for pixels in (picture, hidden)]
    sent = [(f"{name}.png", encoded(image)) for name, image in zip("ab", pictures, strict=True)]
    one, other = ask(client, *sent, query="?evidence=true").json()["results"]
    assert one["logit"] == other["logit"]
    assert one["evidence"] == other["evidence"]
    assert one["facts"]["transparent"] == pytest.approx(0.25)
    lines = dict(file_lines(FactsAnswer(**one["facts"])))
    assert lines["Transparent"] == "25.0% of it, scored as grey"


def test_the_schema_describes_the_answer(client, ask, encoded):
    schema = client.get("/api/v1/openapi.json").json()
    parts = schema["components"]["schemas"]
    answer = ask(
        client, ("a.png", encoded(runs.picture(0, True))), query="?delivery=1&evidence=1"
    ).json()
    [result] = answer["results"]
    described = {
        "ScoreAnswer": answer,
        "ResultAnswer": result,
        "FactsAnswer": result["facts"],
        "DeliveryAnswer": result["delivery"][0],
        "EvidenceAnswer": result["evidence"],
        "HealthAnswer": client.get("/health").json(),
        "ErrorAnswer": client.get("/nothing").json(),
    }
    for name, content in described.items():
        assert set(parts[name]["properties"]) == set(content), name
        for field in parts[name]["properties"].values():
            assert "description" in field or "$ref" in str(field) or "enum" in field, (name, field)
    assert "files" in str(schema["paths"]["/api/v1/score"]["post"]["requestBody"])


def test_no_page_loads_scripts_from_elsewhere(client):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
