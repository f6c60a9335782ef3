"""Tables against plain loops and scikit-learn; files read back as they were written."""

import csv
import json
import math

import numpy as np
import pytest
from sklearn import metrics

from npr_jax.evaluation import measures, tables
from npr_jax.evaluation.mistakes import most_confident
from npr_jax.evaluation.results import Scores, format_table, read_scores, tabulate, write_evaluation
from npr_jax.evaluation.tables import format_baselines


def make_scores(rows, weights=None, scales=()):
    """Scores from (generator, label, logit) triples."""
    generators, labels, logits = zip(*rows, strict=True)
    names = [f"{generator}/{number}.png" for number, generator in enumerate(generators)]
    return Scores(np.array(labels), np.array(logits), generators, names, weights, scales)


def random_scores(seed=0, ties=False):
    """Two generators without photographs, one with its own, a control, two photograph sources."""
    rng = np.random.default_rng(seed)
    plan = [("camera", 0, 40, -1), ("scans", 0, 15, -2), ("gan", 1, 30, 1), ("vae", 1, 8, 0.2)]
    plan += [("own", 0, 11, 0), ("own", 1, 13, 1), ("control", 1, 20, -1)]
    rows = []
    for generator, label, count, centre in plan:
        logits = rng.normal(centre, 1.5, count).astype(np.float32)
        rows += [(generator, label, x) for x in (np.round(logits) if ties else logits)]
    return make_scores([rows[i] for i in rng.permutation(len(rows))])


def test_a_generator_whose_name_begins_with_control_is_in_every_mean():
    rows = [("camera", 0, -1.0), ("ControlNet", 1, 2.0), ("controlnet", 1, -2.0)]
    rows += [("Control", 1, 1.0), ("control", 1, -3.0)]
    found = tabulate(make_scores(rows))
    names = ["Control", "ControlNet", "controlnet"]
    assert [row["generator"] for row in found["generators"]] == names
    assert found["mean"]["n_generators"] == 3
    assert [row["generator"] for row in found["control"]] == ["control"]
    # Both that were called photographs are wrong; the control is no mistake.
    assert most_confident(make_scores(rows)) == [2]


def auc_by_counting(labels, logits):
    """Share of (photograph, generated) pairs in the right order, ties counted half."""
    fakes, reals = logits[labels == 1], logits[labels == 0]
    wins = [(f > r) + 0.5 * (f == r) for f in fakes for r in reals]
    return sum(wins) / len(wins)


def ap_by_counting(labels, logits):
    """Precision at each distinct threshold, weighted by the recall it adds."""
    total, found, result = int(labels.sum()), 0, 0.0
    for threshold in sorted(set(logits.tolist()), reverse=True):
        called = logits >= threshold
        hits = int((called & (labels == 1)).sum())
        result += (hits - found) / total * hits / int(called.sum())
        found = hits
    return result


def best_accuracy_by_trying(labels, logits):
    """The best accuracy over every threshold that makes a difference."""
    cuts = [-math.inf, *logits.tolist()]
    return max(float(((logits > cut) == (labels == 1)).mean()) for cut in cuts)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_measures_equal_plain_counting(seed, ties):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 60)
    logits = rng.normal(labels, 1.0).astype(np.float32)
    if ties:
        logits = np.round(logits)
    row = measures.measure(labels, logits)
    assert row["auc"] == pytest.approx(auc_by_counting(labels, logits), abs=1e-12)
    assert row["ap"] == pytest.approx(ap_by_counting(labels, logits), abs=1e-12)
    assert row["ap"] == pytest.approx(metrics.average_precision_score(labels, logits), abs=1e-12)
    assert row["best_accuracy"] == best_accuracy_by_trying(labels, logits)
    chances = measures.probabilities(logits)
    assert row["accuracy"] == metrics.accuracy_score(labels, chances > 0.5)
    matrix = metrics.confusion_matrix(labels, chances > 0.5).ravel().tolist()
    assert [row["confusion"][key] for key in ("tn", "fp", "fn", "tp")] == matrix
    assert row["real_accuracy"] == matrix[0] / (matrix[0] + matrix[1])
    assert row["fake_accuracy"] == matrix[3] / (matrix[2] + matrix[3])


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_attains_its_accuracy(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 41)
    logits = np.round(rng.normal(2 * labels, 2), 1)
    accuracy, probability, _ = measures.best_threshold(labels, logits)
    called = measures.probabilities(logits) > probability
    assert float((called == (labels == 1)).mean()) == accuracy


def test_best_threshold_lies_midway():
    labels, logits = np.array([0, 0, 1, 1]), np.array([-4.0, 1.0, 3.0, 9.0])
    assert measures.best_threshold(labels, logits) == (
        1.0,
        pytest.approx(1 / (1 + math.exp(-2))),
        2,
    )


def test_best_threshold_may_call_everything_the_same():
    logits = np.array([1.0, 2.0, 3.0])
    assert measures.best_threshold(np.array([1, 1, 1]), logits) == (1.0, 0.0, None)
    assert measures.best_threshold(np.array([0, 0, 0]), logits) == (1.0, 1.0, None)


def test_saturated_logits_keep_their_ranking():
    labels, logits = np.array([0, 0, 1, 1]), np.array([60.0, 70.0, 80.0, 90.0], np.float32)
    row = measures.measure(labels, logits)
    assert (row["auc"], row["ap"], row["best_accuracy"]) == (1.0, 1.0, 1.0)
    assert row["accuracy"] == 0.5
    assert row["best_threshold_logit"] == 75


def test_probabilities_are_logistic_and_do_not_overflow():
    logits = np.array([-1000.0, -3.0, 0.0, 2.0, 1000.0])
    expected = [0.0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-2)), 1.0]
    np.testing.assert_allclose(measures.probabilities(logits), expected, rtol=1e-12)


def test_a_logit_of_zero_is_no_detection():
    row = measures.measure(np.array([0, 1]), np.array([0.0, 0.0]))
    assert row["confusion"] == {"tn": 1, "fp": 0, "fn": 1, "tp": 0}


def test_wilson_interval_equals_the_formula():
    from scipy import stats

    for hits, trials in [(0, 10), (3, 17), (10, 10), (250, 500)]:
        interval = stats.binomtest(hits, trials).proportion_ci(method="wilson")
        assert measures.wilson(hits, trials) == pytest.approx([interval.low, interval.high])
    assert measures.wilson(0, 0) is None


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_ranking_measures(label):
    row = measures.measure(np.full(3, label), np.array([-1.0, 2.0, 3.0]))
    assert (row["ap"], row["auc"], row["best_accuracy"], row["best_threshold"]) == (None,) * 4
    assert row["accuracy"] == pytest.approx([1 / 3, 2 / 3][label])
    assert (row["real_accuracy"] is None) == (label == 1)
    assert (row["fake_accuracy"] is None) == (label == 0)


def test_pairing_own_and_pooled():
    scores = random_scores()
    groups = {group.name: group for group in tables.pair(scores)}
    assert list(groups) == ["gan", "own", "vae", "control"]
    assert [groups[name].pairing for name in groups] == ["pooled", "own", "pooled", "pooled"]
    for name, group in groups.items():
        labels, origin = scores.labels[group.index], scores.generators[group.index]
        assert set(origin[labels == 1]) == {name}
        photographs = 11 if name == "own" else 40 + 15 + 11
        assert int((labels == 0).sum()) == photographs
        assert len(set(group.index.tolist())) == len(group.index)


def test_no_photographs_at_all():
    results = tabulate(make_scores([("gan", 1, 2.0), ("gan", 1, -1.0), ("vae", 1, 3.0)]))
    assert [row["pairing"] for row in results["generators"]] == ["none", "none"]
    assert results["mean"]["fake_accuracy"] == 0.75
    assert results["mean"]["ap"] is None
    assert results["photographs"] == []


def test_only_photographs():
    results = tabulate(make_scores([("camera", 0, -2.0), ("camera", 0, 1.0)]), ["gan"])
    assert results["generators"] == []
    assert (results["mean"], results["weighted"], results["unseen"]) == (None, None, None)
    assert results["photographs"][0]["real_accuracy"] == 0.5
    assert "camera" in format_table({"name": "test"} | results)


def test_a_single_image():
    results = tabulate(make_scores([("gan", 1, 2.0)]))
    assert results["generators"][0]["accuracy"] == 1.0
    assert results["n_images"] == 1


def test_means_and_weights():
    scores = random_scores()
    results = tabulate(scores, ["GAN"])
    rows = {row["generator"]: row for row in results["generators"]}
    assert list(rows) == ["gan", "own", "vae"]
    assert [row["generator"] for row in results["control"]] == ["control"]
    assert [row["trained"] for row in rows.values()] == [True, False, False]
    for metric in tables.METRICS:
        values = {name: row[metric] for name, row in rows.items()}
        assert results["mean"][metric] == pytest.approx(sum(values.values()) / 3)
        assert results["unseen"][metric] == pytest.approx((values["own"] + values["vae"]) / 2)
    # 55 photographs stand beside gan and vae (a half each), the 11 of `own` beside all three.
    weights = {"gan": 30 + 55 / 2 + 11 / 3, "vae": 8 + 55 / 2 + 11 / 3, "own": 13 + 11 / 3}
    assert sum(weights.values()) == pytest.approx(len(scores) - 20)
    for metric in tables.METRICS:
        expected = sum(rows[name][metric] * weights[name] for name in rows) / sum(weights.values())
        assert results["weighted"][metric] == pytest.approx(expected)
    assert results["unseen"]["n_generators"] == 2
    assert tabulate(scores)["unseen"] is None


def test_the_table_counts_generators_in_good_english():
    results = tabulate(random_scores(), ["gan", "vae"])
    lines = format_table({"name": "test"} | results).splitlines()
    assert [line.split("  ")[-1] for line in lines if line.startswith("mean")] == [
        "3 generators",
        "1 generator",
    ]


def test_photograph_sources_are_listed_once():
    results = tabulate(random_scores())
    found = {row["generator"]: row["n_photographs"] for row in results["photographs"]}
    assert found == {"camera": 40, "scans": 15}


def test_attention_weights_are_averaged_per_generator_and_class():
    rng = np.random.default_rng(3)
    weights = rng.dirichlet([2, 1], 6).astype(np.float32)
    rows = [("gan", 1, 1.0), ("camera", 0, -1.0), ("gan", 1, 2.0)] * 2
    attention = tabulate(make_scores(rows, weights, ("0.25", "0.5")))["attention"]
    assert attention["scales"] == ["0.25", "0.5"]
    photographs, gan = attention["rows"]
    assert (photographs["generator"], photographs["label"], photographs["n"]) == ("camera", 0, 2)
    np.testing.assert_allclose(gan["mean"], weights[[0, 2, 3, 5]].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(gan["std"], weights[[0, 2, 3, 5]].std(axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1]}, "one length"),
        ({"labels": [0, 1, 2]}, "0 .photograph. or 1 .generated."),
        ({"logits": [0.0, math.nan, 1.0]}, "'b'"),
        ({"weights": np.ones((3, 2)), "scales": ("0.5",)}, r"\(3, 2\)"),
        ({"weights": np.full((3, 1), np.inf), "scales": ("0.5",)}, "weight that is not finite"),
    ],
)
def test_bad_scores_are_refused(change, message):
    columns = {"labels": [0, 1, 1], "logits": [0.0, 1.0, 2.0]}
    columns |= {"generators": ["x"] * 3, "filenames": ["a", "b", "c"]}
    with pytest.raises(ValueError, match=message):
        Scores(**(columns | change))


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="holds no images"):
        Scores([], [], [], [])


def test_files_read_back(tmp_path):
    scores = random_scores()
    weights = np.random.default_rng(1).dirichlet([1, 1, 1], len(scores)).astype(np.float32)
    names = scores.filenames.copy()
    names[:3] = ['comma, "quote".png', "line\nbreak.png", "日本.png"]
    scores = Scores(
        scores.labels, scores.logits, scores.generators, names, weights, ("0.25", "0.5", "0.75")
    )
    directory = tmp_path / "evaluation" / "test"
    meta = {"steps": np.int64(5), "loss": math.nan, "factors": (0.25, 0.5), "train_family": "gan"}
    baselines = {"gan": {"metadata": np.float32(0.5), "noise_variance": math.nan}}
    results = write_evaluation(directory, scores, meta, baselines=baselines)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (directory / "results.json").read_text()
    assert json.loads(text, parse_constant=refuse) == results
    assert results["meta"] == {
        "steps": 5,
        "loss": None,
        "factors": [0.25, 0.5],
        "train_family": "gan",
    }
    assert results["baselines"] == {"gan": {"metadata": 0.5, "noise_variance": None}}
    assert results["name"] == "test"
    read = read_scores(directory / "scores.csv")
    for column in ("labels", "logits", "generators", "filenames", "weights"):
        np.testing.assert_array_equal(getattr(read, column), getattr(scores, column))
    assert read.scales == scores.scales
    assert {path.name for path in directory.iterdir()} == {
        "scores.csv",
        "results.csv",
        "results.json",
    }


def test_results_csv_holds_every_row(tmp_path):
    results = write_evaluation(tmp_path / "test", random_scores(), {"train_family": ["gan"]})
    with open(tmp_path / "test" / "results.csv", newline="") as file:
        rows = {(row["kind"], row["generator"]): row for row in csv.DictReader(file)}
    assert set(rows) == {
        ("generator", "gan"),
        ("generator", "own"),
        ("generator", "vae"),
        ("mean", ""),
        ("weighted", ""),
        ("unseen", ""),
        ("control", "control"),
        ("photographs", "camera"),
        ("photographs", "scans"),
    }
    gan, row = rows["generator", "gan"], results["generators"][0]
    assert float(gan["ap"]) == row["ap"]
    assert int(gan["tp"]) == row["confusion"]["tp"]
    assert float(rows["mean", ""]["auc"]) == results["mean"]["auc"]


def test_samples_of_different_sizes(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, size, np.uint8) for size in [(8, 9, 3), (20, 4, 3)]]
    samples = {"images": images, "labels": [0, 1], "generators": ["camera", "gan"]}
    samples |= {"filenames": ["a.png", "b.png"], "logits": [-1.5, 2.5]}
    write_evaluation(tmp_path / "test", random_scores(), {}, samples)
    with np.load(tmp_path / "test" / "samples.npz", allow_pickle=False) as file:
        for number, image in enumerate(images):
            np.testing.assert_array_equal(file[f"image_{number}"], image)
        assert file["logits"].tolist() == [-1.5, 2.5]
    write_evaluation(tmp_path / "test", random_scores(), {})
    assert not (tmp_path / "test" / "samples.npz").exists()


@pytest.mark.parametrize(
    "change", [{"labels": [0]}, {"images": [np.zeros((4, 4, 3), np.float32)] * 2}]
)
def test_bad_samples_change_nothing_on_disk(tmp_path, change):
    before = write_evaluation(tmp_path / "test", random_scores(), {})
    samples = {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": [0, 1], "logits": [0, 1]}
    samples |= {"generators": ["a", "b"], "filenames": ["a", "b"]}
    with pytest.raises(ValueError, match="sample image"):
        write_evaluation(tmp_path / "test", random_scores(1), {}, samples | change)
    assert json.loads((tmp_path / "test" / "results.json").read_text()) == before


def test_a_foreign_csv_is_refused(tmp_path):
    (tmp_path / "scores.csv").write_text("path,score\na,0.5\n")
    with pytest.raises(ValueError, match=r"no scores\.csv of ours"):
        read_scores(tmp_path / "scores.csv")


def test_terminal_table_shows_every_row_and_its_counts():
    results = {"name": "test"} | tabulate(random_scores(), ["gan"])
    lines = format_table(results).splitlines()
    assert lines[0] == "test: 137 images, measures in %"
    cells = {line.split()[0]: line.split() for line in lines[2:]}
    row = results["generators"][0]
    assert cells["gan*"][1:3] == ["66", "30"]
    assert cells["gan*"][3] == f"{100 * row['accuracy']:.1f}"
    assert cells["gan*"][-2:] == [f"{100 * row['auc']:.1f}", "pooled"]
    assert cells["own"][-1] == "own"
    assert "in no mean" in next(line for line in lines if line.startswith("control"))
    assert any(line.startswith("image-weighted mean") for line in lines)
    assert any(line.startswith("mean of unseen") for line in lines)


def test_cheap_classifiers_stand_beside_the_detector():
    results = tabulate(random_scores(), ["gan"])
    assert format_baselines(results | {"baselines": None}) == ""
    cheap = {"gan": {"metadata": 0.5, "power_spectrum": 0.876}, "control": {"metadata": 0.512}}
    lines = format_baselines(results | {"baselines": cheap}).splitlines()
    assert lines[1].split() == ["generator", "detector", "metadata", "power", "spectrum"]
    auc = {row["generator"]: 100 * row["auc"] for row in results["generators"]}
    assert lines[2].split() == ["gan", f"{auc['gan']:.1f}", "50.0", "87.6"]
    assert lines[3].split() == [
        "control",
        f"{100 * results['control'][0]['auc']:.1f}",
        "51.2",
        "-",
    ]
    assert len(lines) == 4
