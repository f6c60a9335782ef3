// What the page does besides what Gradio does: takes in files as they are, sorts tables, speaks.
"use strict";
window.nprPage = (() => {
  const MEGA = 1e6;
  const zones = new Map(); // element -> { part, give }

  const named = (file) => file.name || "picture";
  const inView = (element) => element.offsetParent !== null;

  // Sending. One request per file, its bytes untouched; what comes back is a name to ask for it by.
  function send(file, progress, sender) {
    return new Promise((resolve, reject) => {
      const request = sender.request = new XMLHttpRequest();
      request.open("POST", "page/upload?name=" + encodeURIComponent(named(file)));
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.loaded);
      request.onabort = () => reject(new Error("Cancelled while the files were sent."));
      request.onerror = () => {
        sender.stopped = true; // nor will the others reach it
        reject(new Error("The server cannot be reached. Is it still running?"));
      };
      request.onload = () => {
        const answer = request.response || {};
        if (request.status === 200 && answer.token) resolve(answer.token);
        else reject(new Error(answer.error || `The server refused ${named(file)} (status ${request.status}).`));
      };
      request.send(file);
    });
  }

  // What was sent and is not wanted any more does not wait on the server.
  const forget = (tokens) => tokens.forEach((token) =>
    fetch("page/upload/" + token, { method: "DELETE", keepalive: true }).catch(() => {}));

  // What cannot be right is said before anything is sent. The server has the same limits.
  function check(files, limits) {
    const problems = [];
    let good = files.filter((file) => {
      const limit = named(file).toLowerCase().endsWith(".zip") ? limits.maxZipBytes : limits.maxBytes;
      if (file.size > limit) {
        problems.push(`${named(file)} has ${(file.size / MEGA).toFixed(1)} MB; at most ${limit / MEGA} MB are taken here.`);
      } else if (file.size === 0) {
        problems.push(`${named(file)} is empty: there is nothing to examine in it.`);
      } else return true;
      return false;
    });
    if (good.length > limits.maxFiles) {
      const most = limits.maxFiles;
      problems.push(`These are ${good.length} files; at most ${most} are taken at once here.`);
      good = [];
    }
    return [good, problems];
  }

  function zone(element, trigger) {
    const box = element.querySelector(".zone");
    const input = box.querySelector("input[type=file]");
    const sending = box.querySelector(".sending");
    const problems = box.querySelector(".problems");
    const limits = {
      maxFiles: Number(box.dataset.maxFiles),
      maxBytes: Number(box.dataset.maxBytes),
      maxZipBytes: Number(box.dataset.maxZipBytes),
    };
    let sender = null; // while files are being sent

    const complain = (sentences) => {
      problems.replaceChildren(...sentences.map((words) => {
        const line = document.createElement("p");
        line.className = "problem";
        line.textContent = words;
        return line;
      }));
    };

    async function give(list) {
      if (sender) { complain(["Please wait until the files before have been sent."]); return; }
      const [files, sentences] = check([...list], limits);
      complain(sentences);
      if (!files.length) return;
      const mine = sender = { tokens: [], stopped: false, request: null };
      sending.hidden = false;
      const total = files.reduce((sum, file) => sum + file.size, 0);
      let before = 0;
      for (const [number, file] of files.entries()) {
        sending.querySelector("span").textContent = `Sending ${named(file)} (${number + 1} of ${files.length})`;
        try {
          mine.tokens.push(await send(file, (loaded) => {
            sending.querySelector("progress").value = (before + loaded) / total;
          }, mine));
        } catch (error) {
          sentences.push(error.message); // the other files do not suffer from it
        }
        if (mine.stopped) break;
        before += file.size;
      }
      sender = null;
      sending.hidden = true;
      sending.querySelector("progress").value = 0;
      input.value = ""; // the same file may be chosen again
      complain(sentences);
      if (mine.stopped) forget(mine.tokens);
      else if (mine.tokens.length) trigger("upload", { tokens: mine.tokens });
    }

    function stop() {
      if (!sender) return;
      sender.stopped = true;
      sender.request.abort();
    }

    input.addEventListener("change", () => give(input.files));
    const over = (yes) => (event) => { event.preventDefault(); box.classList.toggle("over", yes); };
    box.addEventListener("dragover", over(true));
    box.addEventListener("dragleave", over(false));
    box.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length) give(event.dataTransfer.files);
      else complain(["That was no file. Save the picture first, then drop the file here."]);
    });
    window.addEventListener("pagehide", () => { if (sender) forget(sender.tokens); });
    zones.set(box, { part: box.dataset.part, give, complain, stop });
  }

  // Of the zones that can be seen: the one that was used last, else one that shows nothing yet.
  function currentZone() {
    const seen = [...zones].filter(([box]) => box.isConnected && inView(box));
    const focused = seen.find(([box]) => box.contains(document.activeElement));
    const empty = seen.find(([box]) => {
      const result = document.getElementById(`${box.dataset.part}-result`);
      return result && !result.querySelector(".card[data-sha256], .working");
    });
    return (focused || empty || seen[0] || [])[1];
  }

  // A file dropped beside a zone would make the browser leave the page.
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => event.preventDefault());
  }

  // Browsers call every picture from the clipboard image.png.
  const asPasted = (file) => file.name && file.name !== "image.png" ? file
    : new File([file], "pasted-picture." + (file.type.split("/")[1] || "png"), { type: file.type });

  document.addEventListener("paste", (event) => {
    const here = currentZone();
    const files = [...(event.clipboardData ? event.clipboardData.files : [])];
    if (!here || /^(text|search)?$/.test(event.target.type || "-")) return;
    if (files.length) { event.preventDefault(); here.give(files.map(asPasted)); }
    else here.complain(["There is no picture in the clipboard."]);
  });

  // Examples take the same way as any other file.
  async function giveExample(button) {
    const here = currentZone();
    const source = button.querySelector("img");
    const bytes = await (await fetch(source.src)).blob();
    here.give([new File([bytes], button.dataset.name, { type: "image/png" })]);
  }

  // Sorting: numbers by `value` of their <data>, else words; what has no score comes last.
  const cellValue = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const data = cell.querySelector("data");
    return data ? data.value : cell.textContent.trim();
  };

  function sort(button) {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    const next = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [cellValue(row, column), row]);
    const numeric = rows.every(([value]) => value === "" || !Number.isNaN(parseFloat(value)))
      && head.classList.contains("num");
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (numeric ? parseFloat(a) - parseFloat(b) : a.localeCompare(b, "en", { numeric: true }));
    });
    body.append(...rows.map(([, row]) => row));
  }

  // For those who do not see the page: what is being done, and what came out.
  let spoken = "";
  function speak() {
    const busy = document.querySelector(".working p");
    const cards = [...document.querySelectorAll(".card[data-sha256]")].filter(inView);
    const words = busy ? busy.textContent : cards.map((card) => [
      card.querySelector(".name").textContent,
      card.querySelector(".badge").lastChild.textContent.trim(),
      "score " + Number(card.querySelector(".score").value).toFixed(2),
    ].join(", ")).join("; ") || (document.querySelector(".counts") || {}).textContent || "";
    const region = document.getElementById("spoken");
    if (region && words !== spoken) region.textContent = spoken = words;
  }

  // Gradio says in a corner, for seconds, what it could not do; here it stays on the page.
  function keepToast(toast) {
    const words = toast.textContent.replace(/\s+/g, " ").trim();
    const seen = document.getElementById("trouble");
    if (!seen) return;
    seen.hidden = false;
    seen.textContent = /queue|full|busy|503/i.test(words)
      ? "The server is busy with other people's pictures. Please try again in a minute."
      : "The connection to the server broke off, or it has stopped. Reload the page and try again.";
    toast.remove();
    // Nothing more will come of what was being done.
    for (const bar of document.querySelectorAll(".working")) { bar.className = "stopped"; bar.hidden = true; }
  }

  // Theme: the system's, until the button is used; the choice is kept where it can be.
  const isDark = () => document.body.classList.contains("dark");
  function theme(dark) {
    document.body.classList.toggle("dark", dark);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) button.textContent = dark ? "Light theme" : "Dark theme";
  }
  const remembered = () => { try { return localStorage.getItem("npr-theme"); } catch { return null; } };
  function startTheme() {
    const choice = remembered();
    theme(choice ? choice === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest ? event.target.closest("button") : null;
    if (!button) return;
    if (button.id === "theme") {
      theme(!isDark());
      try { localStorage.setItem("npr-theme", isDark() ? "dark" : "light"); } catch { /* this visit only */ }
    } else if (button.matches(".example")) giveExample(button);
    else if (button.closest("table.sortable thead")) sort(button);
    else if (button.id === "batch-cancel") {
      for (const one of zones.values()) if (one.part === "batch") one.stop();
    }
    if (button.matches(".example, [role=tab]")) document.getElementById("trouble").hidden = true;
  });

  let planned = false;
  new MutationObserver(() => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      speak();
      document.querySelectorAll(".toast-body.error").forEach(keepToast);
      if (document.getElementById("theme") && !document.getElementById("theme").textContent) startTheme();
    }, 50);
  }).observe(document, { childList: true, subtree: true });

  return { zone };
})();
