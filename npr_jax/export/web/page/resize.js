// PIL's antialiased bilinear resize, to the last bit: Image.resize(size, BILINEAR) of 8-bit RGB.
//
// Two passes, across then down, each in whole numbers: weights are rounded to 22 bits after the
// point and every pass rounds to 8 bits (Pillow, src/libImaging/Resample.c).

import { newPicture } from "./pixels.js";

const PRECISION_BITS = 32 - 8 - 2;
const ONE = 2 ** PRECISION_BITS;
const HALF = 2 ** (PRECISION_BITS - 1);

/**
 * For every place of the resized axis, where its pixels begin, how many and their weights.
 * @returns {{first: Int32Array, count: Int32Array, weights: Int32Array, taps: number}}
 */
function coefficients(from, to) {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const taps = Math.ceil(stretch) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * taps);
  const exact = new Float64Array(taps);
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - stretch + 0.5));
    const stop = Math.min(from, Math.trunc(centre + stretch + 0.5));
    let sum = 0;
    for (let i = 0; i < stop - start; i++) {
      const distance = Math.abs((i + start - centre + 0.5) * (1 / stretch));
      exact[i] = distance < 1 ? 1 - distance : 0;
      sum += exact[i];
    }
    first[place] = start;
    count[place] = stop - start;
    for (let i = 0; i < stop - start; i++) {
      const share = sum !== 0 ? exact[i] / sum : exact[i];
      weights[place * taps + i] = Math.trunc(0.5 + share * ONE);
    }
  }
  return { first, count, weights, taps };
}

/** One pass along an axis whose neighbours lie `step` samples apart; lines lie `line` apart. */
function pass(source, target, plan, places, lines, sourceAt, targetAt, step) {
  const { first, count, weights, taps } = plan;
  for (let line = 0; line < lines; line++) {
    for (let place = 0; place < places; place++) {
      let from = sourceAt(line, first[place]);
      const to = targetAt(line, place);
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      const last = place * taps + count[place];
      for (let tap = place * taps; tap < last; tap++) {
        const weight = weights[tap];
        red += source[from] * weight;
        green += source[from + 1] * weight;
        blue += source[from + 2] * weight;
        from += step;
      }
      target[to] = clip(red);
      target[to + 1] = clip(green);
      target[to + 2] = clip(blue);
    }
  }
}

function clip(sum) {
  return Math.max(0, Math.min(255, Math.floor(sum / ONE)));
}

/**
 * @param {import("./pixels.js").Picture} picture
 * @returns {import("./pixels.js").Picture} of that size; the picture itself if it has it
 */
export function resize(picture, width, height) {
  let current = picture;
  if (current.width !== width) {
    const wide = current.width * 3;
    const target = newPicture(width, current.height);
    pass(current.data, target.data, coefficients(current.width, width), width, current.height,
      (line, place) => line * wide + place * 3,
      (line, place) => (line * width + place) * 3, 3);
    current = target;
  }
  if (current.height !== height) {
    const wide = width * 3;
    const target = newPicture(width, height);
    pass(current.data, target.data, coefficients(current.height, height), height, width,
      (line, place) => place * wide + line * 3,
      (line, place) => place * wide + line * 3, wide);
    current = target;
  }
  return current;
}
