// JPEG files by libjpeg-turbo's arithmetic, which is Pillow's: browsers differ in how they enlarge
// the colour channels and apply profiles and the camera's rotation. Source: ITU-T T.81, annex B.

import { CodecError, decodeWith } from "./codecs.js";
import { PictureError, checkSize } from "./pixels.js";

const DECODER = "mozjpeg_dec";
const DAMAGED = "This JPEG file is damaged or cut short.";

/** Whether the bytes begin like a JPEG. */
export function isJpeg(bytes) {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/**
 * @param {Uint8Array} bytes of the file
 * @param {{min_side: number, max_pixels: number}} limits
 * @returns {Promise<import("./pixels.js").Picture | null>} null for a kind that the decoder lacks
 */
export async function decodeJpeg(bytes, limits) {
  const frame = readFrame(bytes);
  checkSize(frame.width, frame.height, limits);
  if (frame.components !== 1 && frame.components !== 3) return null;
  try {
    let { picture, warnings } = await decodeWith(DECODER, bytes, false);
    if (says(warnings, "Premature end of JPEG file")) {
      // All that is missing may be the end mark: with it, libjpeg has nothing to remark then.
      ({ picture, warnings } = await decodeWith(DECODER, withEnd(bytes), false));
    }
    if (says(warnings, "Premature end") || says(warnings, "Corrupt JPEG data")) {
      throw new PictureError(DAMAGED);
    }
    return picture;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    if (/Unsupported|not supported/i.test(error.message)) return null;
    throw new PictureError(DAMAGED);
  }
}

function says(warnings, words) {
  return warnings.some((line) => line.includes(words));
}

function withEnd(bytes) {
  const ended = new Uint8Array(bytes.length + 2);
  ended.set(bytes);
  ended.set([0xff, 0xd9], bytes.length);
  return ended;
}

/** Size and number of components, from the first frame header. */
function readFrame(bytes) {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) {
      at += 1; // libjpeg, too, looks for the next marker
      continue;
    }
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1;
    } else if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
    } else if (isFrame(marker)) {
      const [height, width] = [at + 5, at + 7].map((i) => bytes[i] * 256 + bytes[i + 1]);
      return { width, height, components: bytes[at + 9] };
    } else if (marker === 0xda || marker === 0xd9) {
      break;
    } else {
      at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
    }
  }
  throw new PictureError(DAMAGED);
}

function isFrame(marker) {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
