"""What the NPR paper reports: accuracy and AP in percent, as printed.

Tan et al., Rethinking the Up-Sampling Operations in CNN-based Generative Network for Generalizable
Deepfake Detection, CVPR 2024 (arXiv 2312.10461), tables 1 to 5. Generators are named by their
folders in ``input_pipeline.prepare.catalog``.
"""

from collections.abc import Mapping

Pair = tuple[float, float]  # accuracy, AP
PAPER = "NPR (paper)"

NPR: Mapping[int, Mapping[str, Pair]] = {
    1: {
        "progan": (99.8, 100.0),
        "stylegan": (96.3, 99.8),
        "stylegan2": (97.3, 100.0),
        "biggan": (87.5, 94.5),
        "cyclegan": (95.0, 99.5),
        "stargan": (99.7, 100.0),
        "gaugan": (86.6, 88.8),
        "deepfake": (77.4, 86.2),
    },
    2: {
        "AttGAN": (83.0, 96.2),
        "BEGAN": (99.0, 99.8),
        "CramerGAN": (98.7, 99.0),
        "InfoMaxGAN": (94.5, 98.3),
        "MMDGAN": (98.6, 99.0),
        "RelGAN": (99.6, 100.0),
        "S3GAN": (79.0, 80.0),
        "SNGAN": (88.8, 97.4),
        "STGAN": (98.0, 100.0),
    },
    3: {
        "adm": (88.6, 98.9),
        "ddpm": (99.8, 100.0),
        "iddpm": (91.8, 99.8),
        "ldm": (100.0, 100.0),
        "pndm": (91.2, 100.0),
        "vqdiffusion": (100.0, 100.0),
        "sdv1_new": (97.4, 99.8),
        "sdv2": (93.8, 100.0),
    },
    4: {
        "dalle": (94.5, 99.5),
        "glide_100_10": (98.2, 99.8),
        "glide_100_27": (97.8, 99.7),
        "glide_50_27": (98.2, 99.8),
        "guided": (75.8, 81.0),
        "ldm_100": (99.3, 99.9),
        "ldm_200": (99.1, 99.9),
        "ldm_200_cfg": (99.0, 99.8),
    },
    5: {
        "ddpm": (88.5, 95.1),
        "improved-diffusion": (77.9, 84.8),
        "guided-diffusion": (75.8, 79.3),
        "midjourney": (77.4, 81.9),
        "DALLE": (80.7, 83.0),
    },
}
# Means over the generators of each table, tables 1 to 5.
NPR_MEANS: tuple[Pair, ...] = ((92.5, 96.1), (93.2, 96.6), (95.3, 99.8), (95.2, 97.4), (80.1, 84.8))
OTHERS: Mapping[str, tuple[Pair, ...]] = {
    "CNNDetection": ((67.1, 86.9), (62.3, 82.9), (51.0, 79.8), (52.8, 67.4), (49.9, 52.7)),
    "LGrad": ((86.1, 91.5), (68.6, 80.8), (88.2, 98.5), (90.9, 97.2), (64.2, 74.3)),
    "UnivFD": ((89.1, 98.3), (77.6, 98.8), (74.4, 91.7), (86.9, 94.5), (66.4, 73.9)),
}
