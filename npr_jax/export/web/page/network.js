// The network: loaded once from beside the page, run by ONNX Runtime as WebAssembly.

import * as ort from "./vendor/ort.wasm.min.js";
import { PictureError } from "./pixels.js";

const here = (name) => new URL(name, import.meta.url).href;
const RUNTIME = "vendor/ort-wasm-simd-threaded.wasm.gz";
const MODEL = "model.onnx";
const MOST_THREADS = 4;

/**
 * @param {(loaded: number, total: number) => void} progress bytes that have come, of how many
 * @returns {Promise<{description: object, session: ort.InferenceSession}>}
 */
export async function loadNetwork(progress) {
  const description = await (await get("model.json")).json();
  const counts = [];
  const count = (which) => (loaded, total) => {
    counts[which] = [loaded, total];
    const sum = (place) => counts.reduce((all, pair) => all + (pair?.[place] ?? 0), 0);
    progress(sum(0), sum(1));
  };
  const [runtime, model] = await Promise.all([
    bytesOf(RUNTIME, count(0)).then(inflated), bytesOf(MODEL, count(1)),
  ]);
  await checkHash(model, description.model_sha256);
  ort.env.wasm.wasmBinary = runtime;
  ort.env.wasm.wasmPaths = { mjs: here("vendor/ort-wasm-simd-threaded.js") };
  // Threads need memory that they share, which browsers give only to isolated pages.
  ort.env.wasm.numThreads = self.crossOriginIsolated
    ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return { description, session };
}

/**
 * @param {ort.InferenceSession} session
 * @param {import("./pixels.js").Picture} picture as prepared
 * @returns {Promise<{probability: number, logit: number, weights: number[] | null}>}
 */
export async function run(session, { data, width, height }) {
  const images = new ort.Tensor("uint8", data, [1, height, width, 3]);
  let found;
  try {
    found = await session.run({ images });
  } catch (error) {
    if (/alloc|memory|out of bounds/i.test(String(error.message ?? error))) {
      throw new PictureError(
        `This tab has not enough memory for ${width} × ${height} pixels. Cut out the part that ` +
        "matters, without making it smaller.");
    }
    throw error;
  }
  return {
    probability: found.probability.data[0],
    logit: found.logits.data[0],
    weights: found.weights ? Array.from(found.weights.data) : null,
  };
}

async function get(name) {
  const response = await fetch(here(name));
  if (!response.ok) throw new Error(`${name} could not be loaded (${response.status})`);
  return response;
}

async function bytesOf(name, count) {
  const response = await get(name);
  const total = Number(response.headers.get("Content-Length")) || 0;
  const parts = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    count(loaded, Math.max(total, loaded));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** What was compressed; some servers say so, and the browser has undone it already. */
async function inflated(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** That the model is the one that model.json describes; only secure pages can tell. */
async function checkHash(model, expected) {
  if (!self.crypto?.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected) {
    throw new Error(`${MODEL} is not the file that model.json describes; load the page again`);
  }
}
