"""Everything in docs/ that is made from docs/results/*.csv, made anew.

Writes docs/results/tables.md, the figures docs/images/research/*.svg, and the blocks of
docs/report.md, docs/slides/slides.md, docs/data.md, docs/detector.md and docs/formats.md.
"""

import pathlib
from collections.abc import Mapping

from docs.research import (
    conclusions_page,
    decoder_table,
    decoder_traces,
    detector_edges,
    detector_figures,
    detector_mark,
    detector_pictures,
    detector_robustness,
    detector_sources,
    detector_views,
    finalist_views,
    leaks,
    mark_survival,
    pages,
    stronger_delivery,
    tables_page,
    theory,
)
from docs.research.answer import Answer
from docs.research.architecture import architecture
from docs.research.baseline_questions import QUESTIONS, against_baseline
from docs.research.detector_question import unseen
from docs.research.learning_curve import learning_curve
from docs.research.multiscale_question import multiscale
from docs.research.repeats import repeatability
from docs.research.result_table import ResultTable, read_tables
from docs.research.scale_questions import hypotheses, traces
from docs.research.weights_question import weights
from docs.research.wild_questions import finalists, ingredients, longer, residuals
from input_pipeline.storage.atomic_files import write_file
from npr_jax.analysis.figures import style
from npr_jax.detectors.card import own_card

RESULTS, IMAGES = "results", "images/research"  # within docs
PAGES = ("report.md", "slides/slides.md", "data.md", "detector.md", "formats.md")


def answer_all(tables: Mapping[str, ResultTable], results: pathlib.Path) -> list[Answer]:
    """The answers in the order of the report; ``results``: where the tables lie."""
    scales = tables.get("scales")
    return [
        traces(scales),
        hypotheses(scales),
        multiscale(tables),
        weights(scales),
        *(against_baseline(question, tables) for question in QUESTIONS),
        unseen(results, tables),
        residuals(tables),
        finalists(tables),
        longer(tables),
        ingredients(tables),
        learning_curve(tables),
        repeatability(tables),
    ]


def make_blocks(answers: list[Answer], tables: Mapping[str, ResultTable]) -> dict[str, str]:
    """{name of a block: its Markdown} for the report and the slides."""
    blocks = {
        "theory": theory.prediction_table(),
        "experiments": conclusions_page.experiments(tables),
        "strength": conclusions_page.strength(tables),
        "conclusions": conclusions_page.conclusions(answers),
        "recommendations": conclusions_page.recommendations(tables),
    }
    for answer in answers:
        blocks |= answer.blocks(IMAGES)
    return blocks


def make_files(docs: pathlib.Path) -> dict[pathlib.Path, str | None]:
    """{file: its text} of all that is made; None for a figure that has nothing to show.

    Args:
        docs: the directory of the pages, with the tables in ``results``.

    Raises:
        ValueError: if there are no tables, or a page's marks and the blocks do not fit.
    """
    tables = read_tables(docs / RESULTS)
    if not tables:
        raise ValueError(
            f"{docs / RESULTS} has no tables; expected NAME.csv, the runs.csv of sweeps"
        )
    answers = answer_all(tables, docs / RESULTS)
    blocks = make_blocks(answers, tables)
    blocks["leaks"] = leaks.block_of(docs / RESULTS)
    blocks["detector"] = detector_figures.block_of(docs / RESULTS / detector_figures.TABLE)
    blocks["held_out"] = detector_figures.held_out_block(docs / RESULTS / detector_figures.HELD_OUT)
    blocks["sources"] = detector_sources.block_of(
        docs / RESULTS / detector_sources.TABLE, own_card()
    )
    blocks["finalist-views"] = finalist_views.block_of(docs / RESULTS / finalist_views.TABLE)
    blocks["views"] = detector_views.block_of(docs / RESULTS / detector_views.TABLE)
    blocks["robustness"] = detector_robustness.block_of(docs / RESULTS / detector_robustness.TABLE)
    blocks["stronger-delivery"] = stronger_delivery.block_of(
        docs / RESULTS / stronger_delivery.TABLE
    )
    blocks["edges"] = detector_edges.block_of(docs / RESULTS / detector_edges.TABLE)
    blocks["marked-recipes"] = detector_mark.recipes_block(docs / RESULTS / detector_mark.RECIPES)
    blocks["marked"] = detector_mark.block_of(docs / RESULTS / detector_mark.TABLE)
    for shown in ("own", "dev"):
        blocks[f"pictures.{shown}"] = detector_pictures.block_of(
            docs / RESULTS / detector_pictures.TABLE, shown
        )
    blocks["mark"] = mark_survival.format_block(
        mark_survival.read_rows(docs / RESULTS / mark_survival.FOLDER / "realworld.csv")
    )
    decoded = decoder_table.read_rows(docs / RESULTS / decoder_traces.FOLDER / "realworld.csv")
    blocks["decoders-made"] = decoder_table.made_block(decoded)
    blocks["decoders-found"] = decoder_table.found_block(decoded)
    files: dict[pathlib.Path, str | None] = {
        docs / RESULTS / tables_page.PAGE: tables_page.format_page(
            {n: t.rows for n, t in tables.items()}
        )
    }
    for page in PAGES:
        files[docs / page] = pages.fill((docs / page).read_text(encoding="utf-8"), blocks)
    figures = {answer.name: answer.figure for answer in answers} | {"architecture": architecture()}
    for name, drawing in figures.items():
        with style.styled():
            files[docs / IMAGES / f"{name}.svg"] = style.svg(drawing) if drawing else None
    return files


def rebuild(docs: pathlib.Path) -> None:
    """Writes what ``make_files`` gives, each file whole or not at all."""
    for path, text in make_files(docs).items():
        if text is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text)
