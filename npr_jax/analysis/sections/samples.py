"""Some images, and what the detector sees of them."""

from collections.abc import Sequence

from npr_jax.analysis import figures, markup
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run_results import Run, Sample
from npr_jax.inference import evidence_images
from npr_jax.residuals.front_end import FrontEnd

MAX_TILES = 50  # images of samples and residual maps


def samples(run: Run) -> list[str]:
    """Images of the leading evaluation, each beside its residuals."""
    if not run.evaluations:
        return []
    evaluation = run.evaluations[0]
    recorded = evaluation.results["meta"].get("front_ends") or []
    front_ends = evidence_images.residuals([FrontEnd.from_json(values) for values in recorded])
    chosen = _choose(evaluation.samples, max(1, MAX_TILES // (2 + len(front_ends))))
    if not chosen:
        return []
    drawn = [_sample(sample, front_ends) for sample in chosen]
    chosen_from = (
        f"{len(chosen)} of the images of “{evaluation.name}”, chosen by kind, not by score."
    )
    if not front_ends:
        return [markup.heading("Some of the images"), markup.note(chosen_from), *drawn]
    limit = evidence_images.RESIDUAL_RANGE
    return [
        markup.heading("What the detector looks at"),
        markup.note(
            f"{chosen_from} The residual is the image minus its copy scaled down and up again. It "
            "is shown enlarged and with one fixed scaling for every image and scale: a difference "
            f"of −{limit:g} of the full range is black, none is grey, +{limit:g} is white, in each "
            "colour channel. Up-sampling shows as regular patterns, often too faint for the eye."
        ),
        *drawn,
    ]


def _choose(kept: Sequence[Sample], count: int) -> list[Sample]:
    """`count` samples in their order: one of each generator and class, then a second, and so on."""
    rounds: dict[tuple[str, int], int] = {}
    order = []
    for position, sample in enumerate(kept):
        kind = (sample.generator, sample.label)
        rounds[kind] = rounds.get(kind, 0) + 1
        order.append((rounds[kind], position))
    return [kept[position] for position in sorted(p for _, p in sorted(order)[:count])]


def _sample(sample: Sample, front_ends: Sequence[FrontEnd]) -> str:
    truth = "generated" if sample.label else "photograph"
    verdict = "called generated" if sample.logit > 0 else "called a photograph"
    tiles = "".join(
        f'<figure><img class="{"pixels" if number else "whole"}" src="{uri}" '
        f'alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
        for number, (caption, uri) in enumerate(figures.residual_tiles(sample.image, front_ends))
    )
    return (
        f'<div class="sample"><p><b>{escape(sample.generator)}</b> ({truth}), {verdict}, logit '
        f'{sample.logit:.2f} <span class="soft">{escape(sample.filename)}</span></p>'
        f'<div class="tilesrow">{tiles}</div></div>'
    )
