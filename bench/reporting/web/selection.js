"use strict";
// The data, numbers in words, and the selection: its controls, and the address that keeps it. Texts come from journals
// that others wrote: they are only ever set as textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const NO_BREAK = "\u00a0";
const CONTROLS = [
  ["machine", "machine"], ["setting", "run and setting"], ["work", "kind of work"], ["optimizer", "optimizer or solver"],
  ["hidden", "width H"], ["dtype", "dtype"], ["threads", "threads"], ["family", "family of backends"],
  ["target", "function (of training)"], ["case", "case (of the history)"],
];

function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Rows out of columns: texts are places in a list of words.
function rowsOf(columns) {
  const names = Object.keys(columns);
  const values = names.map((name) => {
    const column = columns[name];
    return Array.isArray(column) ? column : column.at.map((place) => column.words[place]);
  });
  const rows = Array.from({ length: values.length ? values[0].length : 0 }, () => ({}));
  names.forEach((name, which) => rows.forEach((row, place) => { row[name] = values[which][place]; }));
  return rows.map(completed);
}

// A row with what its setting says, and the family of its backend: the first word of the name.
function completed(row) {
  const setting = data.settings[row.setting];
  if (setting !== undefined) {
    Object.assign(row, { place: row.setting, setting: setting.slug, machine: setting.machine });
    Object.assign(row, { threads: setting.threads, run: setting.title });
  }
  if (row.backend !== undefined) row.family = row.backend.split("-")[0];
  return row;
}

const PARTS = ["cases", "curves", "fits", "best", "crossings", "history"];
const parts = Object.fromEntries(PARTS.map((part) => [part, rowsOf(data[part])]));
parts.changes = rowsOf(data.changes); // no control offers their values: those of the history are more
for (const row of [...parts.history, ...parts.changes]) row.case = caseInWords(row);

function caseInWords(row) {
  return `${row.work}${row.optimizer ? ` ${row.optimizer}` : ""}, N = ${row.batch}`;
}

// Numbers as people read them, by the rules of bench/reporting/number_format.py.
function whole(value) {
  return value === null || value === undefined ? "" : value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, NO_BREAK);
}

function digits(value, half = null) {
  if (value === null || value === undefined) return "";
  if (half === null || half <= 0 || value <= 0) {
    const rounded = Number(value.toPrecision(3));
    if (rounded !== 0 && Math.abs(rounded) < 1e-4) return rounded.toExponential();
    return Math.abs(rounded) >= 100 && Math.abs(rounded) < 1e15 ? whole(rounded) : String(rounded);
  }
  const first = Math.floor(Math.log10(value));
  const last = Math.min(Math.max(Math.floor(Math.log10(half / 2)), first - 2), first);
  return last >= 0 ? whole(Math.round(value / 10 ** last) * 10 ** last) : value.toFixed(Math.min(-last, 20));
}

function percent(share) {
  return share === null ? "" : `${100 * share >= 10 ? (100 * share).toFixed(0) : Number((100 * share).toPrecision(2))} %`;
}

// A time in microseconds, in the unit that fits, with its interval.
function timeInWords(row) {
  if (row.median === null) return row.status === "OK" ? "" : row.status;
  const [unit, name] = row.median >= 1e6 ? [1e6, "s"] : row.median >= 1e3 ? [1e3, "ms"] : [1, "us"];
  const known = row.low !== null && row.high !== null && row.low !== undefined && row.high !== undefined;
  const half = known ? (row.high - row.low) / 2 / unit : null;
  const middle = `${digits(row.median / unit, half)}${NO_BREAK}${name}`;
  if (half === null) return middle;
  if (half * unit <= 0.1 * row.median) return `${middle} ±${((100 * half * unit) / row.median).toFixed(0)}%`;
  return `${middle} (${digits(row.low / unit, half)} to ${digits(row.high / unit, half)})`;
}

// The selection: a text for each control, empty for all; `sort` is a column, with a - before it where it falls.
const selection = { search: "", sort: "" };
for (const [name] of CONTROLS) selection[name] = "";

function matches(row) {
  const wanted = selection.search.toLowerCase();
  if (wanted && row.backend !== undefined && !row.backend.toLowerCase().includes(wanted)) return false;
  return CONTROLS.every(([name]) => {
    const value = row[name];
    return !selection[name] || value === undefined || value === null || value === "" || String(value) === selection[name];
  });
}

function labelOf(name, value) {
  if (name === "machine") return data.machines.find((machine) => machine.slug === value).title;
  if (name === "setting") return data.settings.find((setting) => setting.slug === value).title;
  return name === "work" && Object.hasOwn(data.works, value) ? `${data.works[value]} (${value})` : value;
}

// What a control offers: the values that the rows of the chosen machine have.
function choices(name) {
  if (name === "machine") return data.machines.map((machine) => machine.slug);
  if (name === "setting") {
    return data.settings.filter((setting) => setting.machine === selection.machine).map((setting) => setting.slug);
  }
  const found = new Set();
  for (const part of PARTS) {
    for (const row of parts[part]) {
      const value = row[name];
      if (row.machine === selection.machine && value !== undefined && value !== null && value !== "") found.add(String(value));
    }
  }
  return name === "hidden" ? [...found].sort((a, b) => a - b) : [...found];
}

const controls = document.getElementById("controls");
const fields = new Map();

function makeControls() {
  for (const [name, title] of CONTROLS) {
    const select = element("select", { id: `select-${name}` }); // without a name, which would hide a property of the form
    select.addEventListener("change", () => choose(name, select.value));
    const broad = name === "machine" || name === "setting";
    controls.append(element("label", { className: broad ? "broad" : "", htmlFor: select.id }, [title, select]));
    fields.set(name, select);
  }
  const search = element("input", { id: "search", type: "search" });
  search.addEventListener("input", () => choose("search", search.value));
  controls.append(element("label", { htmlFor: "search" }, ["backend contains", search]));
  fields.set("search", search);
  const reset = element("button", { id: "reset", type: "button", textContent: "Show all" });
  reset.addEventListener("click", () => {
    for (const name of Object.keys(selection)) if (name !== "machine") selection[name] = "";
    apply();
  });
  controls.append(reset);
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.hidden = false;
}

// What each control offers is found anew where the machine is another one.
let offers = {};

function fillControls() {
  const machines = choices("machine");
  if (!machines.includes(selection.machine)) selection.machine = machines[0] ?? "";
  const isNew = offers.of !== selection.machine;
  if (isNew) offers = { of: selection.machine, ...Object.fromEntries(CONTROLS.map(([name]) => [name, choices(name)])) };
  for (const [name] of CONTROLS) {
    if (!offers[name].includes(selection[name])) selection[name] = "";
    if (isNew) {
      const all = name === "machine" ? [] : [element("option", { value: "", textContent: "all" })];
      fields.get(name).replaceChildren(...all, ...offers[name].map(
        (value) => element("option", { value, textContent: labelOf(name, value) })));
    }
    fields.get(name).value = selection[name];
  }
  if (fields.get("search").value !== selection.search) fields.get("search").value = selection.search;
}

function choose(name, value) {
  selection[name] = value;
  apply();
}

// Show what is selected everywhere, and keep it in the address.
function apply() {
  fillControls();
  const kept = Object.entries(selection).filter(([name, value]) => value && !(name === "machine" && data.machines.length < 2));
  const text = new URLSearchParams(kept).toString();
  if (text || location.hash.includes("=")) history.replaceState(null, "", text ? `#${text}` : "#");
  showTable();
  showChanges();
  refreshCharts();
}

function readAddress() {
  if (location.hash && !location.hash.includes("=")) return;
  const found = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(selection)) selection[name] = found.get(name) ?? "";
}
