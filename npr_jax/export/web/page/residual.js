// The residual maps, as the network sees them and as a picture for people.

import { newPicture } from "./pixels.js";

const RANGE = Math.fround(0.1); // of pixel values in [0, 1]: black (-), grey (0), white (+)

/**
 * For every pixel of an axis, the pixel that its block is represented by.
 *
 * @param {number} length of the axis, a multiple of the block's
 * @param {number[]} block the references of the first block
 */
export function referenceIndices(length, block) {
  return Int32Array.from({ length }, (_, i) => {
    const within = i % block.length;
    return i - within + block[within];
  });
}

/**
 * A window of the residual of a whole picture; see residual_pixels in Python, which it equals.
 *
 * @param {import("./pixels.js").Picture} picture
 * @param {{rows: number[], columns: number[]}} frontEnd a residual of model.json that is drawn
 * @param {{left: number, top: number, width: number, height: number}} window
 * @returns {import("./pixels.js").Picture}
 */
export function residualWindow(picture, frontEnd, window) {
  const rows = referenceIndices(picture.height, frontEnd.rows);
  const columns = referenceIndices(picture.width, frontEnd.columns);
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
export function middleOf(picture, pixels, multipleOf) {
  const scale = Math.min(1, Math.sqrt(pixels / (picture.width * picture.height)));
  const side = (length) => (scale < 1 ? floorTo(length * scale, 8 * multipleOf) : length);
  return middle(picture, side(picture.width), side(picture.height));
}

/** The window from the top left whose sides are multiples of so many pixels. */
export function wholeBlocks(picture, multipleOf) {
  const [width, height] = [picture.width, picture.height].map((n) => floorTo(n, multipleOf));
  return { left: 0, top: 0, width, height };
}

function floorTo(length, multipleOf) {
  return Math.floor(length / multipleOf) * multipleOf;
}

/** The window of a picture itself. */
export function cut(picture, { left, top, width, height }) {
  if (width === picture.width && height === picture.height) return picture;
  const result = newPicture(width, height);
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * picture.width + left) * 3;
    result.data.set(picture.data.subarray(from, from + width * 3), row * width * 3);
  }
  return result;
}
