"""Maps of positions, from Python and from ``predict --maps``."""

import ml_collections
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from configs import ladeda, multiscale, multiscale_attention, spectrum
from input_pipeline.errors import UserError
from input_pipeline.storage.csv_files import read_csv
from npr_jax.cli.predict import predict_files
from npr_jax.inference import tiling
from npr_jax.inference.detector import Detector
from npr_jax.inference.position_maps import PositionMaps
from npr_jax.models.base import whole_maps
from npr_jax.models.systems.registry import build_model
from tests.models.parity import images


def detector():
    config = ml_collections.ConfigDict(spectrum.get_config().model)
    model = build_model(config, nnx.Rngs(params=0))
    return Detector(model, source="test")


def test_a_window_changes_its_own_position_alone():
    image = images(1, 96, 70)[0]
    changed = image.copy()
    changed[32:64, 32:64] //= 2
    ours = detector()
    before, after = ours.maps(image), ours.maps(changed)
    assert before["position_logits"].shape == (3, 2)
    assert before["grid"].tolist() == [32, 32]
    differs = before["position_logits"] != after["position_logits"]
    np.testing.assert_array_equal(differs, np.arange(6).reshape(3, 2) == 3)
    [expected] = ours.logits(changed[None])
    np.testing.assert_allclose(after["position_logits"].mean(), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(71, 130), (1100, 90)])
def test_padded_and_tiled_images_have_the_map_of_the_whole_image(shape):
    """Against the network on the image itself: no padding, no tiles."""
    config = multiscale_attention.get_config().model
    config.backbone = "thin_resnet"
    model = build_model(config, nnx.Rngs(params=0))
    image = images(1, *shape)[0]
    found = Detector(model, source="test").maps(image)
    model.eval()
    height, width = (side // 4 * 4 for side in shape)  # of 0.25, 0.5 and 0.75
    maps = whole_maps(model, image[None, :height, :width])
    prediction = model.head([m.mean((1, 2)) for m in maps])
    expected = np.asarray(model.position_logits(maps, prediction))[0]
    assert found["position_logits"].shape == expected.shape
    np.testing.assert_allclose(found["position_logits"], expected, atol=1e-5)
    np.testing.assert_allclose(found["weights"], prediction.weights[0], atol=1e-5)
    np.testing.assert_allclose(found["logit"], prediction.logits[0], atol=1e-5)


def interrupted(iter_scores):
    """Scores the first file, then ends as Ctrl-C does."""

    def scores(paths, **options):
        yield from iter_scores([next(iter(paths))], **options)
        raise KeyboardInterrupt

    return scores


def test_predict_writes_one_file_for_each_scored_image(tmp_path, capsys):
    Image.fromarray(images(1, 64, 64)[0]).save(tmp_path / "a.png")
    (tmp_path / "b.txt").write_text("no image")
    target = tmp_path / "maps"
    paths = [str(tmp_path / "b.txt"), str(tmp_path / "a.png")]
    assert predict_files(detector(), paths, "", confidence=0.75, maps=str(target)) == 1
    rows = capsys.readouterr().out.splitlines()
    [file] = target.iterdir()
    assert file.name == "000001-a.png.npz"
    with np.load(file) as saved:
        assert str(saved["path"]) == paths[1]
        score = 1 / (1 + np.exp(-saved["position_logits"].mean()))
    assert float(rows[2].split(",")[1]) == pytest.approx(score, abs=1e-5)


def test_maps_of_several_runs_are_not_mixed(tmp_path):
    """An unfinished run goes on in its folder; any other needs one that is empty."""
    paths = [str(tmp_path / f"{name}.png") for name in "ab"]
    for path in paths:
        Image.fromarray(images(1, 64, 64)[0]).save(path)
    ours = detector()
    iter_scores = ours.iter_scores
    ours.iter_scores = interrupted(iter_scores)
    target = tmp_path / "maps"
    target.mkdir()
    where = {"confidence": 0.75, "maps": str(target)}
    with pytest.raises(KeyboardInterrupt):
        predict_files(ours, paths, str(tmp_path / "s.csv"), **where)
    ours.iter_scores = iter_scores
    assert predict_files(ours, paths, str(tmp_path / "s.csv"), resume=True, **where) == 0
    assert sorted(path.name[:8] for path in target.iterdir()) == ["000000-a", "000001-b"]
    for output, resume in (("s.csv", False), ("", False), ("new.csv", True)):
        output = output and str(tmp_path / output)
        with pytest.raises(UserError, match=r"--maps=.* is not empty: earlier maps would lie"):
            predict_files(ours, paths[1:], output, resume=resume, **where)
    assert len(list(target.iterdir())) == 2


@pytest.mark.parametrize(
    "extra", [{"maps": "out"}, {"evidence": "out", "heat_map": "positions"}], ids=lambda e: min(e)
)
def test_a_map_that_cannot_be_made_costs_no_row(tmp_path, monkeypatch, extra):
    """Of a picture too large for maps, and one that is gone when its map is to be made."""
    paths = [str(tmp_path / f"{name}.png") for name in ("a", "gone", "large", "z")]
    for path, side in zip(paths, (64, 64, 96, 64), strict=True):
        Image.fromarray(images(1, side, side)[0]).save(path)
    monkeypatch.setattr(tiling, "MAX_MAP_PIXELS", 64 * 64)
    ours = detector()
    iter_scores = ours.iter_scores

    def and_remove(names, **options):
        results = list(iter_scores(names, **options))
        (tmp_path / "gone.png").unlink()
        return iter(results)

    ours.iter_scores = and_remove
    places = extra | {min(extra): str(tmp_path / "out")}
    output = tmp_path / "s.csv"
    assert predict_files(ours, paths, str(output), confidence=0.75, **places) == 1
    table = read_csv(output)[1]
    assert [bool(row["error"]) for row in table] == [False, True, True, False]
    assert all(0 <= float(row["score"]) <= 1 for row in table)
    assert "No such file" in table[1]["error"]
    assert "image is 96x96 pixels; maps are made of at most 4,096" in table[2]["error"]
    made = sorted(path.name[:8] for path in (tmp_path / "out").iterdir())
    assert made[:2] == ["000000-a", "000003-z"]
    if "evidence" in extra:
        evidence = read_csv(tmp_path / "out" / "evidence.csv")[1]
        assert [row["error"] for row in evidence] == [row["error"] for row in table]
    else:
        assert len(made) == 2


def test_evidence_is_written_as_it_is_made(tmp_path):
    """An interrupted command leaves the folders of what it scored, and a table of them."""
    path = tmp_path / "a.png"
    Image.fromarray(images(1, 64, 64)[0]).save(path)
    ours = detector()
    ours.iter_scores = interrupted(ours.iter_scores)
    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict_files(
            *(ours, [str(path)] * 2, str(tmp_path / "s.csv")), confidence=0.75, evidence=str(target)
        )
    assert sorted(path.name for path in target.iterdir()) == ["000000-a", "evidence.csv"]
    [row] = read_csv(target / "evidence.csv")[1]
    assert row["folder"] == "000000-a"


def test_other_models_are_refused():
    class Whole(nnx.Module):
        pass

    with pytest.raises(ValueError, match="leave out --maps and --heat_map=positions"):
        PositionMaps(Whole())


def test_a_system_without_a_map_is_refused_before_anything_is_scored(tmp_path, capsys):
    config = multiscale.get_config("cross,0.5").model
    config.backbone = "thin_resnet"
    ours = Detector(build_model(config, nnx.Rngs(params=0)), source="test")
    Image.fromarray(images(1, 64, 64)[0]).save(tmp_path / "a.png")
    target = tmp_path / "maps"
    with pytest.raises(ValueError, match="Cross has no map of positions"):
        predict_files(ours, [str(tmp_path / "a.png")], "", confidence=0.75, maps=str(target))
    assert capsys.readouterr().out == ""
    assert not target.exists()


def test_large_images_are_refused():
    with pytest.raises(ValueError, match="give --resize"):
        detector().maps(np.zeros((9000, 9000, 3), np.uint8))


def test_ladedas_recipe_has_a_map():
    config = ml_collections.ConfigDict(ladeda.get_config().model)
    config.backbone = "thin_patch"
    ours = Detector(build_model(config, nnx.Rngs(params=0)), source="test")
    assert ours.maps(images(1, 43, 51)[0])["position_logits"].shape == (5, 6)
