// What readers take away: a table of the results, and files.

/** A file for the reader. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The results as a table with the columns of predict's, and what they were made with; for Excel. */
export function csv(items, description) {
  const head = ["path", "score", "verdict", "error", "logit", "format", "width", "height",
    "read_by_browser", "checkpoint_sha256"];
  const rows = items.filter((item) => item.result || item.error).map(({ file, result, error }) => [
    file.name, result?.score ?? "", result?.verdict ?? "", error, result?.logit ?? "",
    result?.format ?? "", result?.size[0] ?? "", result?.size[1] ?? "",
    result?.byBrowser ?? "", description.checkpoint_sha256,
  ]);
  return "\ufeff" + [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Quoted where needed; a text that a spreadsheet would compute is marked as text. */
function cell(value) {
  let text = String(value);
  const computed = typeof value === "string" && /^'*[=+\-@\t\r\n＝＋－＠]/.test(text);
  if (computed && Number.isNaN(Number(text))) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
