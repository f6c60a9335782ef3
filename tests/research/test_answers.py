"""Verdicts follow the numbers: tables made so that an answer is known."""

import pytest

from docs.research import (
    baseline_questions,
    conclusions_page,
    learning_curve,
    multiscale_question,
    repeats,
    scale_questions,
    weights_question,
    wild_questions,
)
from docs.research.answer import UNMEASURED
from docs.research.result_table import ResultTable
from tests.research import sweeps

GAN = ("nearest_conv", "fir_conv", "transposed4", "transposed3")
EVEN = {"0.25": 0.8, "0.5": 0.8, "0.75": 0.8}


def by_generator(gan, others):
    return {name: gan if name in GAN else others for name in sweeps.GENERATORS}


def test_scales_that_change_places_are_found():
    crossing = {"0.25": by_generator(0.7, 0.9), "0.5": 0.5, "0.75": by_generator(0.9, 0.7)}
    answer = scale_questions.traces(sweeps.table(crossing))
    assert answer.word == "in part"
    assert answer.short.startswith("Yes, in part: 0.25 and 0.75 change places")
    assert "| GAN: 0.25 − 0.75 | 5 | −20.0 |" in answer.table


def test_one_scale_ahead_everywhere_is_no_change_of_places():
    answer = scale_questions.traces(sweeps.table(EVEN | {"0.5": 0.9}))
    assert answer.word == "not shown"
    assert "highest at 0.5 for 8" in answer.paragraph
    assert "5 seeds" in answer.caption


@pytest.mark.parametrize(
    ("helped", "word"),
    [((), "neither is shown"), (("0.25",), "one of the two"), (("0.25", "0.75"), "yes, both")],
)
def test_the_hypotheses_are_confirmed_only_by_their_own_family(helped, word):
    aucs = dict.fromkeys((*EVEN, "0.25+0.5", "0.5+0.75", "0.5+0.5+0.5"), 0.8)
    if "0.25" in helped:
        aucs["0.25"] = by_generator(0.6, 0.9)
    if "0.75" in helped:
        aucs["0.75"] = by_generator(0.9, 0.6)
    answer = scale_questions.hypotheses(sweeps.table(aucs))
    assert answer.word == word


@pytest.mark.parametrize(
    ("auc", "word"), [(0.86, "yes"), (0.82, "not shown"), (0.8, "no"), (0.7, "no")]
)
def test_two_points_are_shown_excluded_or_neither(auc, word):
    controls = {"0.5": 0.8, "0.25": 0.8, "0.5+0.5+0.5": 0.8, "stacked": 0.8}
    table = sweeps.table({"0.25+0.5+0.75": auc} | controls, noise=0.003)
    assert multiscale_question.multiscale({"scales": table}).word == word


def test_a_repeat_that_disagrees_takes_the_verdict_back():
    aucs = {"0.25+0.5+0.75": 0.86, "0.5": 0.8, "0.25": 0.8, "0.5+0.5+0.5": 0.8, "stacked": 0.8}
    again = sweeps.table({"attention": 0.8, "0.5": 0.8}, name="fusion")
    answer = multiscale_question.multiscale({"scales": sweeps.table(aucs), "fusion": again})
    assert answer.word == "not shown"
    assert "repeated (fusion)" in answer.table


def test_repeats_are_measured_against_seeds():
    first = sweeps.table({"0.5": 0.8}, noise=0.01)
    second = sweeps.table({"0.5": 0.82}, name="fusion", noise=0.01)
    found = repeats.find_repeats({"scales": first, "fusion": second}, repeats.NPR)
    assert found.between_repeats == pytest.approx(2 / 2**0.5)
    # 0, 2, 4, 1, 3 steps of one point, the same in both.
    assert found.between_seeds == pytest.approx(2.5**0.5)
    assert found.largest == pytest.approx(2.0)
    tables = {"scales": first, "fusion": second}
    assert repeats.repeatability(tables).word == "deviation up to 1.4 points of AUC"


def test_repeats_that_are_the_same_to_the_last_bit_are_said_to_be():
    tables = {name: sweeps.table({"0.5": 0.8}, name=name) for name in ("scales", "fusion")}
    answer = repeats.repeatability(tables)
    assert answer.word == "bit for bit"
    assert "NPR at 0.5 in 2 sweeps with 5 seeds" in answer.short


def weighted(of_generator, seeds=(0, 1, 2, 3, 4)):
    names = (*sweeps.GENERATORS, "photographs")
    rows = [
        sweeps.row(
            "0.25+0.5+0.75",
            seed,
            name,
            0.8,
            **{
                "weight_0.25": of_generator(name, seed),
                "weight_0.5": 1 - of_generator(name, seed),
                "weight_0.75": 0.0,
            },
        )
        for seed in seeds
        for name in names
    ]
    return ResultTable("scales", rows)


def test_weights_that_go_with_the_family():
    def of(name, seed):
        return {"ldm_vae": 0.7, "unet": 0.7, "pixel_shuffle": 0.4, "bicubic_sr": 0.4}.get(name, 0.1)

    answer = weights_question.weights(weighted(of))
    assert answer.word == "they do"
    assert "0 % of their variance lies between seeds and 100 % between" in answer.paragraph


def test_weights_that_go_with_the_seed_alone():
    answer = weights_question.weights(weighted(lambda name, seed: float(seed % 2)))
    assert answer.word == "not shown"
    assert "in 5 of 5 seeds one scale has more than 90 %" in answer.short
    assert "100 % of their variance lies between seeds and 0 % between" in answer.paragraph


def test_against_a_baseline_the_ahead_are_named_and_the_unmeasured_too():
    table = sweeps.table(
        {"rgb": 0.8, "lab": 0.85, "ycbcr": 0.801, "differences": 0.7}, name="colors"
    )
    late = sweeps.table({"late": 0.9}, seeds=(0,), name="colors")
    tables = {"colors": ResultTable("colors", [*table.rows, *late.rows])}
    answer = baseline_questions.against_baseline(baseline_questions.COLORS, tables)
    assert answer.word == "lab"
    assert answer.short == (
        "Better than RGB beyond noise: lab (+5.0); differences (−10.0) behind; 1 of 3 within noise."
    )
    assert "none differs beyond noise, the largest by 0.1 points" in answer.paragraph
    assert "Not measured yet: late." in answer.paragraph


@pytest.mark.parametrize("question", baseline_questions.QUESTIONS)
def test_a_missing_table_is_said(question):
    answer = baseline_questions.against_baseline(question, {})
    assert answer.word == UNMEASURED
    assert f"docs/results/{question.table}.csv" in answer.short


def test_without_any_table_every_question_is_open():
    assert scale_questions.traces(None).word == UNMEASURED
    assert scale_questions.hypotheses(None).word == UNMEASURED
    assert multiscale_question.multiscale({}).word == UNMEASURED
    assert weights_question.weights(None).word == UNMEASURED
    assert wild_questions.residuals({}).word == UNMEASURED
    assert wild_questions.finalists({}).word == UNMEASURED
    assert wild_questions.longer({}).word == UNMEASURED
    assert wild_questions.ingredients({}).word == UNMEASURED
    assert learning_curve.learning_curve({}).word == UNMEASURED
    assert repeats.repeatability({}).word == UNMEASURED


def wild_table(aucs, noise=0.002):
    """``{delivery: {variant: AUC}}``; attention has three times the parameters."""
    rows = [
        {**row, "delivery": delivery, "parameters": 300 if row["variant"] == "attention" else 100}
        for delivery, given in aucs.items()
        for row in sweeps.table(given, name="residuals", noise=noise).rows
    ]
    return ResultTable("residuals", rows)


def test_real_pictures_are_compared_over_deliveries_and_after_the_worst():
    scales = sweeps.table({"0.5": 0.8, "0.25": 0.7, "0.25+0.5+0.75": 0.85})
    wild = wild_table(
        {
            "clean": {"0.5": 0.80, "0.25": 0.70, "attention": 0.88, "stacked": 0.82},
            "hard": {"0.5": 0.70, "0.25": 0.74, "attention": 0.72, "stacked": 0.76},
        }
    )
    answer = wild_questions.residuals({"scales": scales, "residuals": wild})
    over_all, worst = answer.table.split("The same after the delivery")
    assert "| attention | 5 | +5.0 |" in over_all
    assert "| 0.25 | 5 | −3.0 |" in over_all
    assert "| attention | 5 | +2.0 |" in worst
    assert "| 0.25 | 5 | 0.0 |" in worst  # 70 after clean, as 0.5 has after hard
    assert "| 0.5 | 100 | 5 | 80.0 | 70.0 | 70.0 |" in worst
    assert "By delivery attention gains +8.0 clean and +2.0 hard." in answer.paragraph
    assert "for 2 of 2 variants (0.25 and attention)" in answer.paragraph


def test_finalists_are_those_with_more_seeds_and_are_judged_on_the_fresh_ones_too():
    """Attention is 4 ahead on the seeds that chose it, 1 ahead on the others."""
    first = {"clean": {"0.5": 0.80, "attention": 0.84, "stacked": 0.81, "deep": 0.9}}
    chosen = wild_table(first, noise=1e-4)
    fresh = {"clean": {"0.5": 0.80, "attention": 0.81, "stacked": 0.82}}
    wild = ResultTable(
        "residuals",
        [
            *chosen.only_seeds([0, 1]).rows,
            *wild_table(fresh, noise=1e-4).only_seeds([2, 3, 4]).rows,
        ],
    )
    screened = wild_questions.residuals({"residuals": wild})
    assert "| deep | 2 | +10.0 |" in screened.table
    assert "| attention | 2 | +4.0 |" in screened.table
    answer = wild_questions.finalists({"residuals": wild})
    assert "deep" not in answer.table + answer.paragraph
    assert "| attention | 5 | +2.2 |" in answer.table
    assert "The first 2 seeds also chose the finalists" in answer.paragraph
    assert "with the other 3 alone the differences are stacked +2.0 and attention +1.0." in (
        answer.paragraph
    )
    assert "3.0 times the parameters of its best control, stacked" in answer.paragraph
    unfinished = wild_questions.finalists({"residuals": chosen})
    assert unfinished.word == UNMEASURED


def of_seeds(rows, *seeds, but=None):
    return [row for row in rows if row["seed"] in seeds and row["variant"] != but]


def test_what_few_steps_gave_stands_beside_what_more_give_on_the_same_seeds():
    def steps(aucs, number):
        return [{**row, "steps": number} for row in wild_table({"clean": aucs}, noise=1e-4).rows]

    few = steps({"0.5": 0.7, "attention": 0.74, "stacked": 0.71, "deep": 0.9}, 375)
    more = steps({"0.5": 0.8, "attention": 0.81, "stacked": 0.82}, 1125)
    tables = {
        "residuals": ResultTable("residuals", few),
        "longer": ResultTable("longer", more).only_seeds([0, 1, 2]),
    }
    answer = wild_questions.longer(tables)
    assert "| stacked | 3 | +2.0 |" in answer.table
    assert (
        "Of the same seeds after 375 steps in place of 1125, NPR at 0.5 has 70.0, and the "
        "differences to it are attention +4.0 and stacked +1.0."
    ) in answer.paragraph
    assert "its best control, stacked, and against it −1.0 points" in answer.paragraph
    assert "Of the same seeds" not in wild_questions.longer({"longer": tables["longer"]}).paragraph
    lucky = [row | {"auc": row["auc"] + 0.1 * (row["variant"] == "stacked")} for row in few]
    uneven = {
        "residuals": ResultTable("residuals", [*of_seeds(few, 0, 1), *of_seeds(lucky, 2)]),
        "longer": ResultTable("longer", [*of_seeds(more, 0, 1), *of_seeds(more, 2, but="stacked")]),
    }
    paragraph = wild_questions.longer(uneven).paragraph
    assert "differences to it are attention +4.0 and stacked +1.0." in paragraph


def test_the_learning_curve_tells_its_last_steps():
    aucs = {"eighth_of_images": 0.6, "quarter_of_images": 0.65, "half_of_images": 0.7}
    aucs |= {"no_reconstructions": 0.72, "two_decoders": 0.725, "five_decoders": 0.73}
    made = wild_table({"clean": aucs | {"all": 0.73}}).rows
    table = ResultTable("ingredients", [{**row, "train_images": 40} for row in made])
    answer = learning_curve.learning_curve({"ingredients": table})
    assert answer.word == "more images help; that more decoders help is not shown"
    assert "60.0 with an eighth, 65.0 with a quarter, 70.0 with half and 73.0 with all of the" in (
        answer.paragraph
    )
    assert "72.0 with none, 72.5 with 2, 73.0 with 5 and 73.0 with 13 of the" in answer.paragraph
    parts = wild_questions.ingredients({"ingredients": table})
    assert "no_reconstructions" in parts.table
    assert "half_of_images" not in parts.table
    left = ResultTable("ingredients", [row for row in table.rows if row["variant"] != "all"])
    assert "all has not run" in learning_curve.learning_curve({"ingredients": left}).short


@pytest.mark.parametrize(("difference", "spread", "seeds"), [(2.0, 2.6, 16), (1.0, 2.0, 34)])
def test_seeds_needed_are_those_of_statsmodels(difference, spread, seeds):
    """TTestPower of statsmodels 0.15.0 gives 15.3 and 33.4."""
    assert conclusions_page.seeds_for(difference, spread) == seeds
