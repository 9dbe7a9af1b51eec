"use strict";
// Draws the report from the JSON in #data with Plotly, which is in #library, compressed.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const ink = dark ? "#e6eaf0" : "#1b2430";
const soft = dark ? "#98a2b3" : "#667085";
const line = dark ? "#2b333f" : "#e3e6ec";
const accent = dark ? "#ff922b" : "#d9480f";
const COLOURS = {
  COMPLETE: dark ? "#4dabf7" : "#1c6fc4", PRUNED: dark ? "#66707f" : "#a3acba", FAILED: "#e03131",
  KILLED: "#e8590c", RUNNING: "#2f9e44", PAUSED: "#9c6ade", WAITING: "#ced4da",
};
// from the best to the worst
const SCALE = dark
  ? [[0, "#ffd43b"], [0.35, "#3bc9a0"], [0.7, "#3b6fa0"], [1, "#323c4d"]]
  : [[0, "#40106b"], [0.35, "#2b6c99"], [0.7, "#5cc08a"], [1, "#e3e56b"]];
// on a narrow page the buttons would lie over the legend, and there is no mouse to hover with
const CONFIG = {
  displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"],
  displayModeBar: innerWidth >= 700 && matchMedia("(hover: hover)").matches ? "hover" : false,
};
const MOST_SVG = 30000; // points of curves; more are drawn by WebGL
const PAGE = 200; // rows of the table at first
const GRID = 44; // nodes of the contour, each way

const trials = data.trials;
const byNumber = new Map(trials.map((trial) => [trial.trial, trial]));
const better = (a, b) => (data.mode === "min" ? a < b : a > b);
const valued = trials.filter((trial) => trial.value !== null);
const ranked = [...valued].sort((a, b) => a.order - b.order);
ranked.forEach((trial, place) => { trial.rank = ranked.length > 1 ? place / (ranked.length - 1) : 0; });
let chosen = data.best;

function text(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

function duration(seconds) {
  if (seconds === null) return "–";
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  return s < 172800 ? `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m` : `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

const escaped = (words) => String(words).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function hover(trial) {
  const rows = Object.entries(trial.config).slice(0, 14).map(([name, value]) => `${escaped(name)} = ${escaped(text(value).slice(0, 60))}`);
  return [`<b>#${trial.trial}</b> ${trial.state.toLowerCase()}`, `${escaped(data.metric)} ${text(trial.value)}`, ...rows].join("<br>");
}

function layout(more = {}) {
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line, automargin: true, tickfont: { color: soft }, title: { font: { color: soft, size: 13 }, standoff: 10 } };
  const { xaxis = {}, yaxis = {}, ...rest } = more;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", size: 12.5, color: ink },
    margin: { l: 56, r: 16, t: 8, b: 44 }, hovermode: "closest", showlegend: false,
    hoverlabel: { bgcolor: dark ? "#0d1116" : "#ffffff", bordercolor: line, font: { color: ink, size: 12.5 }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { color: soft } },
    xaxis: { ...axis, ...xaxis, title: { ...axis.title, ...(xaxis.title || {}) } },
    yaxis: { ...axis, ...yaxis, title: { ...axis.title, ...(yaxis.title || {}) } },
    ...rest,
  };
}

function range(values) {
  // The middle 98 of 100 values count where the worst ones would press all others into a line.
  const sorted = values.filter((v) => v !== null && Number.isFinite(v)).sort((a, b) => a - b);
  if (sorted.length < 2) return undefined;
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  let [low, high] = [sorted[0], sorted[sorted.length - 1]];
  if (data.mode === "min" && high - low > 4 * (at(0.9) - low)) high = at(0.9);
  if (data.mode === "max" && high - low > 4 * (high - at(0.1))) low = at(0.1);
  const pad = 0.06 * (high - low || Math.abs(high) || 1);
  return [low - pad, high + pad];
}

function head() {
  byId("name").textContent = data.study;
  byId("about").textContent = `${data.mode === "min" ? "smallest" : "largest"} ${data.metric}${data.unit ? `, over ${data.unit}` : ""}; ${data.state}; written ${new Date(data.written * 1000).toLocaleString()}`;
  const best = byNumber.get(data.best);
  const counts = Object.entries(data.counts).filter(([, count]) => count).map(([state, count]) => `${count} ${state.toLowerCase()}`);
  const figures = [[`best ${data.metric}${data.partial ? " (partial)" : ""}`, best ? text(best.value, 5) : "–"], ["best trial", best ? `#${best.trial}` : "–"], [counts.join(", "), trials.length], ["time", duration(data.elapsed)]];
  if (data.gpu_hours) figures.push([data.energy_wh ? `GPU-hours, ${text(data.energy_wh / 1000, 3)} kWh` : "GPU-hours", text(data.gpu_hours, 3)]);
  byId("figures").innerHTML = figures.map(([name, value]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join("");
  byId("footer").textContent = `Written by tuitune ${data.version}. All data of the figures are in this file, as JSON in the element "data".`;
}

function detail() {
  const trial = byNumber.get(chosen);
  byId("section-detail").hidden = !trial;
  if (!trial) return;
  byId("detail-title").textContent = trial.trial === data.best ? `The best trial, #${trial.trial}` : `Trial #${trial.trial}`;
  byId("detail-note").textContent = [`${trial.state.toLowerCase()}${trial.step ? ` at ${data.unit || "report"} ${trial.step}` : ""}`, trial.error || trial.note].filter(Boolean).join(": ");
  const rows = [[data.metric, trial.value, 6], ...Object.entries(trial.config).map(([name, value]) => [name, value, 6])];
  rows.push(["time", duration(trial.seconds)], ["from", trial.origin]);
  byId("detail").innerHTML = rows.map(([name, value, digits]) => `<tr><th scope="row">${escaped(name)}</th><td>${escaped(text(value, digits))}</td></tr>`).join("");
}

function drawBest() {
  const traces = [];
  for (const state of Object.keys(COLOURS)) {
    const own = valued.filter((trial) => trial.state === state);
    if (own.length) traces.push({ type: "scatter", mode: "markers", name: state.toLowerCase(), x: own.map((t) => t.trial), y: own.map((t) => t.value), customdata: own.map((t) => t.trial), text: own.map(hover), hovertemplate: "%{text}<extra></extra>", marker: { color: COLOURS[state], size: 7, opacity: state === "PRUNED" ? 0.75 : 0.95 } });
  }
  const x = [], y = [];
  let best = null;
  for (const trial of trials) {
    if (trial.state === "COMPLETE" && trial.value !== null && (best === null || better(trial.value, best))) best = trial.value;
    if (best !== null) { x.push(trial.trial); y.push(best); }
  }
  traces.push({ type: "scatter", mode: "lines", name: "best so far", x, y, line: { shape: "hv", color: accent, width: 2.5 }, hoverinfo: "skip" });
  const own = layout({ showlegend: true, margin: { l: 56, r: 16, t: 30, b: 44 }, xaxis: { title: { text: "trial" } }, yaxis: { title: { text: escaped(data.metric) }, range: range(valued.map((t) => t.value)) } });
  Plotly.newPlot("best", traces, own, CONFIG);
  byId("best").on("plotly_click", (event) => { const number = event.points[0].customdata; if (number !== undefined) choose(number); });
}

function drawCurves() {
  const metric = byId("curve-metric").value, curves = data.curves[metric] || {};
  const groups = new Map();
  let points = 0;
  const values = [];
  for (const [key, [steps, own]] of Object.entries(curves)) {
    const trial = byNumber.get(Number(key));
    if (!trial) continue;
    const state = trial.state;
    const kind = `${state}${steps.length > 1 ? "" : " "}`; // of one report there is a dot, no line
    if (!groups.has(kind)) groups.set(kind, { x: [], y: [], customdata: [] });
    const group = groups.get(kind);
    // one trace a state, with gaps between trials: thousands of traces would be slow
    group.x.push(...steps, null); group.y.push(...own, null);
    for (let i = 0; i <= steps.length; i++) group.customdata.push(trial.trial);
    points += steps.length;
    values.push(...own);
  }
  const type = points > MOST_SVG ? "scattergl" : "scatter";
  const traces = [];
  for (const state of ["PRUNED", "KILLED", "FAILED", "WAITING", "PAUSED", "RUNNING", "COMPLETE"]) {
    const [lines, dots] = [groups.get(state), groups.get(`${state} `)];
    for (const group of [lines, dots]) if (group) traces.push({ type, mode: group === dots ? "markers" : "lines", name: state.toLowerCase(), legendgroup: state, showlegend: group === lines || !lines, ...group, connectgaps: false, line: { color: COLOURS[state], width: state === "COMPLETE" ? 1.5 : 1 }, marker: { color: COLOURS[state], size: 5 }, opacity: state === "COMPLETE" ? 0.85 : 0.65, hovertemplate: `#%{customdata}<br>${escaped(data.unit || "report")} %{x}<br>${escaped(metric)} %{y:.5g}<extra></extra>` });
  }
  const curve = curves[chosen];
  if (curve) traces.push({ type, mode: "lines+markers", name: `#${chosen}`, x: curve[0], y: curve[1], line: { color: accent, width: 3 }, marker: { color: accent, size: curve[0].length > 60 ? 0 : 6 }, hovertemplate: `#${chosen}<br>${escaped(data.unit || "report")} %{x}<br>${escaped(metric)} %{y:.5g}<extra></extra>` });
  const isLog = byId("curve-log").checked;
  const shapes = data.rungs.map((rung) => ({ type: "line", x0: rung, x1: rung, yref: "paper", y0: 0, y1: 1, line: { color: soft, width: 1, dash: "dot" }, layer: "below" }));
  const yaxis = { title: { text: escaped(metric) }, type: isLog ? "log" : "linear", range: isLog || metric !== data.metric ? undefined : range(values) };
  Plotly.react("curves", traces, layout({ showlegend: true, margin: { l: 56, r: 16, t: 30, b: 44 }, shapes, xaxis: { title: { text: escaped(data.unit || "report") }, rangemode: "tozero" }, yaxis }), CONFIG);
}

// A parameter's values as places on an axis, and the axis's ticks.
function axisOf(parameter) {
  const there = trials.map((trial) => trial.config[parameter.name]).filter((value) => value !== undefined);
  if (parameter.kind === "category") {
    const names = [...new Set([...parameter.values, ...there.map((value) => text(value))])];
    const place = new Map(names.map((name, at) => [name, at]));
    return { place: (value) => place.get(text(value)), low: 0, high: Math.max(1, names.length - 1), tickvals: names.map((_, at) => at), ticktext: names.map((name) => (name.length > 16 ? `${name.slice(0, 15)}…` : name)) };
  }
  const to = parameter.log ? Math.log10 : (value) => value;
  const places = there.map(to).filter(Number.isFinite);
  const low = parameter.low === null ? Math.min(...places) : to(parameter.low), high = parameter.high === null ? Math.max(...places) : to(parameter.high);
  if (!parameter.log) {
    const [ticks, nice] = [[], 10 ** Math.floor(Math.log10((high - low) / 4 || 1))];
    const by = [1, 2, 5, 10].map((n) => n * nice).find((n) => (high - low) / n <= 6);
    for (let at = Math.ceil(low / by - 1e-9); at * by <= high + 1e-9 * by && ticks.length < 12; at++) ticks.push(at * by);
    return { place: to, low, high, ticks };
  }
  const tickvals = [], whole = high - low >= 2;
  for (let power = Math.floor(low); power <= Math.ceil(high); power++)
    for (const digit of whole ? [1] : [1, 2, 5]) {
      const at = power + Math.log10(digit);
      if (at >= low - 1e-9 && at <= high + 1e-9) tickvals.push(at);
    }
  return { place: to, low, high, tickvals, ticktext: tickvals.map((at) => text(10 ** at, 3)) };
}

const varied = data.parameters.filter((parameter) => new Set(trials.map((trial) => text(trial.config[parameter.name]))).size > 1);
const importance = new Map((data.importance || []).map((one) => [one.name, one.rise]));
const byImportance = [...varied].sort((a, b) => (importance.get(b.name) ?? -1) - (importance.get(a.name) ?? -1));

function drawParallel() {
  const section = byId("section-parallel");
  section.hidden = ranked.length < 2 || !varied.length;
  if (section.hidden) return;
  const shown = byImportance.slice(0, 12);
  const dimensions = shown.map((parameter) => {
    const axis = axisOf(parameter);
    const lacks = ranked.some((trial) => trial.config[parameter.name] === undefined);
    const off = axis.low - 0.12 * (axis.high - axis.low || 1);
    const values = ranked.map((trial) => (trial.config[parameter.name] === undefined ? off : axis.place(trial.config[parameter.name])));
    const label = parameter.name.length > 18 ? `${parameter.name.slice(0, 17)}…` : parameter.name;
    const span = { range: [lacks ? off : axis.low, axis.high] };
    if (lacks && axis.ticks) Object.assign(axis, { tickvals: axis.ticks, ticktext: axis.ticks.map((at) => text(at)) });
    if (axis.tickvals) return { label: escaped(label), values, ...span, tickvals: lacks ? [off, ...axis.tickvals] : axis.tickvals, ticktext: lacks ? ["none", ...axis.ticktext] : axis.ticktext };
    return { label: escaped(label), values, ...span };
  });
  const own = range(ranked.map((t) => t.value));
  const within = (value) => (own ? Math.min(Math.max(value, own[0]), own[1]) : value);
  dimensions.push({ label: escaped(data.metric), values: ranked.map((t) => within(t.value)), range: own });
  const colour = { color: ranked.map((t) => t.rank), colorscale: SCALE, cmin: 0, cmax: 1, showscale: true, colorbar: { thickness: 10, len: 0.9, outlinewidth: 0, tickvals: [0, 1], ticktext: ["best", "worst"], tickfont: { color: soft } } };
  Plotly.newPlot("parallel", [{ type: "parcoords", dimensions, line: colour, labelfont: { color: ink, size: 13 }, tickfont: { color: soft, size: 11 }, rangefont: { color: "rgba(0,0,0,0)", size: 1 }, unselected: { line: { color: line, opacity: 0.3 } } }], layout({ margin: { l: 70, r: 40, t: 50, b: 24 } }), CONFIG);
}

function drawImportance() {
  byId("importance-note").textContent = data.importance_note;
  const own = [...(data.importance || [])].sort((a, b) => a.rise - b.rise).slice(-14);
  byId("importance").hidden = !own.length;
  if (!own.length) return;
  const names = own.map((one) => (one.name.length > 22 ? `${one.name.slice(0, 21)}…` : one.name));
  Plotly.newPlot("importance", [{ type: "bar", orientation: "h", x: own.map((one) => Math.max(0, one.rise)), y: own.map((_, at) => at), customdata: own.map((one) => escaped(one.name)), marker: { color: own.map((one) => (one.rise > 0.05 ? COLOURS.COMPLETE : COLOURS.PRUNED)) }, text: own.map((one) => Math.max(0, one.rise).toFixed(2)), textposition: "outside", cliponaxis: false, hovertemplate: "%{customdata}: %{x:.3f}<extra></extra>" }], layout({ margin: { l: 56, r: 44, t: 4, b: 30 }, bargap: 0.35, xaxis: { rangemode: "tozero" }, yaxis: { tickvals: own.map((_, at) => at), ticktext: names.map(escaped), tickfont: { color: ink } } }), CONFIG);
}

function drawContour() {
  const [first, second] = ["contour-x", "contour-y"].map((id) => varied.find((p) => p.name === byId(id).value));
  if (!first || !second) return;
  const [across, up] = [axisOf(first), axisOf(second)];
  const unit = (axis, value) => (axis.place(value) - axis.low) / (axis.high - axis.low || 1);
  const own = ranked.filter((t) => t.config[first.name] !== undefined && t.config[second.name] !== undefined);
  const points = own.map((t) => [unit(across, t.config[first.name]), unit(up, t.config[second.name]), t.rank]);
  const reach = Math.max(0.05, 0.28 / Math.max(1, own.length / 8) ** (1 / 3)), z = [];
  for (let j = 0; j < GRID; j++) {
    const row = [];
    for (let i = 0; i < GRID; i++) {
      let sum = 0, weight = 0;
      for (const [x, y, rank] of points) {
        const w = Math.exp(-((x - i / (GRID - 1)) ** 2 + (y - j / (GRID - 1)) ** 2) / (2 * reach * reach));
        sum += w * rank; weight += w;
      }
      row.push(weight > 0.02 ? sum / weight : null);
    }
    z.push(row);
  }
  const nodes = (axis) => Array.from({ length: GRID }, (_, at) => axis.low + (at / (GRID - 1)) * (axis.high - axis.low));
  const ticks = (axis, parameter) => ({ title: { text: escaped(parameter.name) }, showgrid: false, zeroline: false, range: [axis.low - 0.03 * (axis.high - axis.low), axis.high + 0.03 * (axis.high - axis.low)], ...(axis.tickvals ? { tickvals: axis.tickvals, ticktext: axis.ticktext.map(escaped) } : {}) });
  const surface = { type: "contour", x: nodes(across), y: nodes(up), z, colorscale: SCALE, zmin: 0, zmax: 1, contours: { coloring: "fill", showlines: false, start: 0, end: 1, size: 0.05 }, opacity: 0.8, hoverinfo: "skip", connectgaps: false, colorbar: { thickness: 10, outlinewidth: 0, tickvals: [0, 1], ticktext: ["best", "worst"], tickfont: { color: soft } } };
  const dots = { type: "scatter", mode: "markers", x: own.map((t) => across.place(t.config[first.name])), y: own.map((t) => up.place(t.config[second.name])), text: own.map(hover), customdata: own.map((t) => t.trial), hovertemplate: "%{text}<extra></extra>", marker: { size: 7, color: own.map((t) => t.rank), colorscale: SCALE, cmin: 0, cmax: 1, line: { color: dark ? "#11151b" : "#ffffff", width: 1 } } };
  const best = byNumber.get(data.best), traces = [surface, dots];
  if (best && own.includes(best)) traces.push({ type: "scatter", mode: "markers", hoverinfo: "skip", x: [across.place(best.config[first.name])], y: [up.place(best.config[second.name])], marker: { symbol: "star", size: 15, color: accent, line: { color: dark ? "#11151b" : "#ffffff", width: 1.5 } } });
  Plotly.react("contour", traces, layout({ xaxis: ticks(across, first), yaxis: ticks(up, second) }), CONFIG);
}

function drawSlices() {
  const shown = byImportance.slice(0, 12);
  byId("section-slices").hidden = !shown.length || !valued.length;
  const left = varied.length - shown.length;
  byId("slices-note").textContent = `${data.metric} by the value of each parameter, the most important first${left > 0 ? `; ${left} less important ones are left out` : ""}. ${dark ? "Bright" : "Dark"}: late trials; star: the best.`;
  const own = range(valued.map((t) => t.value));
  shown.forEach((parameter) => {
    const axis = axisOf(parameter), place = document.createElement("div");
    place.className = "plot";
    byId("slices").append(place);
    const there = valued.filter((t) => t.config[parameter.name] !== undefined);
    // dots of a category are spread, so that they don't cover each other
    const spread = parameter.kind === "category" ? (t) => ((t.trial * 0.618034) % 1 - 0.5) * 0.5 : () => 0;
    const at = (t) => axis.place(t.config[parameter.name]) + spread(t);
    const dots = { type: there.length > 3000 ? "scattergl" : "scatter", mode: "markers", x: there.map(at), y: there.map((t) => t.value), text: there.map(hover), hovertemplate: "%{text}<extra></extra>", marker: { size: 6, color: there.map((t) => t.trial), colorscale: dark ? [[0, "#3a4657"], [1, "#74c0fc"]] : [[0, "#c9d6e6"], [1, "#17558f"]] } };
    const best = there.filter((t) => t.trial === data.best);
    const star = { type: "scatter", mode: "markers", hoverinfo: "skip", x: best.map(at), y: best.map((t) => t.value), marker: { symbol: "star", size: 14, color: accent } };
    const pad = (parameter.kind === "category" ? 0.5 : 0.04 * (axis.high - axis.low)) || 0.5;
    const xaxis = { title: { text: escaped(parameter.name) }, range: [axis.low - pad, axis.high + pad], zeroline: false, ...(axis.tickvals ? { tickvals: axis.tickvals, ticktext: axis.ticktext.map(escaped) } : { nticks: 6 }) };
    Plotly.newPlot(place, [dots, star], layout({ margin: { l: 44, r: 10, t: 6, b: 40 }, xaxis, yaxis: { range: own, nticks: 5 } }), { ...CONFIG, displayModeBar: false });
  });
}

const columns = [
  { name: "trial", value: (t) => t.trial, show: (t) => `#${t.trial}`, number: true },
  { name: "state", value: (t) => t.state.toLowerCase(), show: (t) => t.state.toLowerCase(), state: true },
  { name: data.metric, value: (t) => t.value, show: (t) => text(t.value, 5), number: true },
  { name: data.unit || "reports", value: (t) => t.step, show: (t) => text(t.step), number: true },
  ...data.parameters.map((p) => ({ name: p.name, value: (t) => { const v = t.config[p.name]; return typeof v === "number" ? v : v === undefined ? null : text(v); }, show: (t) => text(t.config[p.name], 5), number: p.kind === "number" })),
  { name: "time", value: (t) => t.seconds, show: (t) => duration(t.seconds), number: true },
  { name: "note", value: (t) => t.error || t.note, show: (t) => t.error || t.note || "" },
];
let sorting = { column: 2, down: data.mode === "max" }, shownRows = PAGE;

function drawTable() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const { column, down } = sorting, key = columns[column].value;
  const hasAll = (trial) => { const cells = columns.map((c) => c.show(trial)).join(" ").toLowerCase(); return words.every((word) => cells.includes(word)); };
  const found = words.length ? trials.filter(hasAll) : [...trials];
  found.sort((a, b) => {
    const [one, other] = [key(a), key(b)];
    if (one === null || other === null) return (one === null) - (other === null) || a.trial - b.trial;
    return (one < other ? -1 : one > other ? 1 : 0) * (down ? -1 : 1) || a.trial - b.trial;
  });
  const head = columns.map((c, at) => `<th scope="col" tabindex="0" data-column="${at}"${c.number ? ' class="number"' : ""}${at === column ? ` aria-sort="${down ? "descending" : "ascending"}"` : ""}>${escaped(c.name)}</th>`).join("");
  const body = found.slice(0, shownRows).map((trial) => `<tr data-trial="${trial.trial}"${trial.trial === chosen ? ' class="chosen"' : ""}>${columns.map((c) => { const words = escaped(c.show(trial)); return c.state ? `<td class="state" style="--dot:${COLOURS[trial.state]}">${words}</td>` : `<td${c.number ? ' class="number"' : ` title="${words}"`}>${words}</td>`; }).join("")}</tr>`).join("");
  byId("table").innerHTML = `<thead><tr>${head}</tr></thead><tbody>${body}</tbody>`;
  byId("shown").textContent = words.length ? `${found.length} of ${trials.length}` : "";
  byId("more").hidden = found.length <= shownRows;
  byId("more").textContent = `Show all ${found.length}`;
}

function choose(number) {
  chosen = number;
  detail(); drawCurves(); drawTable();
}

function prepare() {
  const metrics = Object.keys(data.curves).sort((a, b) => (b === data.metric) - (a === data.metric));
  byId("curve-metric").innerHTML = metrics.map((name) => `<option>${escaped(name)}</option>`).join("");
  byId("section-curves").hidden = !metrics.length;
  byId("curves-note").textContent = `One line a trial, the chosen one in front${data.rungs.length ? "; dotted: the rungs at which trials are judged" : ""}.`;
  const options = byImportance.map((p) => `<option>${escaped(p.name)}</option>`).join("");
  byId("contour-x").innerHTML = byId("contour-y").innerHTML = options;
  byId("section-contour").hidden = varied.length < 2 || ranked.length < 4;
  if (varied.length > 1) byId("contour-y").selectedIndex = 1;
  byId("curve-metric").onchange = byId("curve-log").onchange = drawCurves;
  byId("contour-x").onchange = byId("contour-y").onchange = drawContour;
  byId("filter").oninput = drawTable;
  byId("more").onclick = () => { shownRows = Infinity; drawTable(); };
  const sort = (cell) => { const column = Number(cell.dataset.column); sorting = { column, down: sorting.column === column ? !sorting.down : false }; drawTable(); };
  byId("table").onclick = (event) => {
    const cell = event.target.closest("th"), row = event.target.closest("tr[data-trial]");
    if (cell) sort(cell); else if (row) choose(Number(row.dataset.trial));
  };
  byId("table").onkeydown = (event) => { if (event.key === "Enter" && event.target.matches("th")) sort(event.target); };
}

async function main() {
  head(); detail(); prepare(); drawTable();
  const packed = Uint8Array.from(atob(byId("library").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const trouble = [];
  for (const draw of [drawBest, drawCurves, drawParallel, drawImportance, drawContour, drawSlices]) {
    try { draw(); } catch (error) { trouble.push(`${draw.name.slice(4)}: ${error.message}`); console.error(error); }
  }
  byId("loading").textContent = trouble.length ? `This browser could not draw all figures (${trouble.join("; ")}).` : "";
  byId("loading").hidden = !trouble.length;
  document.body.dataset.drawn = "yes";
}

main().catch((error) => { byId("loading").textContent = `The figures can't be drawn: ${error.message}. A browser from 2023 or later is needed.`; });
