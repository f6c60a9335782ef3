#!/usr/bin/env bash
# FFmpeg: one row more, and the colour of a JPEG is enlarged by another rule, and shifted.
#
# A good guess: how 4:2:0 colour becomes RGB depends on the format and the chosen filter, not on
# whether the height is even. So a picture and the same picture with one more row agree where both
# have pixels.
# What happens: at even heights each colour sample fills two rows. At odd heights the rows between
# are interpolated, and the samples are stretched over the odd height, so that they drift: a step
# at row 48 of 65 lies half a pixel higher than one at row 16. With an odd width as well, the columns
# are treated so too; an odd width alone changes nothing. Pillow has one rule for all sizes.
# What it costs: a detector that reads relations of neighbouring pixels sees other colour residuals
# in frames of odd height.
#
# Source: measured, with the conversion that PyAV's to_ndarray uses when nothing else is asked for.
# Seen on 2026-11-28 with av 18.1.0 (libswscale 9.5.102), pillow 12.3.0, Python 3.11, x86-64; blue of
# eight pixels across a colour step, down a column:
#   height 64, step at 16: PyAV [71, 71, 71, 71, 184, 184, 184, 184]
#   height 64, step at 48: PyAV [71, 71, 71, 71, 184, 184, 184, 184]
#   height 65, step at 16: PyAV [72, 72, 72, 114, 171, 185, 185, 185]
#   height 65, step at 48: PyAV [72, 72, 84, 141, 185, 185, 185, 185]
#   Pillow, each of the four: [71, 71, 71, 100, 156, 185, 185, 185]
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  av==18.1.0 pillow==12.3.0 numpy==2.4.6
cd "$scratch"
venv/bin/python -I - <<'PY'
import io

import av
import numpy as np
from PIL import Image


def across_the_step(height, at):
    """Blue around a step of colour before row `at`, as PyAV and as Pillow decode the file."""
    step = np.full((height, 64), 96, np.uint8)
    step[at:] = 160
    grey = Image.fromarray(np.full((height, 64), 128, np.uint8))
    file = io.BytesIO()
    picture = Image.merge("YCbCr", [grey, Image.fromarray(step), grey])
    picture.save(file, "JPEG", quality=95, subsampling="4:2:0")
    file.seek(0)
    with av.open(file) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    pillow = np.asarray(Image.open(file))
    return [pixels[at - 4 : at + 4, 32, 2].astype(int).tolist() for pixels in (frame, pillow)]


def in_between(values):
    return sum(80 < value < 176 for value in values)


seen = {(height, at): across_the_step(height, at) for height in (64, 65) for at in (16, 48)}
for (height, at), (frame, pillow) in seen.items():
    print(f"height {height}, step at {at}: PyAV {frame}, Pillow {pillow}")

assert len({tuple(pillow) for _, pillow in seen.values()}) == 1, "Pillow's rule has changed"
assert all(in_between(seen[64, at][0]) == 0 for at in (16, 48)), "even heights: no longer repeated"
assert all(in_between(seen[65, at][0]) == 2 for at in (16, 48)), "odd heights: another rule now"
assert sum(seen[65, 48][0]) > sum(seen[65, 16][0]) + 20, "odd heights: no drift any more"
PY
