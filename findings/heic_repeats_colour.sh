#!/usr/bin/env bash
# pillow-heif: the colour of a HEIC picture is repeated, where Pillow interpolates that of AVIF.
#
# A good guess: 4:2:0 pictures (one colour sample for 2x2 pixels) come out alike from Pillow and its
# plugins: JPEG, WebP and AVIF are enlarged with weights 3/4 and 1/4, and so would be HEIC, which
# is AVIF's container with another codec and which libheif reads.
# What happens: each colour sample of HEIC fills a block of 2x2 pixels, and a step has no slope.
# What it costs: blocks of equal neighbours are the very trace by which detectors of up-sampling
# tell generated pictures; a photograph gains it by the choice of its format.
#
# Source: measured.
# Seen on 2026-11-28 with pillow-heif 1.8.1 (libheif 1.23.6), pillow 12.3.0, Python 3.11, x86-64;
# blue-difference of eight pixels across a step, luma flat:
#   JPEG [95, 95, 95, 112, 144, 160, 160, 160]
#   AVIF [95, 95, 95, 111, 142, 159, 159, 159]
#   HEIF [95, 95, 95, 95, 160, 160, 160, 160]
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  pillow-heif==1.8.1 pillow==12.3.0 numpy==2.4.6
cd "$scratch"
venv/bin/python -I - <<'PY'
import io

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
grey, step = np.full((64, 64), 128, np.uint8), np.full((64, 64), 96, np.uint8)
step[:, 32:] = 160
planes = [Image.fromarray(plane) for plane in (grey, step, grey)]
picture = Image.merge("YCbCr", planes).convert("RGB")


def across_the_step(kind, **options):
    """Cb of eight pixels in the middle of a row, after saving as 4:2:0 and opening."""
    file = io.BytesIO()
    picture.save(file, kind, quality=95, **options)
    opened = Image.open(file)
    assert opened.format == kind
    values = np.asarray(opened.convert("YCbCr"))[32, 28:36, 1]
    print(kind, values.tolist())
    return values.astype(int)


for kind in ("JPEG", "AVIF"):
    values = across_the_step(kind, subsampling="4:2:0")
    assert 8 < values[3] - values[2] < 24 < values[4] - values[3], f"{kind} is otherwise now"
values = across_the_step("HEIF", chroma=420)
assert abs(values[3] - values[0]) <= 2 and values[4] - values[3] > 58, "HEIC is otherwise now"
PY
