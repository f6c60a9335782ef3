"""The data sets of the field: what lies in them, in which folders, and how they are scored.

Facts of the five tables are from the NPR paper (Tan et al., CVPR 2024, arXiv 2312.10461), tables 1
to 5; numbers of images from the publication named beside them. Nothing here was checked against
the archives themselves, which change: `prepare --check` compares a copy with what is stated here.
"""

import textwrap
from collections.abc import Iterator
from functools import cache

from input_pipeline.errors import UserError
from input_pipeline.prepare.catalog_entry import CatalogEntry, Generator, Preprocessing, plain
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

_WIDTH = 100  # characters of a line of the listing
LSUN_20 = (
    *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
_OWNERS_TERMS = (
    "None stated with the archive as far as this project knows; the images remain under the terms "
    "of their sources. Ask the publisher."
)


def find_entry(name: str) -> CatalogEntry:
    """Returns an entry by its name.

    Raises:
      ValueError: there is none of that name.
    """
    for entry in catalog():
        if plain(entry.name) == plain(name):
            return entry
    names = ", ".join(entry.name for entry in catalog())
    raise UserError(f"--dataset={name} is not in the catalogue; it has {names}.")


_NPR_TRAIN = Preprocessing(256, 224, "squashed to 256, random crop 224, flip")
_NPR_VALIDATION = Preprocessing(256, 224, "squashed to 256, centre crop 224")
_RESIZE_256 = Preprocessing(256, 0, "squashed to 256, no crop")
_NATIVE = Preprocessing(0, 0, "native size, no crop")
_TEST = {"test": "test"}


@cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Returns every data set, in the order of the tables."""
    return (
        _progan_4class(),
        _forensynths(),
        _gangen_detection(),
        _diffusion_forensics(),
        _universal_fake_detect(),
        _diffusion_1k_step(),
        _aigc_detect_benchmark(),
        _genimage(),
    )


def _generators(text: str, **common: object) -> Iterator[Generator]:
    """Yields generators from `folder=title|alias|alias` words, a space in a title written `~`."""
    for word in text.split():
        folder, _, rest = word.partition("=")
        title, *aliases = rest.split("|") if rest else [folder]
        yield Generator(folder, title.replace("~", " "), tuple(aliases), **common)  # type: ignore[arg-type]


_CNNDETECTION = "github.com/PeterWang512/CNNDetection"
_CNNDETECTION_PAPER = "Wang et al., CNN-generated images are surprisingly easy to spot, CVPR 2020"
_CNNDETECTION_TERMS = (
    "The repository is CC BY-NC-SA 4.0; the images come from LSUN, ImageNet, CelebA, COCO, "
    "FaceForensics++ and others and remain under their terms."
)


def _progan_4class() -> CatalogEntry:
    return CatalogEntry(
        name="progan_4class",
        only_classes=True,
        title="ForenSynths, ProGAN training images of car, cat, chair, horse",
        table=None,
        generators=(
            Generator(
                "progan",
                "ProGAN",
                classes=("car", "cat", "chair", "horse"),
                images=(("train", 144_024), ("validation", 800)),
            ),
        ),
        splits={
            **{"train": "train", "progan_train": "train"},
            **{"val": "validation", "validation": "validation", "progan_val": "validation"},
        },
        counts_from="144,024 training images: NPR paper; 100 of each class and label for "
        "validation: CNNDetection paper, 4,000 over 20 classes",
        protocol={"train": _NPR_TRAIN, "validation": _NPR_VALIDATION},
        homepage=_CNNDETECTION,
        terms=_CNNDETECTION_TERMS,
        citation=_CNNDETECTION_PAPER,
    )


def _forensynths() -> CatalogEntry:
    # Images of both classes, CNNDetection paper, table 1, rounded there to hundreds; StyleGAN2 and
    # WhichFaceIsReal were added to the archive later (counts of the AIGCDetectBenchmark paper).
    counted = {
        **{"progan": 8000, "stylegan": 12_000, "stylegan2": 15_900, "biggan": 4000},
        **{"cyclegan": 2600, "stargan": 4000, "gaugan": 10_000, "deepfake": 5400},
        **{"crn": 12_800, "imle": 12_800, "seeingdark": 360, "san": 440, "whichfaceisreal": 2000},
    }
    classes = {
        "progan": LSUN_20,
        "stylegan": ("bedroom", "car", "cat"),
        "stylegan2": ("car", "cat", "church", "horse"),
        "cyclegan": ("apple", "horse", "orange", "summer", "winter", "zebra"),
    }

    def named(text: str) -> tuple[Generator, ...]:
        """Returns the generators of these words with their classes and counts."""
        return tuple(
            Generator(
                g.folder,
                g.title,
                g.aliases,
                classes.get(g.folder, ()),
                (("test", counted[g.folder]),),
            )
            for g in _generators(text)
        )

    return CatalogEntry(
        name="forensynths",
        title="ForenSynths (CNNDetection test set), eight generators of Table 1",
        table=1,
        generators=named(
            "biggan=BigGAN cyclegan=CycleGAN deepfake=Deepfake|deepfakes|faceforensics "
            "gaugan=GauGAN progan=ProGAN|progan_test stargan=StarGAN stylegan=StyleGAN "
            "stylegan2=StyleGAN2"
        ),
        beside=named(
            "crn=CRN imle=IMLE san=SAN seeingdark=SITD|sitd whichfaceisreal=WhichFaceIsReal|wfir"
        ),
        splits=_TEST,
        tolerance=100,
        counts_from="CNNDetection paper, table 1; AIGCDetectBenchmark paper; rounded to hundreds",
        protocol={"test": _RESIZE_256},
        homepage=_CNNDETECTION,
        terms=_CNNDETECTION_TERMS,
        citation=_CNNDETECTION_PAPER,
    )


def _gangen_detection() -> CatalogEntry:
    return CatalogEntry(
        name="gangen_detection",
        title="GANGen-Detection (Self-Synthesis)",
        table=2,
        generators=tuple(
            _generators(
                "AttGAN BEGAN CramerGAN InfoMaxGAN MMDGAN RelGAN S3GAN SNGAN STGAN",
                images=(("test", 4000),),
            )
        ),
        splits=_TEST,
        counts_from="FreqNet paper (Tan et al., AAAI 2024): 4,000 per generator, half real",
        protocol={"test": _NATIVE},
        homepage="github.com/chuangchuangtan/GANGen-Detection",
        terms=_OWNERS_TERMS,
        citation="Tan et al., GANGen-Detection, 2024",
    )


def _diffusion_forensics() -> CatalogEntry:
    return CatalogEntry(
        name="diffusion_forensics",
        title="DiffusionForensics (test images)",
        table=3,
        generators=tuple(
            _generators(
                "adm=ADM ddpm=DDPM iddpm=IDDPM ldm=LDM pndm=PNDM sdv1_new=SDv1|sdv1|sd-v1 "
                "sdv2=SDv2|sd-v2 vqdiffusion=VQDM|vqdm|vq-diffusion"
            )
        ),
        beside=tuple(
            _generators(
                "dalle2=DALLE~2 if=IF midjourney=Midjourney sdv1_new1=SDv1|sdv1new1 "
                "sdv1_new2=SDv1|sdv1new2 stylegan_official=StyleGAN projectedgan=ProjectedGAN "
                "diff-stylegan=Diff-StyleGAN diff-projectedgan=Diff-ProjectedGAN"
            )
        ),
        splits=_TEST,
        protocol={"test": _RESIZE_256},
        homepage="github.com/ZhendongWang6/DIRE",
        terms=_OWNERS_TERMS,
        citation="Wang et al., DIRE for diffusion-generated image detection, ICCV 2023",
    )


def _universal_fake_detect() -> CatalogEntry:
    return CatalogEntry(
        name="universal_fake_detect",
        title="UniversalFakeDetect (diffusion and autoregressive test sets)",
        table=4,
        generators=tuple(
            _generators(
                "dalle=DALLE glide_100_10=Glide100-10 glide_100_27=Glide100-27 "
                "glide_50_27=Glide50-27 guided=ADM ldm_100=LDM100 ldm_200=LDM200 "
                "ldm_200_cfg=LDM200cfg",
                images=(("test", 2000),),
            )
        ),
        photographs=("imagenet", "laion"),
        splits=_TEST,
        counts_from="UniversalFakeDetect paper: 1,000 generated and 1,000 real per generator",
        protocol={"test": _RESIZE_256},
        homepage="github.com/WisconsinAIVision/UniversalFakeDetect",
        terms=_OWNERS_TERMS,
        citation="Ojha et al., Towards universal fake image detectors, CVPR 2023",
    )


def _diffusion_1k_step() -> CatalogEntry:
    return CatalogEntry(
        name="diffusion_1k_step",
        title="Diffusion1kStep",
        table=5,
        generators=tuple(
            _generators(
                "DALLE=DALLE|dalle2 ddpm=DDPM|ddpm-google guided-diffusion=ADM "
                "improved-diffusion=IDDPM midjourney=Midjourney"
            )
        ),
        splits=_TEST,
        protocol={
            "test": Preprocessing(256, 0, "not published; squashed to 256, no crop (our choice)")
        },
        homepage="github.com/chuangchuangtan/NPR-DeepfakeDetection",
        terms=_OWNERS_TERMS,
        citation="Tan et al., Rethinking the up-sampling operations (NPR), CVPR 2024",
    )


def _aigc_detect_benchmark() -> CatalogEntry:
    thousands = {
        **{"progan=ProGAN": 80, "stylegan=StyleGAN": 120, "biggan=BigGAN": 40},
        **{"cyclegan=CycleGAN": 26, "stargan=StarGAN": 40, "gaugan=GauGAN": 100},
        **{"stylegan2=StyleGAN2": 159, "whichfaceisreal=WFIR|wfir": 20, "ADM=ADM": 120},
        **{"Glide=Glide": 120, "Midjourney=Midjourney": 120},
        **{"stable_diffusion_v_1_4=SDv1.4|sdv14|sdv4": 120},
        **{"stable_diffusion_v_1_5=SDv1.5|sdv15|sdv5": 160},
        **{"VQDM=VQDM": 120, "wukong=Wukong": 120, "DALLE2=DALLE~2|dalle": 20},
    }
    classes = {generator.folder: generator.classes for generator in _forensynths().generators}
    return CatalogEntry(
        name="aigc_detect_benchmark",
        title="AIGCDetectBenchmark (16 generators)",
        table=None,
        generators=tuple(
            Generator(g.folder, g.title, g.aliases, classes.get(g.folder, ()), (("test", n * 100),))
            for word, n in thousands.items()
            for g in _generators(word)
        ),
        beside=(Generator("sd_xl", "SDXL", ("sdxl",)),),
        splits=_TEST,
        tolerance=100,
        counts_from="AIGCDetectBenchmark paper (arXiv 2311.12397), rounded to hundreds",
        protocol={
            "test": Preprocessing(0, 0, "native size, odd last row or column dropped", even=True)
        },
        homepage="github.com/Ekko-zn/AIGCDetectBenchmark",
        terms=_OWNERS_TERMS,
        citation="Zhong et al., Rich and poor texture contrast, arXiv 2311.12397, 2023",
    )


def _genimage() -> CatalogEntry:
    # Generated images, GenImage paper, table 2; the photographs of a generator are as many.
    generated = {
        "ADM=ADM|imagenet_ai_0508_adm": (162_000, 6000),
        "BigGAN=BigGAN|imagenet_ai_0419_biggan": (162_000, 6000),
        "glide=GLIDE|imagenet_glide": (162_000, 6000),
        "Midjourney=Midjourney|imagenet_midjourney": (162_000, 6000),
        "stable_diffusion_v_1_4=SDv1.4|imagenet_ai_0419_sdv4|sdv14|sdv4": (162_000, 6000),
        "stable_diffusion_v_1_5=SDv1.5|imagenet_ai_0424_sdv5|sdv15|sdv5": (166_000, 8000),
        "VQDM=VQDM|imagenet_ai_0419_vqdm": (162_000, 6000),
        "wukong=Wukong|imagenet_ai_0424_wukong": (162_000, 6000),
    }
    return CatalogEntry(
        name="genimage",
        title="GenImage (train on stable_diffusion_v_1_4, test on all)",
        table=None,
        generators=tuple(
            Generator(g.folder, g.title, g.aliases, (), (("train", 2 * train), ("test", 2 * test)))
            for word, (train, test) in generated.items()
            for g in _generators(word)
        ),
        splits={"train": "train", "val": "test"},
        class_folders={"nature": PHOTOGRAPH, "ai": GENERATED},
        # The publisher lists unreadable files per generator; the counts include them.
        tolerance=500,
        counts_from="GenImage paper (Zhu et al., NeurIPS 2023)",
        protocol={
            "train": Preprocessing(0, 224, "small images tiled, random crop 224", tile=True),
            "test": Preprocessing(0, 224, "small images tiled, centre crop 224", tile=True),
        },
        homepage="github.com/GenImage-Dataset/GenImage",
        terms="See the publisher's page; the photographs are ImageNet's, under its terms.",
        citation="Zhu et al., GenImage, NeurIPS 2023",
    )


def format_catalog() -> str:
    """Returns every entry as text: table, protocol, generators with counts, source, terms."""
    return "\n\n".join("\n".join(_lines(entry)) for entry in catalog())


def _lines(entry: CatalogEntry) -> Iterator[str]:
    table = f" (Table {entry.table})" if entry.table else ""
    yield f"{entry.name}{table}: {entry.title}"
    for split, protocol in entry.protocol.items():
        yield f"  {split}: {protocol.note}"
    for split in entry.protocol:
        names = ", ".join(_generator(generator, split) for generator in entry.generators)
        yield from _wrap(f"{split} generators", names)
    if entry.beside:
        yield from _wrap("not counted", ", ".join(g.folder for g in entry.beside))
    if entry.photographs:
        yield from _wrap("shared photographs", ", ".join(entry.photographs))
    if entry.counts_from:
        yield from _wrap("counts", entry.counts_from)
    yield from _wrap("published", entry.homepage)
    yield from _wrap("terms", entry.terms)
    yield from _wrap("cite", entry.citation)


def _generator(generator: Generator, split: str) -> str:
    count = dict(generator.images).get(split)
    facts = [generator.title] if generator.title != generator.folder else []
    if count is not None:
        facts.append(f"{count:,} images")
    if generator.classes:
        facts.append(f"{len(generator.classes)} classes")
    return f"{generator.folder} ({', '.join(facts)})" if facts else generator.folder


def _wrap(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label}: ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
