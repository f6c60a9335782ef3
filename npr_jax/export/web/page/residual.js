// The residual maps, as the network sees them and as a picture for people.

import { newPicture } from "./pixels.js";

const RANGE = Math.fround(0.1); // of pixel values in [0, 1]: black (-), grey (0), white (+)

/**
 * For every pixel of an axis, the pixel that its block is represented by.
 *
 * In float32, as torch and the training: exact numbers choose another pixel at some sizes.
 */
export function referenceIndices(length, factor, phase) {
  const small = Math.max(1, Math.floor(length * factor));
  const down = nearestIndices(length, small);
  const up = nearestIndices(small, length);
  return up.map((place) => Math.min(down[place] + phase, length - 1));
}

function nearestIndices(from, to) {
  const scale = Math.fround(from / to);
  const indices = new Int32Array(to);
  for (let i = 0; i < to; i++) {
    indices[i] = Math.min(Math.floor(Math.fround(i * scale)), from - 1);
  }
  return indices;
}

/**
 * A window of the residual of a whole picture; see residual_pixels in Python, which it equals.
 *
 * @param {import("./pixels.js").Picture} picture
 * @param {{factor: number, phase: number[]}} frontEnd of mode nearest
 * @param {{left: number, top: number, width: number, height: number}} window
 * @returns {import("./pixels.js").Picture}
 */
export function residualWindow(picture, frontEnd, window) {
  const rows = referenceIndices(picture.height, frontEnd.factor, frontEnd.phase[0]);
  const columns = referenceIndices(picture.width, frontEnd.factor, frontEnd.phase[1]);
  const shades = shadesOfDifferences();
  const result = newPicture(window.width, window.height);
  let to = 0;
  for (let y = window.top; y < window.top + window.height; y++) {
    for (let x = window.left; x < window.left + window.width; x++) {
      const pixel = (y * picture.width + x) * 3;
      const reference = (rows[y] * picture.width + columns[x]) * 3;
      for (let c = 0; c < 3; c++, to++) {
        result.data[to] = shades[picture.data[pixel + c] - picture.data[reference + c] + 255];
      }
    }
  }
  return result;
}

/** The shade of each difference from -255 to 255, rounded in float32 as numpy does. */
function shadesOfDifferences() {
  const f = Math.fround;
  return Uint8Array.from({ length: 511 }, (_, i) => {
    const difference = f(f(1 / 255) * (i - 255));
    const shown = f(0.5 + f(f(0.5 * difference) / RANGE));
    const shade = f(255 * Math.min(1, Math.max(0, shown)));
    const floor = Math.floor(shade);
    return shade - floor === 0.5 ? floor + (floor % 2) : Math.round(shade);
  });
}

/** A window in the middle; it starts where blocks of 8 pixels do, JPEG's and the residuals'. */
export function middle(picture, mostWidth, mostHeight) {
  const width = Math.min(mostWidth, picture.width);
  const height = Math.min(mostHeight, picture.height);
  const start = (gap) => Math.floor(gap / 16) * 8;
  return { left: start(picture.width - width), top: start(picture.height - height), width, height };
}

/** The window in the middle that has at most so many pixels, and the picture's shape. */
export function middleOf(picture, pixels) {
  const scale = Math.min(1, Math.sqrt(pixels / (picture.width * picture.height)));
  const side = (length) => (scale < 1 ? Math.floor((length * scale) / 8) * 8 : length);
  return middle(picture, side(picture.width), side(picture.height));
}

/** The window of a picture itself. */
export function cut(picture, { left, top, width, height }) {
  const result = newPicture(width, height);
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * picture.width + left) * 3;
    result.data.set(picture.data.subarray(from, from + width * 3), row * width * 3);
  }
  return result;
}
