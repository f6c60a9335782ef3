"""Which generators are of one kind, by how their decoders reach full size.

Of the embedded data (docs/simulation.md), and of the collection of docs/realworld.md as far as the
makers say what they used. Generators that are neither (an autoregressive decoder, unknown) have no
family and stay out of questions about families.
"""

from collections.abc import Iterable

GAN, DIFFUSION, SUPER_RESOLUTION = "GAN-like", "diffusion-like", "super-resolution"
FAMILIES = {
    GAN: (
        "nearest_conv",
        "fir_conv",
        "transposed4",
        "transposed3",
        "cyclegan_h2z_png",
        "stylegan2_tedigan_png",
        "stylegan2_tpdne_jpg",
    ),
    DIFFUSION: (
        "ldm_vae",
        "unet",
        "glid3_xl_dcsan",
        "latent_diffusion_ldm_dcsan",
        "sd1_bento_png",
        "bing_dalle3_jpg_2023_10_12",
    ),
    SUPER_RESOLUTION: ("pixel_shuffle", "bicubic_sr"),
}


def members(family: str, generators: Iterable[str]) -> tuple[str, ...]:
    """The generators of a family that are among those given, in the family's order."""
    given = set(generators)
    return tuple(name for name in FAMILIES[family] if name in given)


def family_of(generator: str) -> str:
    """The family of a generator, "-" if it has none."""
    for family, names in FAMILIES.items():
        if generator in names:
            return family
    return "-"


def by_family(generators: Iterable[str]) -> tuple[str, ...]:
    """The generators in the order of their families, those without one last."""
    given = tuple(generators)
    ordered = [name for family in FAMILIES for name in members(family, given)]
    return (*ordered, *(name for name in given if name not in ordered))
