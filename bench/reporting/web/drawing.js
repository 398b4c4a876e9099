"use strict";
// The charts as pictures: each below its words, with a legend and its data as a table.
//
// They are canvases, since each change of an SVG has to be painted anew from its elements: on a loaded machine of two cores
// a change of three charts took 118 to 255 ms in four comparisons, with SVG 173 to 249 ms; the idle difference is unknown.

const MOST_LINES = 500; // of a table behind a chart
const MARKS = ["M4,0A4,4 0 1 1 -4,0A4,4 0 1 1 4,0", "M-4,-4H4V4H-4Z", "M0,-5L5,0L0,5L-5,0Z", "M0,-5L5,4H-5Z",
  "M-5,-2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z", "M0,5L5,-4H-5Z", "M5,0L-4,5V-5Z"];

function makeChart(chart) {
  chart.names = distinct(data.charts[chart.id].layer.map((layer) => layer.data.name));
  chart.words = element("p");
  chart.place = element("div", { className: "chart" });
  chart.legend = element("ul", { className: "legend" });
  chart.table = element("div", { className: "scroll", tabIndex: 0 });
  chart.details = element("details", {}, [element("summary", { textContent: "The data of this chart" }), chart.table]);
  chart.details.addEventListener("toggle", () => showData(chart));
  chart.figure = element("figure", { id: `chart-${chart.id}` }, [
    element("h3", { textContent: chart.title }), chart.words, chart.place, chart.legend, chart.details]);
  document.getElementById("charts").append(chart.figure);
  watcher.observe(chart.figure);
}

// Only charts in view are drawn; the others when they come into view.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const chart = CHARTS.find((each) => each.figure === target);
    chart.visible = isIntersecting;
    draw(chart);
  }
}, { rootMargin: "100px" });

// Say, then draw what is selected now: to draw needs a layout of the page, which every change of a text undoes.
function refreshCharts() {
  CHARTS.forEach(say);
  CHARTS.forEach(draw);
}

// A chart that shows the same as before stays as it is.
function say(chart) {
  const found = chart.rows();
  const text = JSON.stringify(found);
  if (chart.text === text) return;
  Object.assign(chart, { current: found, text, stale: true });
  chart.words.textContent = found.shown;
  chart.figure.dataset.rows = found.rows.length;
  chart.place.hidden = chart.details.hidden = chart.legend.hidden = !found.rows.length;
  chart.legend.replaceChildren(...legendOf(chart));
  showData(chart);
}

// A line for each series: those of the rows by their names, then the roofs or what the rows are compared with.
function legendOf({ names, current }) {
  const others = names.filter((name) => name !== "rows").flatMap((name) => current[name] ?? []);
  const bySeries = (rows) => [...new Map(rows.map((row) => [row.series, row])).values()];
  const sorted = bySeries(current.rows).sort((a, b) => (a.series < b.series ? -1 : 1));
  const shown = [...sorted, ...bySeries(others.filter((row) => row.series !== undefined))];
  return shown.map((row) => element("li", {}, [swatch(row), row.series]));
}

function shape(name, attributes) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  return found;
}

// The line and the mark of a series.
function swatch({ colour, dash, mark, pale }) {
  const picture = shape("svg", { width: 34, height: 14, viewBox: "-17 -7 34 14", "aria-hidden": "true" });
  const solid = DASHES[dash][1] ? { "stroke-dasharray": DASHES[dash].join(" ") } : {};
  const line = pale ? { "stroke-width": 4, "stroke-opacity": 0.35 } : { "stroke-width": 2, ...solid };
  picture.append(shape("line", { x1: -17, x2: 17, y1: 0, y2: 0, stroke: colour, ...line }));
  if (mark !== undefined) picture.append(shape("path", { d: MARKS[mark], fill: colour }));
  return picture;
}

function showData(chart) {
  if (!chart.details.open) return;
  const { rows } = chart.current;
  const text = (value) => (typeof value === "number" ? (Number.isInteger(value) ? String(value) : value.toPrecision(4)) : (value ?? ""));
  const head = element("tr", {}, chart.columns.map(([, title]) => element("th", { scope: "col", textContent: title })));
  const lines = rows.slice(0, MOST_LINES).map((row) => element("tr", {}, chart.columns.map(([name]) => element("td", { textContent: text(row[name]) }))));
  const caption = rows.length > MOST_LINES ? [element("caption", { textContent: `The first ${MOST_LINES} of ${rows.length} rows.` })] : [];
  chart.table.replaceChildren(element("table", {}, [...caption, element("thead", {}, [head]), element("tbody", {}, lines)]));
}

function configuration() {
  const [text, pale, rule] = COLOURS.map((name) => theme[name]);
  const axis = { labelColor: text, titleColor: text, gridColor: rule, domainColor: pale, tickColor: pale, gridOpacity: 0.6 };
  return { background: "transparent", font: "system-ui, sans-serif", axis: { ...axis, labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal" },
    view: { stroke: null } };
}

// Draw what is selected now, where it is in view; what is selected meanwhile is drawn afterwards.
async function draw(chart) {
  if (!chart.visible || !chart.stale || chart.isDrawing || !chart.current.rows.length) return;
  chart.isDrawing = true;
  chart.stale = false;
  try {
    await (chart.embedded === undefined ? embed(chart) : update(chart));
  } finally {
    chart.isDrawing = false;
  }
  await draw(chart);
}

async function update(chart) {
  const { view } = chart.embedded;
  for (const name of chart.names) view.data(name, chart.current[name]);
  // Labels of other values may be wider; and a chart that was hidden has missed a change of the window's width.
  if (chart.width !== chart.place.clientWidth) view.width(chart.width = chart.place.clientWidth);
  await view.resize().runAsync();
}

async function embed(chart) {
  const ownTheme = theme;
  const datasets = Object.fromEntries(chart.names.map((name) => [name, chart.current[name]]));
  const specification = { ...data.charts[chart.id], description: chart.title, datasets };
  chart.width = chart.place.clientWidth;
  const embedded = await vegaEmbed(chart.place, specification, { mode: "vega-lite", renderer: "canvas", actions: false,
    defaultStyle: false, ast: true, logLevel: 1, config: configuration(), tooltip: { theme: dark.matches ? "dark" : "light" } });
  if (ownTheme === theme) chart.embedded = embedded;
  else embedded.finalize(); // remade meanwhile
}

// Make every chart anew: its colours, or the pixels of its canvas, are those of when it was made.
function remake() {
  for (const chart of CHARTS) {
    if (chart.embedded !== undefined) chart.embedded.finalize();
    Object.assign(chart, { embedded: undefined, text: undefined });
    chart.place.replaceChildren();
  }
  readTheme();
  refreshCharts();
}

// The reader has zoomed, or moved the window to another screen.
function watchResolution() {
  matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => {
    remake();
    watchResolution();
  }, { once: true });
}

dark.addEventListener("change", remake);
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) {
    readAddress();
    apply();
  }
});

readTheme();
makeControls();
readAddress();
CHARTS.forEach(makeChart);
apply();
watchResolution();
