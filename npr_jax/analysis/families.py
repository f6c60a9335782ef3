"""Which generators belong together: by kind of model, for the names that the catalogue knows."""

from collections.abc import Mapping

from input_pipeline.errors import UserError

# By the kind of generator; of the embedded decoders, the kind that each stands for.
_MEMBERS = {
    "GAN": (
        "progan", "stylegan", "stylegan2", "stylegan3", "biggan", "cyclegan", "stargan",
        "gaugan", "attgan", "began", "cramergan", "infomaxgan", "mmdgan", "relgan", "s3gan",
        "sngan", "stgan", "nearest_conv", "fir_conv", "transposed4", "transposed3",
        "cyclegan_h2z_png", "stylegan2_tedigan_png", "stylegan2_tpdne_jpg",
    ),
    "diffusion": (
        "adm", "ddpm", "iddpm", "ldm", "pndm", "sdv1_new", "sdv2", "vqdiffusion", "guided",
        "glide_100_10", "glide_100_27", "glide_50_27", "ldm_100", "ldm_200", "ldm_200_cfg",
        "guided-diffusion", "improved-diffusion", "midjourney", "stable_diffusion", "glide",
        "sdv4", "sdv5", "stable_diffusion_v_1_4", "stable_diffusion_v_1_5", "wukong", "vqdm",
        "ldm_vae", "unet",
        # Of the collection of docs/data.md; its makers name these models.
        "glid3_xl_dcsan", "latent_diffusion_ldm_dcsan", "sd1_bento_png",
        "bing_dalle3_jpg_2023_10_12",
    ),
    "super-resolution": ("pixel_shuffle", "bicubic_sr"),
}  # fmt: skip
_FAMILY = {name: family for family, names in _MEMBERS.items() for name in names}


def family_of(generator: str, families: Mapping[str, str] | None = None) -> str:
    """The family of a generator, in any case; one that is not known is a family of its own.

    `families` is generator to family, names in lower case, before what is known here.
    """
    name = generator.lower()
    return (families or {}).get(name) or _FAMILY.get(name, generator)


def parse_families(text: str) -> dict[str, str]:
    """Reads ``GAN:progan,stylegan;diffusion:ddpm`` into generator to family, in lower case.

    Raises:
        ValueError: for any other text, or a generator in two families.
    """
    found: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        family, colon, names = part.partition(":")
        members = [name.strip().lower() for name in names.split(",") if name.strip()]
        if not colon or not family.strip() or not members:
            raise UserError(f"--families={text}; expected FAMILY:generator,generator;FAMILY:...")
        twice = sorted(set(members) & found.keys())
        if twice:
            raise UserError(f"--families={text} names {twice[0]} twice; give each one family")
        found |= dict.fromkeys(members, family.strip())
    return found
