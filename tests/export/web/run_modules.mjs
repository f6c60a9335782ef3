// Runs the page's modules on the jobs of a JSON file, each one writing its samples to a file.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, jobsFile] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${folder}/${name}.js`).href);
const [{ decodePng }, { resize }, { centreCrop, prepare }, residual] = await Promise.all(
  ["png", "resize", "prepare", "residual"].map(load));
const limits = { min_side: 1, max_pixels: 1e9 };
const does = {
  png: ({ bytes }) => decodePng(bytes, limits),
  resize: ({ picture, width, height }) => resize(picture, width, height),
  crop: ({ picture, size, how }) => centreCrop(picture, size, how),
  prepare: ({ picture, steps }) => prepare(picture, steps),
  residual: ({ picture, view }) => {
    const whole = residual.wholeBlocks(picture, 1);
    return residual.residualWindow(picture, view, whole);
  },
  // The references of every length up to the last, one after the other.
  references: ({ block, first, last }) => {
    const lengths = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const all = lengths.flatMap((width) => {
      const cut = residual.wholeBlocks({ width, height: width }, block.length).width;
      return Array.from(residual.referenceIndices(cut, block));
    });
    return { data: new Uint8Array(Int32Array.from(all).buffer) };
  },
};
for (const job of JSON.parse(readFileSync(jobsFile))) {
  const bytes = new Uint8Array(readFileSync(job.input));
  const [height, width] = job.shape ?? [0, 0];
  try {
    const made = await does[job.kind]({ ...job, bytes, picture: { data: bytes, width, height } });
    writeFileSync(job.output, made.data);
  } catch (error) {
    if (error.name !== "Error") throw error;
    writeFileSync(job.output, `refused: ${error.message}`);
  }
}
