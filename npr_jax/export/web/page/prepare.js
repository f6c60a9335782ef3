// What happens to decoded pixels before the network, as Detector.read does it in Python.

import { newPicture } from "./pixels.js";
import { cut, wholeBlocks } from "./residual.js";
import { resize } from "./resize.js";

/**
 * @param {{resize: number, crop: number, small_images: string, multiple_of: number}} steps of
 *   model.json
 */
export function prepare(picture, steps) {
  const squashed = steps.resize ? resize(picture, steps.resize, steps.resize) : picture;
  const cropped = steps.crop ? centreCrop(squashed, steps.crop, steps.small_images) : squashed;
  return cut(cropped, wholeBlocks(cropped, steps.multiple_of));
}

/** The central square; where the picture is smaller, mirrored at its edges or laid as tiles. */
export function centreCrop(picture, size, smallImages) {
  const index = smallImages === "tile" ? tiled : reflected;
  const rows = index(picture.height, size);
  const columns = index(picture.width, size);
  const result = newPicture(size, size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = (rows[y] * picture.width + columns[x]) * 3;
      const to = (y * size + x) * 3;
      result.data[to] = picture.data[from];
      result.data[to + 1] = picture.data[from + 1];
      result.data[to + 2] = picture.data[from + 2];
    }
  }
  return result;
}

function reflected(length, size) {
  const before = Math.floor(Math.max(size - length, 0) / 2);
  const first = roundHalfToEven((Math.max(size, length) - size) / 2) - before;
  const period = Math.max(1, 2 * (length - 1));
  return Array.from({ length: size }, (_, i) => {
    const place = (((first + i) % period) + period) % period;
    return place < length ? place : period - place;
  });
}

function tiled(length, size) {
  const whole = length * Math.ceil(size / length);
  const first = roundHalfToEven((Math.max(whole, length) - size) / 2);
  return Array.from({ length: size }, (_, i) => (first + i) % length);
}

// Python's round, which the crop of the training uses.
function roundHalfToEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
