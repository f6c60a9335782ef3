"""The data sets of the field: what lies in them, in which folders, and how they are scored.

Facts of the five tables are from the NPR paper (Tan et al., CVPR 2024, arXiv 2312.10461), tables 1
to 5; numbers of images from the publication named beside them. Nothing here was checked against
the archives themselves, which change: `prepare --check` compares a copy with what is stated here.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from input_pipeline.errors import UserError
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

# The two folders, and spellings of them in copies of these archives.
_LABELS = {"real": PHOTOGRAPH, "fake": GENERATED, "0real": PHOTOGRAPH, "1fake": GENERATED}
_SPLIT_NAMES = ("train", "val", "validation", "dev", "test", "progantrain", "proganval")


@dataclass(frozen=True)
class Generator:
    """One generator of a data set."""

    folder: str  # its folder in the published archive, and its name here
    title: str = ""  # its name in the paper
    # Other names of the folder, compared without case, '-', '_' and spaces.
    aliases: tuple[str, ...] = ()
    # Names of its class folders; empty: no class folders, or not known.
    classes: tuple[str, ...] = ()
    images: tuple[tuple[str, int], ...] = ()  # {split: published number of images, both classes}


@dataclass(frozen=True)
class ProtocolSteps:
    """What happens to images of one split before the network."""

    resize: int  # edge in pixels of the square they are squashed to; 0: native size
    crop: int  # edge in pixels of a crop after that; 0: none
    note: str  # in words
    tile: bool = False  # whether images below the crop are tiled, not padded by reflection
    even: bool = False  # whether an odd last row or column is dropped


@dataclass(frozen=True)
class CatalogEntry:
    """One published data set."""

    name: str  # as in `--dataset=`
    title: str  # as published
    table: int | None  # of the NPR paper that reports it, or None
    generators: tuple[Generator, ...]  # what the protocol averages over
    # {folder name: split}; the first split is that of a tree without split folders
    splits: dict[str, str]
    protocol: dict[str, ProtocolSteps]  # {split: ProtocolSteps}
    homepage: str  # where its owner publishes it
    terms: str  # under what terms, as far as known
    citation: str  # the publication
    # Further generators that copies of it hold and the protocol does not count.
    beside: tuple[Generator, ...] = ()
    photographs: tuple[str, ...] = ()  # folders of photographs that several generators share
    # Whether images of classes that it does not name are no part of it; else they are pooled with
    # the others.
    only_classes: bool = False
    class_folders: dict[str, int] | None = None  # {folder name: label}, beside 0_real and 1_fake
    tolerance: int = 0  # images by which a published, rounded count may differ
    counts_from: str = ""  # publication of the counts; '' where none is known

    def find(self, folder: str) -> Generator | None:
        """Returns the generator that a folder name means, among those that count and beside."""
        wanted = bare_name(folder)
        for generator in (*self.generators, *self.beside):
            if wanted in map(bare_name, (generator.folder, *generator.aliases)):
                return generator
        return None

    def label(self, folder: str) -> int | None:
        """Returns the label that a folder name means: 0 photographs, 1 generated, else None."""
        return {**_LABELS, **(self.class_folders or {})}.get(bare_name(folder))

    def split(self, folder: str) -> str:
        """Returns the split that a folder name means, '' for none."""
        splits = {bare_name(name): split for name, split in self.splits.items()}
        return splits.get(bare_name(folder), "")

    def is_foreign_split(self, folder: str) -> bool:
        """Returns whether a folder name means a split that is no part of this data set."""
        return bare_name(folder) in _SPLIT_NAMES and not self.split(folder)


def bare_name(name: str) -> str:
    """Reduces a folder name to what spellings have in common: lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


LSUN_20 = (
    "airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
_CLASSES = {
    "progan": LSUN_20,
    "stylegan": ("bedroom", "car", "cat"),
    "stylegan2": ("car", "cat", "church", "horse"),
    "cyclegan": ("apple", "horse", "orange", "summer", "winter", "zebra"),
}
_NPR_TRAIN = ProtocolSteps(256, 224, "squashed to 256, random crop 224, flip")
_NPR_VALIDATION = ProtocolSteps(256, 224, "squashed to 256, centre crop 224")
_RESIZE_256 = ProtocolSteps(256, 0, "squashed to 256, no crop")
_RESIZE_OURS = ProtocolSteps(256, 0, "not published; squashed to 256, no crop (our choice)")
_NATIVE = ProtocolSteps(0, 0, "native size, no crop")
_NATIVE_EVEN = ProtocolSteps(0, 0, "native size, odd last row or column dropped", even=True)
_TILED_TRAIN = ProtocolSteps(0, 224, "small images tiled, random crop 224", tile=True)
_TILED_TEST = ProtocolSteps(0, 224, "small images tiled, centre crop 224", tile=True)
_TEST = {"test": "test"}
_OWNERS_TERMS = (
    "None stated with the archive as far as this project knows; the images remain under the terms "
    "of their sources. Ask the publisher."
)
_CNNDETECTION = "github.com/PeterWang512/CNNDetection"
_CNNDETECTION_PAPER = "Wang et al., CNN-generated images are surprisingly easy to spot, CVPR 2020"
_CNNDETECTION_TERMS = (
    "The repository is CC BY-NC-SA 4.0; the images come from LSUN, ImageNet, CelebA, COCO, "
    "FaceForensics++ and others and remain under their terms."
)


def _generators(
    text: str,
    classes: Mapping[str, tuple[str, ...]] | None = None,
    splits: tuple[str, ...] = ("test",),
) -> tuple[Generator, ...]:
    """Generators from `folder=title|alias|alias:images/images` words, the images by split.

    A space in a title is written `~`; all but the folder may be missing.
    """
    generators = []
    for word in text.split():
        names, _, counts = word.partition(":")
        folder, _, rest = names.partition("=")
        title, *aliases = (rest or folder).replace("~", " ").split("|")
        images = tuple(zip(splits, map(int, counts.split("/")), strict=True)) if counts else ()
        found = (classes or {}).get(folder, ())
        generators.append(Generator(folder, title, tuple(aliases), found, images))
    return tuple(generators)


# Every data set, in the order of the tables.
CATALOG = (
    CatalogEntry(
        name="progan_4class",
        only_classes=True,
        title="ForenSynths, ProGAN training images of car, cat, chair, horse",
        table=None,
        generators=_generators(
            "progan=ProGAN:144024/800",
            {"progan": ("car", "cat", "chair", "horse")},
            ("train", "validation"),
        ),
        splits={
            "train": "train",
            "progan_train": "train",
            "val": "validation",
            "validation": "validation",
            "progan_val": "validation",
        },
        counts_from="144,024 training images: NPR paper; 100 of each class and label for "
        "validation: CNNDetection paper, 4,000 over 20 classes",
        protocol={"train": _NPR_TRAIN, "validation": _NPR_VALIDATION},
        homepage=_CNNDETECTION,
        terms=_CNNDETECTION_TERMS,
        citation=_CNNDETECTION_PAPER,
    ),
    CatalogEntry(
        name="forensynths",
        title="ForenSynths (CNNDetection test set), eight generators of Table 1",
        table=1,
        # Images of both classes; StyleGAN2 and WhichFaceIsReal were added to the archive later.
        generators=_generators(
            "biggan=BigGAN:4000 cyclegan=CycleGAN:2600 "
            "deepfake=Deepfake|deepfakes|faceforensics:5400 gaugan=GauGAN:10000 "
            "progan=ProGAN|progan_test:8000 stargan=StarGAN:4000 stylegan=StyleGAN:12000 "
            "stylegan2=StyleGAN2:15900",
            _CLASSES,
        ),
        beside=_generators(
            "crn=CRN:12800 imle=IMLE:12800 san=SAN:440 seeingdark=SITD|sitd:360 "
            "whichfaceisreal=WhichFaceIsReal|wfir:2000"
        ),
        splits=_TEST,
        tolerance=100,
        counts_from="CNNDetection paper, table 1; AIGCDetectBenchmark paper; rounded to hundreds",
        protocol={"test": _RESIZE_256},
        homepage=_CNNDETECTION,
        terms=_CNNDETECTION_TERMS,
        citation=_CNNDETECTION_PAPER,
    ),
    CatalogEntry(
        name="gangen_detection",
        title="GANGen-Detection (Self-Synthesis)",
        table=2,
        generators=_generators(
            "AttGAN:4000 BEGAN:4000 CramerGAN:4000 InfoMaxGAN:4000 MMDGAN:4000 RelGAN:4000 "
            "S3GAN:4000 SNGAN:4000 STGAN:4000"
        ),
        splits=_TEST,
        counts_from="FreqNet paper (Tan et al., AAAI 2024): 4,000 per generator, half real",
        protocol={"test": _NATIVE},
        homepage="github.com/chuangchuangtan/GANGen-Detection",
        terms=_OWNERS_TERMS,
        citation="Tan et al., GANGen-Detection, 2024",
    ),
    CatalogEntry(
        name="diffusion_forensics",
        title="DiffusionForensics (test images)",
        table=3,
        generators=_generators(
            "adm=ADM ddpm=DDPM iddpm=IDDPM ldm=LDM pndm=PNDM sdv1_new=SDv1|sdv1|sd-v1 "
            "sdv2=SDv2|sd-v2 vqdiffusion=VQDM|vqdm|vq-diffusion"
        ),
        beside=_generators(
            "dalle2=DALLE~2 if=IF midjourney=Midjourney sdv1_new1=SDv1|sdv1new1 "
            "sdv1_new2=SDv1|sdv1new2 stylegan_official=StyleGAN projectedgan=ProjectedGAN "
            "diff-stylegan=Diff-StyleGAN diff-projectedgan=Diff-ProjectedGAN"
        ),
        splits=_TEST,
        protocol={"test": _RESIZE_256},
        homepage="github.com/ZhendongWang6/DIRE",
        terms=_OWNERS_TERMS,
        citation="Wang et al., DIRE for diffusion-generated image detection, ICCV 2023",
    ),
    CatalogEntry(
        name="universal_fake_detect",
        title="UniversalFakeDetect (diffusion and autoregressive test sets)",
        table=4,
        generators=_generators(
            "dalle=DALLE:2000 glide_100_10=Glide100-10:2000 glide_100_27=Glide100-27:2000 "
            "glide_50_27=Glide50-27:2000 guided=ADM:2000 ldm_100=LDM100:2000 ldm_200=LDM200:2000 "
            "ldm_200_cfg=LDM200cfg:2000"
        ),
        photographs=("imagenet", "laion"),
        splits=_TEST,
        counts_from="UniversalFakeDetect paper: 1,000 generated and 1,000 real per generator",
        protocol={"test": _RESIZE_256},
        homepage="github.com/WisconsinAIVision/UniversalFakeDetect",
        terms=_OWNERS_TERMS,
        citation="Ojha et al., Towards universal fake image detectors, CVPR 2023",
    ),
    CatalogEntry(
        name="diffusion_1k_step",
        title="Diffusion1kStep",
        table=5,
        generators=_generators(
            "DALLE=DALLE|dalle2 ddpm=DDPM|ddpm-google guided-diffusion=ADM "
            "improved-diffusion=IDDPM midjourney=Midjourney"
        ),
        splits=_TEST,
        protocol={"test": _RESIZE_OURS},
        homepage="github.com/chuangchuangtan/NPR-DeepfakeDetection",
        terms=_OWNERS_TERMS,
        citation="Tan et al., Rethinking the up-sampling operations (NPR), CVPR 2024",
    ),
    CatalogEntry(
        name="aigc_detect_benchmark",
        title="AIGCDetectBenchmark (16 generators)",
        table=None,
        generators=_generators(
            "progan=ProGAN:8000 stylegan=StyleGAN:12000 biggan=BigGAN:4000 cyclegan=CycleGAN:2600 "
            "stargan=StarGAN:4000 gaugan=GauGAN:10000 stylegan2=StyleGAN2:15900 "
            "whichfaceisreal=WFIR|wfir:2000 ADM=ADM:12000 Glide=Glide:12000 "
            "Midjourney=Midjourney:12000 stable_diffusion_v_1_4=SDv1.4|sdv14|sdv4:12000 "
            "stable_diffusion_v_1_5=SDv1.5|sdv15|sdv5:16000 VQDM=VQDM:12000 wukong=Wukong:12000 "
            "DALLE2=DALLE~2|dalle:2000",
            _CLASSES,
        ),
        beside=_generators("sd_xl=SDXL|sdxl"),
        splits=_TEST,
        tolerance=100,
        counts_from="AIGCDetectBenchmark paper (arXiv 2311.12397), rounded to hundreds",
        protocol={"test": _NATIVE_EVEN},
        homepage="github.com/Ekko-zn/AIGCDetectBenchmark",
        terms=_OWNERS_TERMS,
        citation="Zhong et al., Rich and poor texture contrast, arXiv 2311.12397, 2023",
    ),
    CatalogEntry(
        name="genimage",
        title="GenImage (train on stable_diffusion_v_1_4, test on all)",
        table=None,
        # Twice the generated images of GenImage paper, table 2: there are as many photographs.
        generators=_generators(
            "ADM=ADM|imagenet_ai_0508_adm:324000/12000 "
            "BigGAN=BigGAN|imagenet_ai_0419_biggan:324000/12000 "
            "glide=GLIDE|imagenet_glide:324000/12000 "
            "Midjourney=Midjourney|imagenet_midjourney:324000/12000 "
            "stable_diffusion_v_1_4=SDv1.4|imagenet_ai_0419_sdv4|sdv14|sdv4:324000/12000 "
            "stable_diffusion_v_1_5=SDv1.5|imagenet_ai_0424_sdv5|sdv15|sdv5:332000/16000 "
            "VQDM=VQDM|imagenet_ai_0419_vqdm:324000/12000 "
            "wukong=Wukong|imagenet_ai_0424_wukong:324000/12000",
            splits=("train", "test"),
        ),
        splits={"train": "train", "val": "test"},
        class_folders={"nature": PHOTOGRAPH, "ai": GENERATED},
        # The publisher lists unreadable files per generator; the counts include them.
        tolerance=500,
        counts_from="GenImage paper (Zhu et al., NeurIPS 2023)",
        protocol={"train": _TILED_TRAIN, "test": _TILED_TEST},
        homepage="github.com/GenImage-Dataset/GenImage",
        terms="See the publisher's page; the photographs are ImageNet's, under its terms.",
        citation="Zhu et al., GenImage, NeurIPS 2023",
    ),
)


def find_entry(name: str) -> CatalogEntry:
    """Returns an entry by its name, or raises ValueError where there is none."""
    for entry in CATALOG:
        if bare_name(entry.name) == bare_name(name):
            return entry
    names = ", ".join(entry.name for entry in CATALOG)
    raise UserError(f"--dataset={name} is not in the catalogue; it has {names}.")


def format_catalog() -> str:
    """Returns every entry as text: table, protocol, generators with counts, source, terms."""
    return "\n\n".join("\n".join(_lines(entry)) for entry in CATALOG)


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
        text, 100, initial_indent=f"  {label}: ", subsequent_indent="    ", break_on_hyphens=False
    )
