"""Generators in the order of their families, as figures and tables of the report list them."""

from collections.abc import Iterable

from npr_jax.analysis.families import family_of

GAN, DIFFUSION, SUPER_RESOLUTION = "GAN", "diffusion", "super-resolution"
FAMILIES = (GAN, DIFFUSION, SUPER_RESOLUTION)


def members(family: str, generators: Iterable[str]) -> tuple[str, ...]:
    """The generators of a family, in the order given."""
    return tuple(name for name in generators if family_of(name) == family)


def by_family(generators: Iterable[str]) -> tuple[str, ...]:
    """The generators family by family, those without one of ``FAMILIES`` last."""
    places = {family: place for place, family in enumerate(FAMILIES)}
    return tuple(sorted(generators, key=lambda name: places.get(family_of(name), len(places))))


def family_name(generator: str) -> str:
    """The family as a table shows it; "-" for a generator without one of ``FAMILIES``."""
    family = family_of(generator)
    return family if family in FAMILIES else "-"
