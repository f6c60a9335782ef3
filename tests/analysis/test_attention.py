"""Weights of the scales: planted structure is found, none is not; what lands on disk."""

import csv
import json

import numpy as np
import pytest

from npr_jax.analysis.attention.files import write_attention
from npr_jax.analysis.attention.gates import agreement, gates
from npr_jax.analysis.attention.weights import study
from npr_jax.analysis.families import family_of, parse_families
from npr_jax.analysis.page.render import lines_of
from npr_jax.evaluation.results import Scores, write_evaluation

FAMILIES = parse_families("GAN:a,b,c,d;diffusion:e,f,g,h")
SCALES = ("0.25", "0.5", "0.75")
META = {
    "train_family": "a",
    "front_ends": [{"mode": "nearest", "factor": float(scale)} for scale in SCALES],
}


def planted(structure, *, correct=0.0, seed=0, count=40):
    """Eight generators and photographs; the first four like each other if there is structure.

    ``correct`` lets images that are called right have more weight on the first scale.
    """
    rng = np.random.default_rng(seed)
    generators = np.repeat(["photographs", *"abcdefgh"], count)
    labels = (generators != "photographs").astype(int)
    right = rng.random(len(labels)) < 0.7
    centres = {}
    for name in dict.fromkeys(generators.tolist()):
        own = rng.dirichlet((8, 8, 8))
        if structure:
            own = np.array((0.7, 0.2, 0.1) if name in "abcd" else (0.1, 0.2, 0.7))
        centres[name] = own
    weights = np.array([rng.dirichlet(30 * centres[name] + 0.5) for name in generators])
    weights[:, 0] += correct * right
    weights /= weights.sum(1, keepdims=True)
    return Scores(
        labels=labels,
        logits=np.where(right, 1.0, -1.0)
        * np.where(labels, 1, -1)
        * rng.uniform(1, 5, len(labels)),
        generators=generators,
        filenames=[f"{i}.png" for i in range(len(labels))],
        weights=weights,
        scales=SCALES,
    )


def test_planted_families_are_found():
    found = study(planted(structure=True), FAMILIES)
    assert found.families.exact
    assert found.families.p_value == found.families.smallest_p == pytest.approx(2 / 70)
    assert found.within_family < 0.2 * found.between_families
    assert found.images.p_value < 0.01
    assert "more alike than those of different ones" in " ".join(
        lines_of("attention.txt", findings=found, gates={})
    )


def test_families_are_not_found_where_there_are_none():
    p = [
        study(planted(structure=False, seed=seed, count=8), FAMILIES).families.p_value
        for seed in range(8)
    ]
    assert sum(value < 0.05 for value in p) <= 3  # 99.96 % of such counts
    assert 0.25 < np.mean(p) < 0.8


@pytest.mark.parametrize("planted_effect", [0.0, 0.3])
def test_weight_and_being_right(planted_effect):
    found = study(planted(structure=False, correct=planted_effect), FAMILIES)
    [first, *_] = found.correlations
    assert first.within.n_with + first.within.n_without == 9 * 40
    if planted_effect:
        assert first.within.auc > 0.7
        assert first.within_p < 1e-6
    else:
        assert first.within_p > 0.05


def test_photographs_and_controls_are_in_no_test_of_generators():
    scores = planted(structure=True)
    generators = np.where(scores.generators == "h", "control", scores.generators)
    found = study(
        Scores(scores.labels, scores.logits, generators, scores.filenames, scores.weights, SCALES),
        FAMILIES,
    )
    assert [kind.generator for kind in found.kinds if not kind.is_generator] == [
        "photographs",
        "control",
    ]
    assert found.families.permutations == 35  # seven members in families of 4 and 3


def test_files(tmp_path):
    rng = np.random.default_rng(0)
    scores = planted(structure=True)
    samples = {
        "images": [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(3)],
        "labels": [0, 1, 1],
        "generators": ["photographs", "a", "a"],
        "filenames": ["x", "y", "z"],
        "logits": [0.0, 1.0, 2.0],
    }
    write_evaluation(tmp_path / "evaluation/test", scores, META, samples)
    [folder] = write_attention(tmp_path, families=FAMILIES)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    drawings = {
        f"{name}.{kind}" for name in ("box", "violin", "heat_map") for kind in ("svg", "png")
    }
    maps = {
        f"residual_maps/{name}.png" for name in ("000-photographs-photographs", "001-generated-a")
    }
    assert names == drawings | maps | {"weights.csv", "tests.csv", "summary.md"}
    with open(folder / "weights.csv", newline="") as file:
        rows = {(row["generator"], row["scale"]): row for row in csv.DictReader(file)}
    mine = scores.weights[scores.generators == "b"][:, 2].astype(np.float64)
    assert float(rows["b", "0.75"]["mean"]) == pytest.approx(mine.mean())
    assert float(rows["b", "0.75"]["percentile_25"]) == pytest.approx(np.percentile(mine, 25))
    assert rows["b", "0.75"]["family"] == "GAN"
    assert "one run" in (folder / "summary.md").read_text()


def test_a_system_without_weights_gets_its_maps_alone(tmp_path):
    scores = planted(structure=True)
    plain = Scores(scores.labels, scores.logits, scores.generators, scores.filenames)
    write_evaluation(tmp_path / "evaluation/test", plain, META)
    [folder] = write_attention(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["summary.md"]
    with pytest.raises(ValueError, match="no weights"):
        study(plain)


def sweep_row(variant, factors, generator, seed, ap, weights=()):
    settings = {"name": "multiscale", "factors": factors, "fusion": "attention"}
    row = {"variant": variant, "seed": str(seed), "generator": generator, "kind": "unseen"}
    row |= {f"weight_{f:g}": str(w) for f, w in zip(factors, weights, strict=False)}
    return row | {"ap": str(ap), "model_settings": json.dumps(settings)}


def test_gates_are_paired_with_the_system_without_the_scale():
    rows = []
    for number, generator in enumerate("pqrst"):
        for seed in (0, 1):
            weight = 0.1 * (number + 1)
            rows.append(sweep_row("all", [0.25, 0.5], generator, seed, 0.9, (weight, 1 - weight)))
            rows.append(sweep_row("half", [0.5], generator, seed, 0.9 - weight - 0.01 * seed))
            rows.append(sweep_row("other", [0.75], generator, seed, 0.5))
    found = gates(rows)
    assert {(gate.variant, gate.without, gate.scale) for gate in found} == {("all", "half", "0.25")}
    np.testing.assert_allclose(found[1].weights, (0.2, 0.2))
    np.testing.assert_allclose(found[1].losses, (0.2, 0.21))
    [test] = agreement(found).values()
    assert test.statistic == pytest.approx(1)
    assert test.p_value == pytest.approx(2 / 120)


def test_gates_of_the_published_sweep(root):
    with open(root / "docs/results/scales.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = {(gate.variant, gate.without, gate.scale) for gate in gates(rows)}
    assert ("0.25+0.5+0.75", "0.5+0.75", "0.25") in pairs
    assert not any("stacked" in pair or "0.5+0.5+0.5" in pair for pair in pairs)


def test_families_by_name_and_as_given():
    assert family_of("ProGAN") == "GAN"
    assert family_of("ldm_200_cfg") == "diffusion"
    assert family_of("mine") == "mine"
    assert family_of("ProGAN", {"progan": "old"}) == "old"
    assert parse_families("") == {}
    for wrong in ("GAN", "GAN:", ":x", "A:x;B:x"):
        with pytest.raises(ValueError, match="--families"):
            parse_families(wrong)
