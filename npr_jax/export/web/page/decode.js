// From a file to pixels, by the decoder that gives what Pillow gives, where there is one.

import { decodeJpeg, isJpeg } from "./jpeg.js";
import { PictureError, checkSize, withoutAlpha } from "./pixels.js";
import { decodePng, isPng } from "./png.js";
import { decodeWebp, isWebp } from "./webp.js";

const OWN = [["PNG", isPng, decodePng], ["JPEG", isJpeg, decodeJpeg], ["WebP", isWebp, decodeWebp]];
// What browsers read besides, by the bytes that files begin with.
const FOREIGN = [
  ["GIF", "image/gif", (text) => text.startsWith("GIF8")],
  ["BMP", "image/bmp", (text) => text.startsWith("BM")],
  ["AVIF", "image/avif", (text) => /^ftypavi[fs]/.test(text.slice(4))],
];
const TYPES = { PNG: "image/png", JPEG: "image/jpeg", WebP: "image/webp" };

/**
 * @param {Uint8Array} bytes of a file
 * @param {{min_side: number, max_pixels: number, max_bytes: number}} limits
 * @returns {Promise<{picture: import("./pixels.js").Picture, format: string, byBrowser: boolean}>}
 */
export async function decode(bytes, limits) {
  if (!bytes.length) throw new PictureError("This file is empty.");
  for (const [format, fits, decodeOwn] of OWN) {
    if (!fits(bytes)) continue;
    const picture = await decodeOwn(bytes, limits);
    if (picture) return { picture, format, byBrowser: false };
    return { picture: await byBrowser(bytes, TYPES[format], limits), format, byBrowser: true };
  }
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  const known = FOREIGN.find(([, , fits]) => fits(start));
  if (!known) throw new PictureError(unknown(start));
  const [format, type] = known;
  return { picture: await byBrowser(bytes, type, limits), format, byBrowser: true };
}

function unknown(start) {
  const kinds = "This page reads JPEG, PNG, WebP, AVIF, GIF and BMP.";
  if (/^ftyp(hei|hev|mif|msf)/.test(start.slice(4))) {
    return `This is a HEIC file, as phones keep them. ${kinds} A copy saved as PNG can be scored; ` +
      "one saved as JPEG has lost a part of the traces.";
  }
  if (start.startsWith("II*") || start.startsWith("MM\0*")) {
    return `This is a TIFF file. ${kinds} A copy saved as PNG has the same pixels.`;
  }
  return `This is no picture that can be read here. ${kinds}`;
}

/** Pixels by the browser, asked to leave profiles, rotation and transparency alone. */
async function byBrowser(bytes, type, limits) {
  const asStored = {
    colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "none",
  };
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes], { type }), asStored);
  } catch {
    throw new PictureError("This file is damaged, or of a kind that this browser cannot read.");
  }
  const { width, height } = bitmap;
  try {
    checkSize(width, height, limits);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return withoutAlpha(context.getImageData(0, 0, width, height).data, width, height);
  } finally {
    bitmap.close();
  }
}
