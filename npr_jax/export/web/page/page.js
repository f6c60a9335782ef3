// The page: takes pictures, has them scored one after the other, and shows what was found.

import { fill, newCard, refuse, showWaiting } from "./card.js";
import { csv, download } from "./save.js";
import { showFacts } from "./facts.js";

const element = (id) => document.getElementById(id);
const [state, loading, picker] = ["state", "loading", "files"].map(element);
const waiting = [];
const items = new Map();
let description = null;
let worker = startWorker();
let running = null;
let lastId = 0;

/** A worker made of a blob keeps the page's own content security policy; one by address has none. */
function startWorker() {
  const address = new URL("worker.js", import.meta.url).href;
  const blob = new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" });
  const url = URL.createObjectURL(blob);
  const started = new Worker(url, { type: "module" });
  started.onmessage = ({ data }) => receive(data, url);
  started.onerror = () => failed("the script could not be started");
  return started;
}

function receive(message, url) {
  if (message.kind === "progress") showProgress(message);
  else if (message.kind === "ready") ready(message.description, url);
  else if (message.kind === "failed") failed(message.message);
  else finish(message);
}

function showProgress({ loaded, total }) {
  loading.hidden = false;
  loading.value = loaded / total;
  state.textContent = `Loading the detector: ${(loaded / 1e6).toFixed(1)} of ${
    (total / 1e6).toFixed(1)} MB`;
}

function ready(found, url) {
  URL.revokeObjectURL(url);
  description = found;
  loading.hidden = true;
  showFacts(element("facts"), description);
  next();
}

function failed(reason) {
  loading.hidden = true;
  state.classList.add("trouble");
  state.textContent = `The detector could not be loaded: ${reason}. Load the page again, with a ` +
    "current version of Firefox, Chrome, Edge or Safari.";
}

function add(files) {
  for (const file of files) {
    const id = ++lastId;
    const item = { id, file, partly: false, result: null, error: "",
      card: newCard(file.name || "pasted picture") };
    items.set(id, item);
    waiting.push(item);
    element("results").append(item.card);
  }
  element("results-section").hidden = items.size === 0;
  next();
}

function next() {
  if (!description || running) return;
  running = waiting.shift() ?? null;
  if (running) {
    showWaiting(running.card, "Scoring …");
    const { id, file, partly } = running;
    worker.postMessage({ kind: "score", id, file, partly });
  }
  showState();
}

function showState() {
  const done = [...items.values()].filter((item) => item.result || item.error).length;
  if (running) state.textContent = `Scoring picture ${done + 1} of ${items.size} …`;
  else if (items.size) {
    state.textContent = items.size === 1 ? "Done." : `Done: ${items.size} pictures.`;
  } else state.textContent = "The detector is loaded; it works without a network from now on.";
}

function finish({ kind, id, result, message, tooLarge }) {
  const item = items.get(id);
  if (!item) return;
  if (kind === "map") {
    download(result, `residual-${item.file.name || "picture"}.png`);
    return;
  }
  if (kind === "refused") {
    item.error = message;
    refuse(item.card, message, tooLarge ? () => retryPartly(item) : null);
  } else {
    item.result = result;
    fill(item.card, result, description, item.file,
      (index) => worker.postMessage({ kind: "map", id, file: item.file, partly: item.partly, index }));
  }
  if (running === item) running = null;
  next();
}

function retryPartly(item) {
  Object.assign(item, { partly: true, error: "" });
  waiting.push(item);
  showWaiting(item.card, "Waiting …");
  next();
}

function clear() {
  waiting.length = 0;
  items.clear();
  element("results").replaceChildren();
  element("results-section").hidden = true;
  if (running) {
    // The only way to stop a network that is under way.
    worker.terminate();
    running = null;
    description = null;
    worker = startWorker();
  } else showState();
  picker.focus();
}

picker.addEventListener("change", () => {
  add(picker.files);
  picker.value = "";
});
element("drop").addEventListener("submit", (event) => event.preventDefault());
element("clear").addEventListener("click", clear);
element("save").addEventListener("click", () => {
  download(new Blob([csv([...items.values()], description)], { type: "text/csv" }), "scores.csv");
});
document.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // else the browser leaves the page and shows the picture
    element("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") add(event.dataTransfer?.files ?? []);
  });
}
