// What the page says of its detector.

import { percent } from "./verdict.js";

/** Fills a definition list from model.json. */
export function showFacts(list, description) {
  const { calibration } = description;
  const facts = [
    ["Detector", description.detector],
    ["System", description.system],
    ["Version", `npr-jax ${description.npr_jax_version}, step ${description.step ?? "unknown"}`],
    ["Checkpoint (SHA-256)", description.checkpoint_sha256],
    ["Before the network", `${description.preprocessing}; pixels as stored in the file: no colour ` +
      "profile, no rotation, transparent parts on grey"],
    ["Calibration", calibration ? inNumbers(calibration) : "none: scores are the network’s own"],
    ["Verdicts", verdicts(description)],
    ["Sizes", `from ${description.limits.min_side} pixels a side to ${
      description.limits.max_scored_pixels / 1e6} million pixels; of larger ones the middle`],
    ["Made with", description.packages.map((p) => `${p.name} ${p.version}: ${p.notice}`).join(" ")],
  ];
  list.replaceChildren(...facts.flatMap(([name, text]) => {
    const [term, meaning] = ["dt", "dd"].map((kind) => document.createElement(kind));
    term.textContent = name;
    meaning.textContent = text;
    return [term, meaning];
  }));
}

function inNumbers({ temperature, bias, target_error: target }) {
  return `temperature ${temperature.toPrecision(3)}, bias ${bias.toPrecision(3)}; at most ${
    percent(target)} of photographs called generated, and of generated pictures called photograph, ` +
    "among pictures like those it was fitted to";
}

function verdicts({ verdicts: { generated_from: from, photograph_to: to } }) {
  const sides = [
    from === null ? "“generated” is never said" : `“generated” from a score of ${short(from)}`,
    to === null ? "“photograph” is never said" : `“photograph” up to ${short(to)}`,
  ];
  return `${sides.join(", ")}; else “unsure”`;
}

function short(probability) {
  return String(Number(probability.toPrecision(4)));
}
