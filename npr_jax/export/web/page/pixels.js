// What the other modules pass on: pixels, and errors that are sentences for the reader.

/** A reason, in a sentence, why a file has no score. */
export class PictureError extends Error {}

const INVISIBLE = "Every pixel of this picture is transparent: there is nothing to see.";

/** That a picture is too large for the network; its middle is not. */
export class TooManyPixels extends PictureError {}

/**
 * @typedef {object} Picture
 * @property {Uint8Array} data height * width * 3 samples, rows from the top, red, green, blue
 * @property {number} width in pixels
 * @property {number} height in pixels
 */

/** An empty picture. */
export function newPicture(width, height) {
  return { data: new Uint8Array(width * height * 3), width, height };
}

// What transparent pixels show, as if the picture lay on it.
const GROUND = 128;

/** Red, green and blue of RGBA samples, laid on mid-grey where they are transparent. */
export function onGround(rgba, width, height) {
  const picture = newPicture(width, height);
  const { data } = picture;
  let visible = false;
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    const alpha = rgba[from + 3];
    visible ||= alpha > 0;
    for (let i = 0; i < 3; i++) data[to + i] = laid(rgba[from + i], alpha);
  }
  if (!visible) throw new PictureError(INVISIBLE);
  return picture;
}

/** The same in place, of red, green and blue and their alphas. */
export function layOnGround(picture, alphas) {
  const { data } = picture;
  if (!alphas.some((alpha) => alpha > 0)) throw new PictureError(INVISIBLE);
  for (let i = 0; i < data.length; i++) data[i] = laid(data[i], alphas[Math.floor(i / 3)]);
}

function laid(value, alpha) {
  return Math.floor((value * alpha + GROUND * (255 - alpha) + 127) / 255);
}

/** Throws unless a picture of this size can be scored; called before any pixel is decoded. */
export function checkSize(width, height, limits) {
  if (width < 1 || height < 1) {
    throw new PictureError("This file says that it has no pixels.");
  }
  if (Math.min(width, height) < limits.min_side) {
    throw new PictureError(
      `Too small: ${width} × ${height} pixels. The detector needs at least ` +
      `${limits.min_side} × ${limits.min_side}.`);
  }
  if (width * height > limits.max_pixels) {
    throw new PictureError(
      `Too large for this page: ${width} × ${height} pixels, ${millions(width * height)}. It reads ` +
      `up to ${millions(limits.max_pixels)}.`);
  }
}

/** Throws if a picture, as it would go into the network, is too large for that. */
export function checkScoredSize({ width, height }, { max_scored_pixels: most }) {
  if (width * height > most) {
    throw new TooManyPixels(
      `Too large to be scored whole: ${width} × ${height} pixels, ${millions(width * height)}. ` +
      `There is room for ${millions(most)}. A smaller copy would not do, since resizing removes ` +
      "the traces that are looked for.");
  }
}

function millions(pixels) {
  return `${(pixels / 1e6).toFixed(1)} million`;
}
