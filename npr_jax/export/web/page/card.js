// One picture's place among the results.

import { inWords, shortScore } from "./verdict.js";

const NAMES = { generated: "Generated", photograph: "Photograph", unsure: "Unsure" };

function make(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The card of a picture that waits. */
export function newCard(name) {
  const card = make("li", "card");
  card.append(make("h3", "", name));
  showWaiting(card, "Waiting …");
  return card;
}

/** What happens to it just now. */
export function showWaiting(card, words) {
  card.querySelector(".waiting")?.remove();
  card.append(make("p", "waiting", words));
}

/**
 * Why it has no score.
 *
 * @param {(() => void) | null} retry has its middle scored, where that is possible
 */
export function refuse(card, reason, retry) {
  card.querySelector(".waiting")?.remove();
  card.classList.add("refused");
  const refusal = make("div", "refusal");
  refusal.append(make("p", "trouble", reason));
  if (retry) {
    const button = make("button", "", "Score its middle");
    button.type = "button";
    button.addEventListener("click", () => {
      refusal.remove();
      card.classList.remove("refused");
      retry();
    });
    refusal.append(button);
  }
  card.append(refusal);
}

/**
 * What was found.
 *
 * @param {(index: number) => void} saveMap has the whole map of a scale saved
 */
export function fill(card, result, description, file, saveMap) {
  card.querySelector(".waiting")?.remove();
  card.dataset.verdict = result.verdict;
  const body = make("div", "body");
  const [picture, said] = [make("div", "picture"), make("div", "said")];
  picture.append(bitmapCanvas(result.preview));
  said.append(headline(result), bar(result, description),
    make("p", "", inWords(result, description)));
  if (result.weights) said.append(weights(result, description));
  body.append(picture, said);
  card.append(body, maps(result, description, saveMap), facts(result, file));
}

function headline(result) {
  const line = make("p", "headline");
  const score = make("data", "score", shortScore(result.score));
  score.value = String(result.score);
  line.append(make("b", "verdict", NAMES[result.verdict]), make("span", "", "Score "), score);
  return line;
}

/** The score between its ends, and where verdicts begin. */
function bar({ score }, { verdicts }) {
  const figure = make("div", "gauge");
  figure.setAttribute("aria-hidden", "true"); // the headline says the same
  const track = make("div", "track");
  const places = [["unsure-zone", verdicts.photograph_to ?? 0], ["needle", score]];
  for (const [name, place] of places) {
    const part = make("span", name);
    part.style.left = `${100 * place}%`;
    if (name === "unsure-zone") part.style.right = `${100 * (1 - (verdicts.generated_from ?? 1))}%`;
    track.append(part);
  }
  const ends = make("div", "ends");
  ends.append(make("span", "", "0 like a photograph"), make("span", "", "grey: unsure"),
    make("span", "", "like generated 1"));
  figure.append(track, ends);
  return figure;
}

function weights(result, description) {
  const list = make("dl", "weights");
  list.setAttribute("aria-label", "What each scale counted for");
  list.append(make("p", "soft", "How much each scale of the residual counted in this picture:"));
  result.weights.forEach((weight, i) => {
    const [bar, value] = [make("span", "share"), make("dd")];
    bar.append(make("span"));
    bar.firstChild.style.width = `${100 * weight}%`;
    const words = weight < 0.001 ? "< 0.1 %" : `${(100 * weight).toFixed(1)} %`;
    const number = make("data", "", words);
    number.value = String(weight);
    value.append(bar, number);
    list.append(make("dt", "", description.scales[i]), value);
  });
  return list;
}

function maps(result, description, saveMap) {
  const row = make("div", "maps");
  const [width, height] = [result.part.width, result.part.height];
  const whole = width === result.scoredSize[0] && height === result.scoredSize[1];
  const part = whole ? "as scored" : `its middle, ${width}\u00a0×\u00a0${height} pixels`;
  row.append(figure(result.part, `The picture, ${part}`));
  result.maps.forEach((map, i) => {
    if (!map) return;
    const shown = figure(map, `Residual map, scale ${description.residuals[i].name}`);
    const save = make("button", "", "Save whole map");
    save.type = "button";
    save.addEventListener("click", () => saveMap(i));
    shown.append(save);
    row.append(shown);
  });
  return row;
}

function figure(image, caption) {
  const made = make("figure");
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption);
  made.append(canvas, make("figcaption", "", caption));
  return made;
}

function bitmapCanvas(bitmap) {
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The picture as it was scored");
  bitmap.close();
  return canvas;
}

function facts({ format, size, scoredSize, partly, byBrowser, milliseconds }, file) {
  const words = [`${format}, ${size[0]} × ${size[1]} pixels, ${bytes(file.size)}`];
  if (size.join() !== scoredSize.join()) {
    words.push(`${partly ? "only its middle was scored," : "scored at"} ${scoredSize.join(" × ")}`);
  }
  words.push(`read in ${seconds(milliseconds.read)}, scored in ${seconds(milliseconds.network)}`);
  const line = make("p", "soft facts", `${words.join("; ")}.`);
  if (byBrowser) {
    line.append(" ", make("b", "", "Read by this browser, not by the page’s own decoder:"),
      " its pixels, and so the score, may differ slightly from what the detector gets elsewhere.");
  }
  return line;
}

function bytes(count) {
  return count < 1e6 ? `${Math.max(1, Math.round(count / 1e3))} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

function seconds(milliseconds) {
  return milliseconds < 950 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1e3).toFixed(1)} s`;
}
