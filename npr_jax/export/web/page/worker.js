// All the work on a picture, beside the page so that it stays usable: read, prepare, score, draw.

import { decode } from "./decode.js";
import { loadNetwork, run } from "./network.js";
import { PictureError, TooManyPixels, checkScoredSize } from "./pixels.js";
import { prepare } from "./prepare.js";
import { cut, middle, middleOf, residualWindow } from "./residual.js";
import { verdictOf } from "./verdict.js";

const PART_SIDE = 256; // pixels of what is shown of a residual map
const PREVIEW_SIDE = 640;

const network = loadNetwork((loaded, total) => postMessage({ kind: "progress", loaded, total }));
network.then(
  ({ description }) => postMessage({ kind: "ready", description }),
  (error) => postMessage({ kind: "failed", message: String(error.message ?? error) }));

self.onmessage = async ({ data: { kind, id, file, partly, index } }) => {
  try {
    const result = kind === "map" ? await wholeMap(file, partly, index) : await score(file, partly);
    postMessage({ kind, id, result }, transferable(result));
  } catch (error) {
    const message = error instanceof PictureError ? error.message
      : `Something went wrong that should not have: ${error.message ?? error}`;
    postMessage({ kind: "refused", id, message, tooLarge: error instanceof TooManyPixels });
  }
};

/** A file's pixels and what goes into the network; `partly`: no more of them than that can take. */
async function read(file, partly) {
  const { description } = await network;
  const { limits } = description;
  if (file.size > limits.max_bytes) {
    throw new PictureError(
      `Too large: the file has ${Math.round(file.size / 1e6)} MB. This page reads up to ` +
      `${limits.max_bytes / 1e6} MB.`);
  }
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new PictureError("This file cannot be opened. If it is a folder, choose the files in it.");
  }
  const decoded = await decode(bytes, limits);
  let prepared = prepare(decoded.picture, description.steps);
  if (partly) {
    const { multiple_of: multipleOf } = description.steps;
    prepared = cut(prepared, middleOf(prepared, limits.max_scored_pixels, multipleOf));
  } else checkScoredSize(prepared, limits);
  return { ...decoded, prepared };
}

async function score(file, partly) {
  const { description, session } = await network;
  const started = performance.now();
  const { picture, format, byBrowser, prepared } = await read(file, partly);
  const readAfter = performance.now();
  const { probability, logit, weights } = await run(session, prepared);
  const scoredAfter = performance.now();
  const window = middle(prepared, PART_SIDE, PART_SIDE);
  return {
    format, byBrowser, partly, weights, logit, score: probability,
    verdict: verdictOf(probability, logit, description),
    size: [picture.width, picture.height],
    scoredSize: [prepared.width, prepared.height],
    milliseconds: { read: readAfter - started, network: scoredAfter - readAfter },
    preview: await preview(prepared),
    part: rgba(cut(prepared, window)),
    maps: description.residuals.map((view) =>
      (view.drawn ? rgba(residualWindow(prepared, view, window)) : null)),
  };
}

/** The residual map of a whole picture, as a PNG file. */
async function wholeMap(file, partly, index) {
  const { description } = await network;
  const { prepared } = await read(file, partly);
  const whole = { left: 0, top: 0, width: prepared.width, height: prepared.height };
  const image = rgba(residualWindow(prepared, description.residuals[index], whole));
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

async function preview(picture) {
  const scale = Math.min(1, PREVIEW_SIDE / Math.max(picture.width, picture.height));
  return createImageBitmap(rgba(picture), {
    resizeWidth: Math.max(1, Math.round(picture.width * scale)),
    resizeHeight: Math.max(1, Math.round(picture.height * scale)),
    resizeQuality: "medium",
  });
}

function rgba({ data, width, height }) {
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    image.data[to] = data[from];
    image.data[to + 1] = data[from + 1];
    image.data[to + 2] = data[from + 2];
    image.data[to + 3] = 255;
  }
  return image;
}

function transferable(result) {
  return result.preview ? [result.preview] : [];
}
