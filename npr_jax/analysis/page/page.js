// What the page does beyond showing itself: theme, sortable tables, files of the figures.
"use strict";
(() => {
  const root = document.documentElement;
  const DOTS_PER_INCH = 300;

  // Theme: the reader's system decides until the button is used; the choice is kept where it can be.
  const remembered = () => { try { return localStorage.getItem("npr-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("npr-theme", theme); } catch { /* no storage: for this visit only */ } };
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;

  function prepareTheme() {
    const button = document.getElementById("theme");
    const label = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      label();
    });
    systemDark.addEventListener("change", label);
    label();
    button.hidden = false;
  }

  // Sorting: by the number of a cell where all of a column are numbers, otherwise by its words. What
  // is missing comes last in both directions; means and controls keep their place in later bodies.
  const NUMBER = /^[+-]?(\d[\d,]*\.?\d*|\.\d+)(e[+-]?\d+)?(\s*(%|points?|[±/x×].*))?$/i;
  function content(row, column) {
    const cell = row.cells[column];
    const words = cell && cell.firstChild ? cell.firstChild.textContent : "";
    return words.replace(/\u00a0/g, " ").replace(/\u2212/g, "-").trim();
  }
  const missing = (words) => words === "" || words === "\u2013" || words === "-";

  function compare(column, rows) {
    const numeric = rows.every((row) => missing(content(row, column)) || NUMBER.test(content(row, column)));
    const value = (words) => numeric ? parseFloat(words.replace(/,/g, "")) : words;
    const order = numeric
      ? (a, b) => a - b
      : (a, b) => a.localeCompare(b, "en", { numeric: true });
    return (a, b, sign) => {
      const [x, y] = [content(a, column), content(b, column)];
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      return sign * order(value(x), value(y));
    };
  }

  function prepareTable(table) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const original = [...body.rows];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const first = column === 0 ? ["ascending", "descending"] : ["descending", "ascending"];
        const now = head.getAttribute("aria-sort");
        const next = now === "none" ? first[0] : now === first[0] ? first[1] : "none";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", next);
        const by = compare(column, original);
        const sign = next === "ascending" ? 1 : -1;
        body.append(...(next === "none" ? original : [...original].sort((a, b) => by(a, b, sign))));
      });
    });
  }

  // A box that scrolls can be reached and moved by the keyboard.
  function prepareScrolling() {
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth <= box.clientWidth) { box.removeAttribute("tabindex"); continue; }
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      const named = box.querySelector("caption") || box.querySelector("title");
      box.setAttribute("aria-label", named ? named.textContent : "Wider than the page");
    }
  }

  // Files: the drawing as it is for print, on white, whatever the theme.
  function standalone(drawing) {
    const copy = drawing.cloneNode(true);
    copy.removeAttribute("class");
    copy.setAttribute("style", "stroke-linejoin: round; stroke-linecap: butt");
    return new XMLSerializer().serializeToString(copy).replace(/var\(--[\w-]+, (#\w+)\)/g, "$1");
  }

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function png(svg, drawing) {
    const inches = (attribute) => parseFloat(drawing.getAttribute(attribute)) / 72;
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(inches("width") * DOTS_PER_INCH);
    canvas.height = Math.round(inches("height") * DOTS_PER_INCH);
    const image = new Image(canvas.width, canvas.height);
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
    await image.decode();
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  function prepareFigure(figure) {
    const drawing = figure.querySelector("svg.drawing");
    const name = figure.dataset.name || "figure";
    const bar = document.createElement("div");
    bar.className = "files";
    const offer = (kind, make) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind;
      button.setAttribute("aria-label", `Save as ${kind}: ${drawing.getAttribute("aria-label")}`);
      button.addEventListener("click", async () => save(await make(), `${name}.${kind.toLowerCase()}`));
      bar.append(button);
    };
    offer("PNG", () => png(standalone(drawing), drawing));
    offer("SVG", () => new Blob([standalone(drawing)], { type: "image/svg+xml" }));
    figure.append(bar);
  }

  document.addEventListener("DOMContentLoaded", () => {
    prepareTheme();
    document.querySelectorAll("table.sortable").forEach(prepareTable);
    document.querySelectorAll("figure[data-name]").forEach(prepareFigure);
    prepareScrolling();
    addEventListener("resize", prepareScrolling);
  });
})();
