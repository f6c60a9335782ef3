// PNG files, exactly as stored: no gamma, no colour profile, no rounding on the way to a screen.
//
// Browsers apply all three. Transparent pixels are laid on mid-grey, of 16-bit samples the upper 8 of
// the fewest bits that hold the largest count, grey and palette become RGB, of an animation the first
// picture counts: as `predict` does it.
// Source: W3C, Portable Network Graphics (PNG) Specification, third edition.

import { PictureError, checkSize, layOnGround, newPicture } from "./pixels.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // per pixel, by colour type
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const PALETTE = 3;
const GREY = 0;
const COLOUR = 2;
// Bits that programs keep in 16.
const RANGES = [8, 10, 12, 14, 16];
// Adam7: first column and row of each pass, and the steps between.
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2],
  [0, 1, 1, 2]];
const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
  return sum;
});
const ONE_PASS = [[0, 0, 1, 1]];

/** Whether the bytes begin like a PNG. */
export function isPng(bytes) {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * @param {Uint8Array} bytes of the file
 * @param {{min_side: number, max_pixels: number}} limits
 * @returns {Promise<import("./pixels.js").Picture>}
 */
export async function decodePng(bytes, limits) {
  const { header, palette, transparent, packed, isSound } = readChunks(bytes);
  checkSize(header.width, header.height, limits);
  const passes = header.interlaced ? PASSES : ONE_PASS;
  const parts = passes.map(([x, y, dx, dy]) => {
    const width = Math.ceil((header.width - x) / dx);
    const height = Math.ceil((header.height - y) / dy);
    const stride = Math.ceil((Math.max(width, 0) * header.samples * header.depth) / 8);
    return { x, y, dx, dy, width, height, stride };
  }).filter((part) => part.width > 0 && part.height > 0);
  const length = parts.reduce((sum, part) => sum + part.height * (1 + part.stride), 0);
  const raw = await inflate(packed, length, isSound);
  const picture = newPicture(header.width, header.height);
  const count = header.width * header.height;
  const Samples = header.depth === 16 ? Uint16Array : Uint8Array;
  const samples = header.depth === 16 ? new Uint16Array(3 * count) : picture.data;
  // Pillow does not look for one transparent colour among those of 16 bits.
  const hasKey = transparent && header.depth <= 8;
  const alphas = header.samples % 2 === 0 || hasKey ? new Samples(count) : null;
  const target = { samples, alphas, transparent: hasKey ? transparent : null, width: header.width };
  let at = 0;
  for (const part of parts) {
    unfilter(raw, at, part, Math.max(1, (header.samples * header.depth) >> 3));
    spread(raw, at, part, header, palette, target);
    at += part.height * (1 + part.stride);
  }
  if (header.depth === 16) narrow(samples, picture.data);
  if (alphas) layOnGround(picture, header.depth === 16 ? narrow(alphas, new Uint8Array(count)) : alphas);
  return picture;
}

/** The upper eight of the fewest bits that hold the largest sample. */
function narrow(samples, narrowed) {
  const most = samples.reduce((largest, sample) => Math.max(largest, sample), 0);
  const shift = RANGES.find((bits) => most < 2 ** bits) - 8;
  for (let i = 0; i < samples.length; i++) narrowed[i] = samples[i] >> shift;
  return narrowed;
}

function readChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packed = [];
  let header = null;
  let palette = null;
  let transparent = null;
  let isSound = true;
  let at = SIGNATURE.length;
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (name === "IHDR" && content.length === 13) header = readHeader(content);
    if (name === "PLTE") palette = content;
    if (name === "tRNS") transparent = content;
    if (name === "IDAT") {
      packed.push(content);
      const end = at + 8 + length;
      if (end + 4 <= bytes.length && checksum(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
        isSound = false;
      }
    }
    if (name === "IEND" || content.length < length) break;
    at += 12 + length;
  }
  if (!header) throw new PictureError("This PNG file is damaged: its header cannot be read.");
  if (!packed.length) throw new PictureError("This PNG file is damaged: it holds no pixels.");
  if (header.type === PALETTE && !palette) {
    throw new PictureError("This PNG file is damaged: its palette is missing.");
  }
  return { header, palette, transparent, packed, isSound };
}

function readHeader(content) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const depth = content[8];
  const type = content[9];
  if (!DEPTHS[type]?.includes(depth) || content[10] || content[11] || content[12] > 1) {
    throw new PictureError("This PNG file is damaged: its header makes no sense.");
  }
  return {
    width: view.getUint32(0), height: view.getUint32(4), depth, type,
    samples: SAMPLES[type], interlaced: content[12] === 1,
  };
}

/** CRC-32 as PNG's chunks end with, ISO 3309. */
function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CHECKSUMS[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/**
 * The first `length` bytes of a zlib stream. What follows them does not matter, unless a chunk's
 * checksum is wrong: then the stream's own at its end has to be right.
 */
async function inflate(packed, length, isSound) {
  const raw = new Uint8Array(length);
  const reader = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let at = 0;
  try {
    while (at < length || !isSound) {
      const { done, value } = await reader.read();
      if (done) break;
      raw.set(value.subarray(0, length - at), at);
      at += Math.min(value.length, length - at);
    }
  } catch {
    if (!isSound) throw new PictureError("This PNG file is damaged: a checksum is wrong.");
    // A stream that breaks off after the last pixel is as good as a whole one.
  }
  reader.cancel().catch(() => {});
  if (at < length) throw new PictureError("This PNG file is damaged or cut short.");
  return raw;
}

/** Undoes the filters of one pass in place; `apart` bytes lie between a sample and its left one. */
function unfilter(raw, at, { height, stride }, apart) {
  for (let row = 0; row < height; row++) {
    const start = at + row * (1 + stride) + 1;
    const above = row ? start - (1 + stride) : -1;
    const kind = raw[start - 1];
    if (kind > 4) throw new PictureError("This PNG file is damaged: a row's filter is unknown.");
    if (kind === 0) continue;
    for (let i = 0; i < stride; i++) {
      const left = i >= apart ? raw[start + i - apart] : 0;
      const up = above >= 0 ? raw[above + i] : 0;
      const corner = above >= 0 && i >= apart ? raw[above + i - apart] : 0;
      let guess = 0;
      if (kind === 1) guess = left;
      else if (kind === 2) guess = up;
      else if (kind === 3) guess = (left + up) >> 1;
      else guess = paeth(left, up, corner);
      raw[start + i] += guess;
    }
  }
}

function paeth(left, up, corner) {
  const sum = left + up - corner;
  const toLeft = Math.abs(sum - left);
  const toUp = Math.abs(sum - up);
  const toCorner = Math.abs(sum - corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Writes the samples of one pass to their places. */
function spread(raw, at, part, header, palette, { samples: out, alphas, transparent, width }) {
  const { samples, depth, type } = header;
  const sample = depth === 16 ? (from) => raw[from] * 256 + raw[from + 1] : (from) => raw[from];
  const bytes = depth === 16 ? 2 : 1;
  const colours = samples > 2 ? [0, 1, 2] : [0, 0, 0];
  for (let row = 0; row < part.height; row++) {
    const start = at + row * (1 + part.stride) + 1;
    let to = (part.y + row * part.dy) * width + part.x;
    for (let column = 0; column < part.width; column++, to += part.dx) {
      const from = start + column * samples * bytes;
      const value = depth < 8 ? bits(raw, start, column, depth) : sample(from);
      for (let i = 0; i < 3; i++) {
        if (type === PALETTE) {
          // Colours that the palette lacks are black, as Pillow's.
          out[3 * to + i] = palette[value * 3 + i] ?? 0;
        } else if (depth < 8) {
          out[3 * to + i] = (value * 255) / ((1 << depth) - 1);
        } else {
          out[3 * to + i] = sample(from + colours[i] * bytes);
        }
      }
      if (transparent) alphas[to] = keyed(transparent, type, value, out, 3 * to);
      else if (alphas) alphas[to] = sample(from + (samples - 1) * bytes);
    }
  }
}

/** What the chunk tRNS says of a pixel of at most 8 bits. */
function keyed(transparent, type, value, out, at) {
  if (type === PALETTE) return transparent[value] ?? 255;
  if (type === GREY) return value === transparent[1] ? 0 : 255;
  const isKey = type === COLOUR && [0, 1, 2].every((i) => out[at + i] === transparent[2 * i + 1]);
  return isKey ? 0 : 255;
}

function bits(raw, start, column, depth) {
  const bit = column * depth;
  return (raw[start + (bit >> 3)] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}
