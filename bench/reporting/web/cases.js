"use strict";
// The table of the selected cases, the same rows as CSV, and what of them became faster or slower.

const STEP = 50; // rows shown at first: to lay out all of them takes longer than everything else
const COLUMNS = [
  // field, title, what is shown; numbers sort as numbers
  { name: "backend", title: "backend" },
  { name: "work", title: "kind of work" },
  { name: "optimizer", title: "optimizer" },
  { name: "batch", title: "N", number: true, show: (row) => whole(row.batch) },
  { name: "hidden", title: "H", number: true, show: (row) => whole(row.hidden) },
  { name: "dtype", title: "dtype" },
  { name: "threads", title: "threads" },
  { name: "median", title: "time", number: true, show: (row) => timeInWords(row) },
  { name: "roof", title: "share of roof", number: true, show: (row) => percent(row.roof) },
  { name: "error", title: "error, share of bound", number: true, show: (row) => digits(row.error) },
  { name: "status", title: "status" },
  { name: "detail", title: "further" },
  { name: "reason", title: "reason and remarks", words: true },
  { name: "run", title: "run and setting", words: true },
];

function selectedCases() {
  const rows = parts.cases.filter(matches);
  const falls = selection.sort.startsWith("-");
  const column = COLUMNS.find((known) => known.name === selection.sort.slice(falls ? 1 : 0));
  if (column === undefined) return rows;
  const value = (row) => row[column.name] ?? null;
  const isAbsent = (found) => found === null || found === "";
  return rows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (isAbsent(x) || isAbsent(y)) return isAbsent(x) - isAbsent(y); // at the end, whichever way it is sorted
    return (x < y ? -1 : x > y ? 1 : 0) * (falls ? -1 : 1);
  });
}

function headerOf(column) {
  const button = element("button", { type: "button", textContent: column.title });
  const rising = selection.sort === column.name;
  const falling = selection.sort === `-${column.name}`;
  const head = element("th", { scope: "col", className: column.number ? "number" : "" }, [button]);
  head.setAttribute("aria-sort", rising ? "ascending" : falling ? "descending" : "none");
  button.addEventListener("click", () => {
    choose("sort", rising ? `-${column.name}` : column.name);
    document.querySelectorAll("#table th button")[COLUMNS.indexOf(column)].focus();
  });
  return head;
}

function lineOf(row) {
  const cells = COLUMNS.map((column, place) => {
    const text = column.show ? column.show(row) : (row[column.name] ?? "");
    const style = column.number ? "number" : column.words ? "words" : "";
    return element(place ? "td" : "th", { className: style, textContent: text, ...(place ? {} : { scope: "row" }) });
  });
  return element("tr", {}, cells);
}

let shown = STEP;

function showTable(most = STEP) {
  shown = most;
  const rows = selectedCases();
  const head = element("thead", {}, [element("tr", {}, COLUMNS.map(headerOf))]);
  const body = element("tbody", {}, rows.slice(0, shown).map(lineOf));
  document.getElementById("table").replaceChildren(element("table", {}, [head, body]));
  document.getElementById("count").textContent = countInWords(rows.length);
  const more = document.getElementById("more");
  more.hidden = rows.length <= shown;
  more.textContent = `Show ${Math.min(3 * shown, rows.length - shown)} more`;
}

function countInWords(length) {
  if (!parts.cases.length) return "The journals have no cases.";
  if (!length) return "No case has all of these values; set one of them to all, or press Show all.";
  const first = length > shown ? `, the first ${whole(shown)} of which are shown` : "";
  return `${length === 1 ? "One case" : `${whole(length)} cases`}${first}.`;
}

const CHANGED = [["backend", "backend"], ["what", "case"], ["change", "change"], ["environment", "changed in the environment"],
  ["run", "run"], ["before", "compared with"]];
const MOST_CHANGES = 200;

function showChanges() {
  const rows = parts.changes.filter(matches);
  const head = element("tr", {}, CHANGED.map(([, title]) => element("th", { scope: "col", textContent: title })));
  const cell = (row, name) => element("td", { className: ["change", "environment"].includes(name) ? "words" : "", textContent: row[name] });
  const lines = rows.slice(0, MOST_CHANGES).map((row) => element("tr", {}, CHANGED.map(([name]) => cell(row, name))));
  const table = document.getElementById("changed");
  table.hidden = !rows.length;
  table.replaceChildren(element("table", {}, [element("thead", {}, [head]), element("tbody", {}, lines)]));
  const first = rows.length > MOST_CHANGES ? `; the first ${MOST_CHANGES} are shown` : "";
  const none = "None of the selected cases became faster or slower by more than can be told apart, or has only one run.";
  document.getElementById("changes-count").textContent = rows.length ? `${changesInWords(rows.length)}, newest first${first}.` : none;
}

const changesInWords = (length) => (length === 1 ? "One change" : `${length} changes`);

// A text that a spreadsheet would compute begins with a ', as in the CSV files of the report.
function inCsv(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csv() {
  const names = ["backend", "work", "optimizer", "batch", "hidden", "dtype", "threads", "median", "low", "high", "roof", "error",
    "status", "detail", "reason", "run", "machine"];
  const units = { median: "median_us", low: "low_us", high: "high_us", roof: "share_of_roof", error: "error_share_of_bound" };
  const lines = selectedCases().map((row) => names.map((name) => inCsv(row[name])).join(","));
  return [names.map((name) => units[name] ?? name).join(","), ...lines, ""].join("\n");
}

document.getElementById("more").addEventListener("click", () => {
  showTable(4 * shown);
});
const csvLink = document.querySelector("#csv a");
document.getElementById("csv").hidden = false;
csvLink.addEventListener("click", () => {
  if (csvLink.href.startsWith("blob:")) URL.revokeObjectURL(csvLink.href);
  csvLink.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
});
