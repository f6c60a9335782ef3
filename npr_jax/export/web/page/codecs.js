// The decoders that lie beside the page: libjpeg and libwebp, compiled to WebAssembly.
//
// Each file gets an instance of its own: the library leaves one that failed in no usable state, and
// its memory goes when it goes.

import { onGround } from "./pixels.js";

const compiled = new Map();

/** What a decoder says besides pixels, and that it gave none. */
export class CodecError extends Error {}

async function binary(name) {
  if (!compiled.has(name)) {
    const response = await fetch(new URL(`vendor/${name}.wasm`, import.meta.url));
    if (!response.ok) throw new Error(`vendor/${name}.wasm could not be loaded`);
    compiled.set(name, await WebAssembly.compile(await response.arrayBuffer()));
  }
  return compiled.get(name);
}

/**
 * @param {string} name of the decoder's files in vendor/
 * @param {Uint8Array} bytes of the file
 * @param {...any} options of its `decode`
 * @returns {Promise<{picture: import("./pixels.js").Picture, warnings: string[]}>}
 */
export async function decodeWith(name, bytes, ...options) {
  const warnings = [];
  const module = await binary(name);
  const { default: start } = await import(`./vendor/${name}.js`);
  const instance = await start({
    noInitialRun: true,
    print: () => {},
    printErr: (line) => warnings.push(line),
    instantiateWasm(imports, receive) {
      WebAssembly.instantiate(module, imports).then((made) => receive(made, module));
      return {};
    },
  });
  let decoded = null;
  try {
    decoded = instance.decode(bytes, ...options);
  } catch (error) {
    throw new CodecError(warnings.join("; ") || String(error.message ?? error));
  }
  if (!decoded) throw new CodecError(warnings.join("; ") || "no pixels");
  return { picture: onGround(decoded.data, decoded.width, decoded.height), warnings };
}
