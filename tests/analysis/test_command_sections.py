"""What robustness, calibrate and the five tables add to the page, against scikit-learn, NumPy."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn import metrics

from input_pipeline.images.degradations import transformations
from npr_jax.analysis.failures import find_failures
from npr_jax.analysis.page import contexts
from npr_jax.analysis.page.render import render
from npr_jax.analysis.paper_tables import published
from npr_jax.analysis.report import build_report
from npr_jax.analysis.run_results import read_run
from npr_jax.detectors.calibration import Calibration
from npr_jax.evaluation.calibration_measures import measure, verdict_rows, verdicts_of
from npr_jax.evaluation.results import json_values, write_evaluation
from npr_jax.evaluation.robustness import NotScored, TransformedScores, tabulate
from tests.analysis.made_up import META, make_scores
from tests.analysis.table_runs import write_table

COUNT = 40  # images of each kind
SIMULATED = "The images were simulated: scenes drawn by a program"
UNCALIBRATED = "A score is evidence, not proof, and is not a calibrated probability."
CALIBRATED = (
    "This checkpoint has a calibration: the scores that predict gives with it are calibrated"
)
SCALING = {"temperature": 2.0, "bias": 0.5}


def parsed(pieces):
    return ElementTree.fromstring(f"<div>{pieces}</div>")


def table_of(pieces, caption):
    """Of each row: its name, its cells' first words and all words; the caption begins so."""
    [table] = [
        table
        for table in parsed(pieces).iter("table")
        if (table.findtext("caption/span") or "").startswith(caption)
    ]
    lines = [[list(cell.itertext()) for cell in row] for row in table.findall("tbody/tr")]
    return [("".join(head), ["".join(c[:1]) for c in cells], cells) for head, *cells in lines]


def number(words):
    return float(words.replace("\u00a0%", "").replace("−", "-"))


def write_robustness(workdir, **meta):
    """Three transformations, two generators and a control; one image without a score."""
    chosen = transformations("resize")[:3]
    rng = np.random.default_rng(0)
    generators = np.repeat(["photographs", "gan", "diffusion", "control"], COUNT)
    labels = (generators != "photographs").astype(int)
    away = np.array([[2.0], [1.0], [0.3]]) * (labels + (generators == "gan"))
    logits = rng.normal(size=(3, labels.size)) + away
    logits[2, 5] = np.nan
    missing = [NotScored(2, 5, "too small", "images must have at least 64 pixels")]
    scores = TransformedScores(logits, labels, generators, generators, missing)
    results = {"name": "tiny-test-native"} | tabulate(scores, chosen)
    results["meta"] = {"model": "npr", "seed": 3, "weights": None, "data": "tiny"} | meta
    folder = workdir / "robustness/tiny-test-native"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(json_values(results)))
    return chosen, generators, labels, logits


def write_calibration(workdir, step):
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 3 * COUNT)
    # Three deliveries; a third of the photographs are of a source that looks generated.
    logits = rng.normal(4 * labels - 2, 2, (3, labels.size)).T
    sources = np.where(np.arange(labels.size) % 3 == 0, "odd", "camera")
    logits[(labels == 0) & (sources == "odd")] += 1
    fitted = Calibration(**SCALING, target_error=0.05, generated_from=1.5, photograph_to=-3.0)
    calibrated, verdicts = fitted.probabilities(logits), verdicts_of(fitted, logits)
    results = {
        **{"checkpoint": {"step": step, "hash": ""}, "preprocessing": "", **SCALING},
        **{"target_error": 0.05, "generated_from": 1.5, "photograph_to": -3.0, "too_small": 0},
        **{"source_error": 0.1, "n_photographs": 120, "n_generated": 120},
        "measured": measure(labels, sources, sigmoid(logits), calibrated, verdicts),
        "meta": {"model": "npr", "images": "split validation of more", "seed": 3},
    }
    (workdir / "calibration").mkdir(exist_ok=True)
    (workdir / f"calibration/{step}.json").write_text(json.dumps(json_values(results)))
    return labels, logits, sources


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def calibration_error(labels, probabilities):
    """Naeini et al.'s, from NumPy's histogram over 15 bins."""
    edges = np.linspace(0, 1, 16)
    said = np.histogram(probabilities, edges, weights=probabilities)[0]
    was = np.histogram(probabilities, edges, weights=labels)[0]
    return np.abs(said - was).sum() / len(labels)


@pytest.fixture
def run(tmp_path):
    """A run that was evaluated, and nothing else."""
    write_evaluation(tmp_path / "evaluation/test", make_scores(), META)
    return tmp_path


def test_nothing_is_said_where_nothing_was_measured(run):
    read = read_run(run)
    for section in ("robustness", "calibration", "paper_tables"):
        assert render(f"{section}.html", run=read) == ""
    assert render("verdicts.html", evaluation=read.evaluations[0]) == ""


def test_robustness_rows_are_means_of_scikit_learns_values(run):
    chosen, generators, labels, logits = write_robustness(run)
    pieces = render("robustness.html", run=read_run(run))
    rows = table_of(pieces, "By transformation. tiny-test-native: 40 photographs and 120 generated")
    assert [cells[0] for _, cells, _ in rows] == ["–", *(one.strength for one in chosen[1:])]
    unchanged = None
    for (_, cells, _), scores in zip(rows, logits, strict=True):
        known = np.isfinite(scores)
        aucs, right = [], []
        for name in ("gan", "diffusion"):
            kept = known & np.isin(generators, [name, "photographs"])
            aucs.append(100 * metrics.roc_auc_score(labels[kept], scores[kept]))
            right.append(100 * metrics.balanced_accuracy_score(labels[kept], scores[kept] > 0))
        unchanged = unchanged or np.mean(aucs)
        assert number(cells[1]) == pytest.approx(np.mean(aucs), abs=0.051)
        bounds = min(aucs), max(aucs)
        assert (number(cells[2]), number(cells[3])) == pytest.approx(bounds, abs=0.051)
        assert number(cells[4]) == pytest.approx(np.mean(aucs) - unchanged, abs=0.051)
        assert number(cells[6]) == pytest.approx(np.mean(right), abs=0.051)
        assert int(cells[9]) == (~known).sum()
    words = " ".join(parsed(pieces).itertext())
    assert f"{chosen[2].label}: 1 too small" in words
    assert "2 generators; one run, seed 3" in words
    assert "balanced accuracy at 0.5" in words  # the legend of the curves
    assert SIMULATED not in words


def test_a_directory_with_robustness_alone_has_a_page(tmp_path):
    write_robustness(tmp_path, simulated=True)
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert "resized, bilinear" in page
    assert SIMULATED in page


def test_calibration_shows_what_numpy_counts(run):
    write_calibration(run, 100)
    labels, logits, sources = write_calibration(run, 500)
    pieces = render("calibration.html", run=read_run(run))
    titles = [h.text for h in parsed(pieces).iter("h3")]
    assert titles == ["Checkpoint of step 500", "Checkpoint of step 100"]
    (run / "calibration/100.json").unlink()  # what follows is of the latest
    pieces = render("calibration.html", run=read_run(run))
    rows = table_of(pieces, "Probabilities. 120 photographs and 120 generated images of split val")
    assert [name for name, *_ in rows] == ["clean", "web", "hard", "all"]
    known = [(labels, values) for values in logits.T]
    known.append((np.repeat(labels, 3), logits.ravel()))
    for (_, cells, _), (of, values) in zip(rows, known, strict=True):
        for column, (temperature, bias) in enumerate(((1, 0), SCALING.values())):
            said = sigmoid(values / temperature + bias)
            ece, nll, brier, accuracy = map(number, cells[column::2])
            assert ece == pytest.approx(100 * calibration_error(of, said), abs=0.051)
            assert nll == pytest.approx(metrics.log_loss(of, said), abs=0.00051)
            assert brier == pytest.approx(metrics.brier_score_loss(of, said), abs=0.0006)
            assert accuracy == pytest.approx(100 * ((said > 0.5) == of).mean(), abs=0.051)
    rows = table_of(pieces, "Verdicts. 120 photographs and 120 generated images")
    for (_, cells, _), values in zip(rows, logits.T, strict=True):
        called = values >= 1.5, values <= -3.0
        expected = [100 * up[labels == label].mean() for label in (0, 1) for up in called]
        assert list(map(number, cells)) == pytest.approx(expected, abs=0.051)
    rows = table_of(pieces, "Photographs called generated by their source")
    assert [name for name, *_ in rows] == ["odd", "camera"]
    for name, cells, _ in rows:
        shares = 100 * (logits[(labels == 0) & (sources == name)] >= 1.5).mean(axis=0)
        assert number(cells[1]) == pytest.approx(shares.max(), abs=0.051)
        assert cells[2] == ("clean", "web", "hard")[shares.argmax()]
    assert len(list(parsed(pieces).iter("{http://www.w3.org/2000/svg}svg"))) == 1


def test_a_calibration_of_an_earlier_version_is_named_and_not_measured(run):
    """It has one table of all images, and a threshold of its own."""
    write_calibration(run, 500)
    path = run / "calibration/500.json"
    content = json.loads(path.read_text())
    del content["measured"]["deliveries"], content["n_photographs"], content["n_generated"]
    path.write_text(json.dumps(content))
    words = " ".join(parsed(render("calibration.html", run=read_run(run))).itertext())
    assert "Checkpoint of step 500" in words
    assert "run calibrate again to see what it is worth" in words


def test_verdicts_of_an_evaluation_are_counted_by_generator(run):
    scores = make_scores()
    fitted = Calibration(**SCALING, target_error=0.05, generated_from=1.5, photograph_to=-3.0)
    rows = verdict_rows(scores, fitted)
    write_evaluation(run / "evaluation/test", scores, META, verdicts=rows)
    [evaluation] = read_run(run).evaluations
    shown = table_of(render("verdicts.html", evaluation=evaluation), "Calibrated verdicts.")
    assert shown[-1][0] == "control"
    for name, cells, _ in shown:
        kept = np.isin(scores.generators, [name, "photographs"])
        labels, logits = scores.labels[kept], scores.logits[kept]
        up, down = logits >= 1.5, logits <= -3.0
        wrong = (up & (labels == 0)).sum(), (down & (labels == 1)).sum()
        decided = (up | down).sum()
        assert int(cells[0]) == kept.sum()
        assert number(cells[1]) == pytest.approx(100 * decided / kept.sum(), abs=0.051)
        assert number(cells[2]) == pytest.approx(100 * sum(wrong) / decided, abs=0.051)
        assert list(map(int, cells[3:7])) == [up.sum(), wrong[0], down.sum(), wrong[1]]


def test_the_five_tables_stand_beside_the_papers_numbers(tmp_path):
    scores = write_table(tmp_path, "diffusion_1k_step")
    write_table(tmp_path, "universal_fake_detect", lacking=("dalle",))
    pieces = render("paper_tables.html", run=read_run(tmp_path))
    rows = table_of(pieces, "Table 5: ")
    assert [name for name, *_ in rows][-3:] == [published.PAPER, "npr", "difference"]
    paper, ours, gap = (cells for *_, cells in rows[-3:])
    for column, (folder, (accuracy, ap)) in enumerate(published.NPR[5].items()):
        kept = scores.generators == folder
        labels, logits = scores.labels[kept], scores.logits[kept]
        measured = (
            100 * ((logits > 0) == labels).mean(),
            100 * metrics.average_precision_score(labels, logits),
        )
        assert tuple(map(number, paper[column])) == (accuracy, ap)
        assert tuple(map(number, ours[column])) == pytest.approx(measured, abs=0.051)
        expected = measured[0] - accuracy, measured[1] - ap
        assert tuple(map(number, gap[column])) == pytest.approx(expected, abs=0.051)
    words = " ".join(parsed(pieces).itertext())
    assert "Criterion on accuracy (at least 2 points over NPR (paper)" in words
    assert "not complete, so not counted: table 1, 2, 3, 4" in words
    assert "Table 4 (universal_fake_detect) lacks dalle" in words
    assert "Table 1 (forensynths): not evaluated" in words


def test_controlnet_is_a_generator_and_not_a_control(tmp_path):
    scores = make_scores({"ControlNet": 0.0, "control": 0.0}, weights=False)
    write_evaluation(tmp_path / "evaluation/test", scores, {})
    [evaluation] = read_run(tmp_path).evaluations
    page = parsed(render("evaluation.html", evaluation=evaluation, with_figures=False))
    generators, means, controls = page.find(".//table").findall("tbody")
    assert (means.get("class"), controls.get("class")) == ("mean", "apart")
    assert [row.findtext("th") for row in generators] == ["ControlNet"]
    assert [row.findtext("th") for row in controls] == ["control"]
    mine = scores.logits[scores.generators == "ControlNet"]
    counts = find_failures(evaluation, tmp_path / "evaluation/test").counts
    assert counts[1] == ((mine <= 0).sum(), mine.size)


def limits_of(workdir):
    return " ".join(parsed(render("in_short.html", run=read_run(workdir))).itertext())


def test_the_page_says_whether_scores_are_calibrated_probabilities(run):
    assert UNCALIBRATED in limits_of(run)
    write_calibration(run, META["steps"] + 1)  # of another checkpoint
    assert UNCALIBRATED in limits_of(run)
    write_calibration(run, META["steps"])
    assert CALIBRATED in limits_of(run)
    assert UNCALIBRATED not in limits_of(run)


def test_an_evaluation_with_verdicts_is_of_a_calibrated_detector(run):
    scores = make_scores()
    fitted = Calibration(**SCALING, target_error=0.05, generated_from=1.5, photograph_to=-3.0)
    rows = verdict_rows(scores, fitted)
    write_evaluation(run / "evaluation/test", scores, META, verdicts=rows)
    assert CALIBRATED in limits_of(run)


@pytest.mark.parametrize(
    ("meta", "warned"),
    [
        ({"simulated": True, "data": "renamed"}, True),
        ({"simulated": False, "data": "simulation"}, True),  # as early evaluations recorded it
        ({"simulated": False, "data": "simulation+forensynths"}, True),
        ({"simulated": False, "data": "forensynths"}, False),
        ({}, False),
    ],
)
def test_simulated_images_are_named_so_also_in_early_results(meta, warned):
    assert contexts.simulated(meta) is warned
