// What is indexed, what was left out and why, and what is being indexed now.

import { get } from "./api.js";
import { el, empty, icon, replace } from "./dom.js";
import { bytes, clock, duration, dayAndTime, number } from "./format.js";

const AGAIN_MS = 3000;
const SHOWN = 100;

export function stateView(app) {
  const view = { app, node: el("div", { class: "state" }), waiting: 0 };
  return { node: view.node, show: () => show(view), leave: () => clearTimeout(view.waiting) };
}

async function show(view) {
  document.title = "Archive – VLSA";
  clearTimeout(view.waiting);
  try {
    const state = await get("/api/state");
    draw(view, state);
    if (state.indexes.some(one => one.progress)) view.waiting = setTimeout(() => show(view), AGAIN_MS);
  } catch (problem) {
    replace(view.node, empty("The state cannot be read", problem.message, el("button", { type: "button", onclick: () => show(view) }, "Try again")));
  }
}

function draw(view, state) {
  const open = new Set([...view.node.querySelectorAll("details[open]")].map(one => one.dataset.key));
  replace(view.node,
    el("header", { class: "view-head" }, el("h1", {}, "Archive"),
      el("small", {}, [`version ${state.version}`, state.cache_bytes ? `${bytes(state.cache_bytes)} of images kept` : ""].filter(Boolean).join(" · "))),
    state.indexes.map(one => panel(view, one, open)));
}

function panel(view, one, open) {
  const about = view.app.indexOf(one.name);
  const figures = [
    ["Files", number(one.num_files)], ["Length", duration(one.hours * 3600)], ["Windows", number(one.num_windows)],
    ["Texts", number(one.num_texts)], ["On disk", one.num_bytes ? bytes(one.num_bytes) : ""], ["Model", about?.model?.name ?? ""],
  ].filter(([, value]) => value);
  return el("section", { class: "panel index" },
    el("header", { class: "out-head" }, el("h2", {}, about?.name === one.name ? about.title || one.name : one.name),
      one.updated_at ? el("small", {}, `last written ${dayAndTime(one.updated_at)}`) : null),
    one.problem ? el("p", { class: "bad" }, one.problem) : null,
    one.progress ? progress(one.progress) : null,
    el("dl", { class: "figures" }, figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    leftOut(one, open));
}

function progress({ done, total, message, seconds_left }) {
  const left = seconds_left === null || seconds_left === undefined ? "" : `, ${duration(seconds_left)} left`;
  return el("div", { class: "progress", role: "status" },
    el("progress", { max: String(total || 1), value: done, "aria-label": "Indexing" }),
    el("small", {}, `Indexing: ${number(done)} of ${number(total)} ${message.split(": ")[0]}${left}`));
}

function leftOut(one, open) {
  const rows = one.left_out ?? [];
  if (!rows.length) return el("p", { class: "fine" }, "Nothing was left out.");
  const reasons = new Map();
  for (const row of rows) reasons.set(row.reason, [...(reasons.get(row.reason) ?? []), row]);
  return el("div", { class: "left-out" }, el("h3", {}, icon("warn"), `${number(one.num_left_out ?? rows.length)} left out`),
    [...reasons].map(([reason, all]) => reasonOf(`${one.name}/${reason}`, all, open)));
}

const sentence = text => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");

/** What was said about a file, without its name, which stands beside it. */
function happened(row) {
  const text = row.message ?? row.reason;
  return sentence(text.startsWith(`${row.path}: `) ? text.slice(row.path.length + 2) : text);
}

function reasonOf(key, rows, open) {
  const [first] = rows;
  const timed = rows.some(row => row.start_seconds);
  return el("details", { "data-key": key, open: open.has(key) || rows.length <= 3 },
    el("summary", {}, el("strong", {}, sentence(first.meaning || first.reason)), el("small", {}, number(rows.length))),
    first.remedy ? el("p", { class: "remedy" }, sentence(first.remedy)) : null,
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Left out: ${first.reason}` }, el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "File"), timed && el("th", { scope: "col" }, "At"), el("th", { scope: "col" }, "What happened"))),
      el("tbody", {}, rows.slice(0, SHOWN).map(row => el("tr", {}, el("td", { class: "path" }, row.path),
        timed && el("td", {}, row.start_seconds ? clock(row.start_seconds) : ""), el("td", {}, happened(row))))))),
    rows.length > SHOWN ? el("small", {}, `and ${number(rows.length - SHOWN)} more, in index_report.jsonl`) : null);
}
