// WebP files by libwebp, which Pillow uses too. Source: RFC 9649.

import { CodecError, decodeWith } from "./codecs.js";
import { PictureError, checkSize } from "./pixels.js";

const DECODER = "webp_dec";
const DAMAGED = "This WebP file is damaged or cut short.";
const ANIMATED = 0x02;

/** Whether the bytes begin like a WebP. */
export function isWebp(bytes) {
  return word(bytes, 0) === "RIFF" && word(bytes, 8) === "WEBP";
}

/**
 * @param {Uint8Array} bytes of the file
 * @param {{min_side: number, max_pixels: number}} limits
 * @returns {Promise<import("./pixels.js").Picture | null>} null for an animation
 */
export async function decodeWebp(bytes, limits) {
  const { width, height, animated } = readHeader(bytes);
  checkSize(width, height, limits);
  if (animated) return null;
  try {
    return (await decodeWith(DECODER, bytes)).picture;
  } catch (error) {
    if (error instanceof CodecError) throw new PictureError(DAMAGED);
    throw error;
  }
}

function readHeader(bytes) {
  if (bytes.length < 30) throw new PictureError(DAMAGED);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = word(bytes, 12);
  if (kind === "VP8X") {
    const [width, height] = [24, 27].map((at) => 1 + (view.getUint32(at - 1, true) >>> 8));
    return { width, height, animated: (bytes[20] & ANIMATED) !== 0 };
  }
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff), animated: false };
  }
  if (kind !== "VP8 ") throw new PictureError(DAMAGED);
  const [width, height] = [26, 28].map((at) => view.getUint16(at, true) & 0x3fff);
  return { width, height, animated: false };
}

function word(bytes, at) {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
