// From a file to pixels, by the decoder that gives what Pillow gives, where there is one.

import { decodeJpeg, isJpeg } from "./jpeg.js";
import { PictureError, checkSize, onGround } from "./pixels.js";
import { decodePng, isPng } from "./png.js";
import { decodeWebp, isWebp } from "./webp.js";

const OWN = [["PNG", isPng, decodePng], ["JPEG", isJpeg, decodeJpeg], ["WebP", isWebp, decodeWebp]];
const KINDS = "This page reads JPEG, PNG, WebP, AVIF, GIF and BMP, and what else its browser does.";
const LOSES = "A copy saved as PNG can be scored; one saved as JPEG has lost a part of the traces.";
// What browsers read besides, by the bytes that files begin with; and what is said if one does not.
const FOREIGN = [
  ["GIF", "image/gif", (text) => text.startsWith("GIF8")],
  ["BMP", "image/bmp", (text) => text.startsWith("BM")],
  ["AVIF", "image/avif", (text) => /^ftypavi[fs]/.test(text.slice(4))],
  ["HEIC", "image/heic", (text) => /^ftyp(hei|hev|mif|msf)/.test(text.slice(4)),
    `This is a HEIC file, as phones keep them, which this browser cannot read. ${KINDS} ${LOSES}`],
  ["JPEG XL", "image/jxl", (text) => text.startsWith("\xff\n") || text.slice(4, 8) === "JXL ",
    `This is a JPEG XL file, which this browser cannot read. ${KINDS} ${LOSES}`],
  ["TIFF", "image/tiff", (text) => text.startsWith("II*") || text.startsWith("MM\0*"),
    `This is a TIFF file, which this browser cannot read. ${KINDS} A copy saved as PNG has the same ` +
      "pixels."],
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
  if (!known) throw new PictureError(`This is no picture that can be read here. ${KINDS}`);
  const [format, type, , advice] = known;
  return { picture: await byBrowser(bytes, type, limits, advice), format, byBrowser: true };
}

/** Pixels by the browser, asked to leave profiles and rotation alone. */
async function byBrowser(bytes, type, limits, advice) {
  const asStored = {
    colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "none",
  };
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes], { type }), asStored);
  } catch {
    throw new PictureError(
      advice ?? "This file is damaged, or of a kind that this browser cannot read.");
  }
  const { width, height } = bitmap;
  try {
    checkSize(width, height, limits);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return onGround(context.getImageData(0, 0, width, height).data, width, height);
  } finally {
    bitmap.close();
  }
}
