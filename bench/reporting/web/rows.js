"use strict";
// Which rows each chart shows of what is selected, in which colours, and what is said above them.
//
// A function of rows returns what its chart shows: `rows` and what else the specification names, and `shown`, the words.

const OKABE_ITO = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "text", "#f0e442"];
const DARK = { "#0072b2": "#3d9be0", "#009e73": "#1fc79a" }; // the darkest of them, for a dark background
const DASHES = data.dashes;
const PREFERRED = { work: ["gradient", "step", "forward"], optimizer: ["", "adam"], target: ["sin", "square"],
  conditions: ["threads as installed, allocations as installed"], case: ["gradient, N = 800", "step adam, N = 32"] };
const MOST_POINTS = 1500; // of a chart: to draw more takes seconds
const dark = matchMedia("(prefers-color-scheme: dark)");

// Each family of backends has a colour; mark and dash tell its members apart.
function stylesOf(names) {
  const families = new Map();
  for (const name of names) {
    const family = name.split("-")[0];
    if (!families.has(family)) families.set(family, []);
    families.get(family).push(name);
  }
  const styles = new Map();
  [...families.values()].forEach((members, place) => members.forEach((name, member) => {
    styles.set(name, { hue: OKABE_ITO[place % OKABE_ITO.length], dash: member % DASHES.length, mark: member % DASHES.length });
  }));
  return styles;
}

const styles = stylesOf(new Set([...parts.cases, ...parts.curves, ...parts.history].map((row) => row.backend)));
const solverStyles = stylesOf(new Set(parts.curves.filter((row) => row.work === "solving").map((row) => row.optimizer)));
const COLOURS = ["--text", "--pale", "--rule"];
let theme = {}; // these colours of the page, read once a scheme: to read them takes a layout
const readTheme = () => { theme = Object.fromEntries(COLOURS.map((name) => [name, getComputedStyle(document.documentElement).getPropertyValue(name).trim()])); };
const distinct = (values) => [...new Set(values)];

function styled(row, series = row.backend, style = styles.get(row.backend)) {
  const hue = style.hue === "text" ? theme["--text"] : dark.matches ? (DARK[style.hue] ?? style.hue) : style.hue;
  return { series, colour: hue, dash: style.dash, mark: style.mark };
}

// The rows of one value of each of these fields: the selected one, else the usual one, else that of the first row.
function narrowed(rows, names) {
  const words = [];
  for (const name of names) {
    if (!rows.length) break;
    const first = rows.reduce((best, row) => ((row.place ?? 0) < (best.place ?? 0) ? row : best));
    const usual = name === "hidden" || name === "dtype" ? [data.settings[first.place ?? 0][name]] : (PREFERRED[name] ?? []);
    const wanted = usual.find((value) => rows.some((row) => row[name] === value)) ?? first[name];
    rows = rows.filter((row) => row[name] === wanted);
    if (name === "setting") words.push(labelOf(name, wanted));
    else if (wanted !== "") words.push(name === "hidden" ? `H = ${wanted}` : String(wanted));
  }
  return { rows, words: words.join("; ") };
}

const nothing = (why) => ({ rows: [], shown: why });
const seconds = (microseconds) => microseconds / 1e6;

function sized() {
  const isWanted = (row) => matches(row) && (!selection.optimizer || row.optimizer === selection.optimizer);
  const timed = parts.cases.filter((row) => row.median > 0 && row.status === "OK" && !row.detail && data.sized.includes(row.work));
  return narrowed(timed.filter(isWanted), ["setting", "work", "optimizer", "hidden", "dtype"]);
}

function pointOf(row) {
  const rate = row.batch / seconds(row.median);
  const [low, high] = [row.low ?? row.median, row.high ?? row.median].map((end) => Math.max(end, 1e-9));
  return { batch: row.batch, backend: row.backend, median: seconds(row.median), low: seconds(low), high: seconds(high), rate,
    rate_low: row.batch / seconds(high), rate_high: row.batch / seconds(low), roof: percent(row.roof),
    text: `N = ${whole(row.batch)}: ${timeInWords(row)}`, time: timeInWords(row) };
}

// The least time that the ceilings allow, of dense and of hinge work, on each device.
function roofsOf(rows) {
  const found = new Map();
  for (const row of rows.filter((each) => each.roof > 0)) {
    const key = `roof, ${row.hinge ? "hinge" : "dense"}, ${row.device}\n${row.batch}`;
    found.set(key, Math.min(found.get(key) ?? Infinity, seconds(row.median * row.roof)));
  }
  return [...found].map(([key, median]) => {
    const [series, batch] = key.split("\n");
    return { series, batch: Number(batch), median, rate: Number(batch) / median, colour: theme["--text"], dash: series.includes("hinge") ? 2 : 1 };
  }).sort((a, b) => a.batch - b.batch);
}

function crossingsOf(rows) {
  const [first] = rows;
  const alike = (row) => ["machine", "threads", "work", "optimizer", "hidden", "dtype"].every((name) => row[name] === first[name]);
  const inside = rows.map((row) => row.batch);
  const [least, most] = [Math.min(...inside), Math.max(...inside)];
  const found = parts.crossings.filter((row) => row.over === "batch" && row.size >= least && row.size <= most && alike(row));
  return found.map(({ low, high, size, words }) => ({ low: Math.max(low, least), high: Math.min(high, most), size, words }));
}

function againstSize() {
  const { rows, words } = sized();
  if (!rows.length) return nothing("No time of these values is in the journals.");
  const points = rows.map((row) => ({ ...pointOf(row), ...styled(row) })).sort((a, b) => a.batch - b.batch);
  const crossings = crossingsOf(rows);
  const overtaking = crossings.length ? ` Grey: ${distinct(crossings.map((crossing) => crossing.words)).join(" ")}` : "";
  const roofs = roofsOf(rows);
  const roof = roofs.length ? " Roof: the least time that the measured peaks of the machine allow." : "";
  const each = Math.ceil(points.length / MOST_POINTS);
  const thinned = points.filter((_, place) => place % each === 0);
  const thin = each > 1 ? ` ${thinned.length} of ${points.length} points; the table above has all.` : "";
  return { rows: thinned, roofs: roofs.filter((_, place) => place % each === 0), crossings, shown: `${words}. Bands: 95 % intervals.${roof}${overtaking}${thin}` };
}

function throughput() {
  const found = againstSize();
  return found.rows.length ? { ...found, shown: "The times of the chart above as samples per second; higher is better." } : found;
}

function devices() {
  if (!parts.cases.some((row) => row.machine === selection.machine && row.device === "cuda" && row.status === "OK")) {
    return nothing(data.no_gpu);
  }
  const { rows, words } = sized();
  const best = new Map();
  for (const row of rows) {
    const key = `${row.device}\n${row.batch}`;
    if (!best.has(key) || row.median < best.get(key).median) best.set(key, row);
  }
  const fastest = [...best.values()].sort((a, b) => a.batch - b.batch);
  if (distinct(fastest.map((row) => row.device)).length < 2) return nothing("These values were timed on one kind of device only.");
  const places = { cpu: 0, cuda: 1 };
  const points = fastest.map((row) => {
    const style = { hue: OKABE_ITO[places[row.device] ?? 2], dash: places[row.device] ?? 2, mark: places[row.device] ?? 2 };
    return { ...pointOf(row), ...styled(row, `fastest on ${row.device}`, style), text: `${row.backend}, ${pointOf(row).text}` };
  });
  return { rows: points, roofs: [], crossings: [], shown: `${words}. The fastest backend of each device at each N.` };
}

function convergence() {
  const found = parts.curves.filter(matches);
  const { rows, words } = narrowed(found, ["setting", "work", ...(selection.work === "solving" ? [] : ["optimizer"]), "target", "hidden", "dtype"]);
  if (!rows.length) return nothing("No training run of these values is in the journals.");
  const ofSolvers = rows[0].work === "solving";
  const points = rows.flatMap((row) => {
    const series = ofSolvers ? `${row.optimizer}, ${row.backend}` : row.backend;
    const style = styled(row, series, ofSolvers ? solverStyles.get(row.optimizer) : styles.get(row.backend));
    return row.seconds.map((time, place) => ({ seconds: time, error: Math.max(row.errors[place], 1e-32), backend: row.backend,
      text: `${digits(row.errors[place])} after ${digits(time)} s`, ...style }));
  });
  const best = bestOf(rows[0]).map(({ mse }) => ({ series: "best spline", mse: Math.max(mse, 1e-32), colour: theme["--text"], dash: 2, text: digits(mse) }));
  return { rows: points, best, shown: `${words}; weights from the scheme spread.${bestInWords(rows[0])}` };
}

// The smallest error of a spline that this machine has found for a function and width.
function bestOf(row) {
  const found = parts.best.filter((each) => each.machine === row.machine && each.target === row.target && each.hidden === row.hidden);
  return found.length ? [found.reduce((least, each) => (each.mse < least.mse ? each : least))] : [];
}

function bestInWords(row) {
  const [best] = bestOf(row);
  const size = `${row.hidden} hidden units`;
  if (best === undefined) return ` No best spline of ${size} was computed on this machine.`;
  return ` Best possible, a spline of ${size}: mean squared error ${digits(best.mse)}.`;
}

function fitted() {
  const { rows, words } = narrowed(parts.fits.filter(matches), ["setting", "target", "hidden", "dtype"]);
  if (!rows.length) return nothing("No fit of these values is in the journals.");
  const { x, y } = data.functions[rows[0].target];
  const points = rows.flatMap((row) => row.y.map((value, place) => ({ x: x[place], y: value, backend: row.backend,
    difference: value === null ? null : value - y[place], function: y[place], mse: digits(row.mse), ...styled(row), mark: undefined })));
  const own = { colour: theme["--text"], dash: 0, pale: true };
  const [best] = bestOf(rows[0]);
  const limits = best === undefined ? [] : [-1, 1].flatMap((side) => [x[0], x.at(-1)].map((end) => (
    { x: end, difference: side * Math.sqrt(best.mse), series: `${side < 0 ? "-" : "+"} error of the best spline`, ...own })));
  const errors = rows.map((row) => `${row.backend} ${digits(row.mse)}`).join(", ");
  return { rows: points, function: x.map((value, place) => ({ series: "function", x: value, y: y[place], ...own })), limits,
    shown: `${words}.${bestInWords(rows[0])} Reached by Adam: ${errors}.` };
}

function differences() {
  const found = fitted();
  if (!found.rows.length) return found;
  const sizes = found.limits.length ? "Pale: plus and minus the root of the mean squared error of the best spline." : "";
  return { ...found, shown: `What each network of the chart above gets wrong, in the unit of y. ${sizes}` };
}

function past() {
  const wanted = data.settings.find((setting) => setting.slug === selection.setting);
  const found = parts.history.filter((row) => matches(row) && [undefined, row.conditions].includes(wanted?.conditions));
  const { rows, words } = narrowed(found, ["conditions", "case", "hidden", "dtype"]);
  if (!rows.length) return nothing("No run of these values is in the journals.");
  const runs = distinct(rows.map((row) => row.run)).length;
  const points = rows.map((row) => ({ ...styled(row), run: row.run, label: row.run, commit: row.commit,
    conditions: row.conditions, time: timeInWords(row), median: seconds(row.median), low: seconds(row.low ?? row.median), high: seconds(row.high ?? row.median),
    noise_low: seconds(row.noise_low ?? row.median), noise_high: seconds(row.noise_high ?? row.median),
    text: `${timeInWords(row)}; run ${row.run}, ${row.commit}` }));
  points.sort((a, b) => (a.run < b.run ? -1 : a.run > b.run ? 1 : 0));
  const band = rows.some((row) => row.noise_low) ? " Bands: what the newest A/A run of the machine cannot tell apart." : "";
  return { rows: points, shown: `${words}. ${runs === 1 ? "One run" : `${runs} runs`} of this machine, oldest first.${band}` };
}

const SIZES = [["series", "backend"], ["batch", "N"], ["time", "time"], ["rate", "samples per second"], ["roof", "share of roof"]];
const FITS = [["series", "backend"], ["x", "x"], ["y", "network"], ["function", "function"], ["difference", "difference"], ["mse", "mean squared error"]];
const CHARTS = [
  { id: "time", title: "Time against N", rows: againstSize, columns: SIZES },
  { id: "rate", title: "Throughput against N", rows: throughput, columns: SIZES },
  { id: "convergence", title: "Error against seconds of training", rows: convergence,
    columns: [["series", "series"], ["seconds", "seconds"], ["error", "lowest error so far"]] },
  { id: "fits", title: "Fits and the function", rows: fitted, columns: FITS },
  { id: "differences", title: "Network minus function", rows: differences, columns: FITS },
  { id: "devices", title: "CPU against GPU", rows: devices, columns: [["series", "device"], ["backend", "backend"], ["batch", "N"], ["time", "time"]] },
  { id: "history", title: "History", rows: past,
    columns: [["run", "run"], ["commit", "commit"], ["series", "backend"], ["conditions", "setting"], ["time", "time"]] },
];
