// The map: all windows of an index as points; a click plays one, a lasso lists many.

import { get, getBytes, post, postForBytes, query, urls } from "./api.js";
import { card } from "./card.js";
import { coloursOf } from "./colours.js";
import { choice, el, empty, icon, iconButton, later, replace, say, toast } from "./dom.js";
import { exportMenu } from "./export.js";
import { number, plural } from "./format.js";
import { plot } from "./plot.js";
import { readPoints } from "./points.js";
import { newQuestion, toApi } from "./question.js";

const AGAIN_MS = 700;
const MOST_LISTED = 60;

export function mapView(app) {
  const view = { app, node: el("div", { class: "map" }), index: null, by: "folder" };
  return {
    node: view.node,
    show: state => show(view, state),
    leave: () => { view.ended?.abort(); view.index = null; },
  };
}

async function show(view, state) {
  const index = view.app.indexOf(state.index);
  document.title = "Map – VLSA";
  if (!index || view.index === index) return;
  view.ended?.abort();
  view.ended = new AbortController();
  Object.assign(view, { index, scores: null, by: "folder" });
  await load(view, view.ended.signal);
}

async function load(view, signal, again = false) {
  try {
    let state = await get(urls.map(view.index.name));
    if (state.status === "absent" || (again && state.status === "failed")) state = await post(urls.map(view.index.name), {});
    while (state.status === "running" && !signal.aborted) {
      drawWaiting(view, state);
      await new Promise(done => { setTimeout(done, AGAIN_MS); });
      state = await get(urls.map(view.index.name));
    }
    if (signal.aborted) return;
    if (state.status !== "ready") throw new Error(state.problem || "The map could not be made.");
    const points = readPoints(await getBytes(state.url_points || urls.map(view.index.name, "/points")));
    if (!signal.aborted) draw(view, state, points, signal);
  } catch (problem) {
    if (!signal.aborted) replace(view.node, empty("There is no map", problem.message, el("button", { type: "button", onclick: () => load(view, signal, true) }, "Try again")));
  }
}

function drawWaiting(view, { progress, doing }) {
  replace(view.node, empty("Making the map", "Every window becomes a point next to those that are like it. This is done once for an index.",
    el("progress", { max: "1", value: progress || null, "aria-label": "Progress of the map" }), doing ? el("small", {}, doing) : null));
}

function draw(view, state, points, signal) {
  view.side = el("aside", { class: "map-side", "aria-label": "Chosen moments", "aria-live": "polite" }, hint(points));
  view.legend = el("ul", { class: "legend", "aria-label": "Colours" });
  const canvas = plot(points, {
    signal,
    onpick: at => pick(view, points, [at]),
    onlasso: chosen => pick(view, points, chosen),
  });
  const colour = () => {
    const made = coloursOf(points, view.by, { folders: state.folders, scores: view.scores, isDark: isDark() });
    replace(view.legend, made.legend.map(([shade, label]) => el("li", {}, el("span", { style: { background: shade } }), label)));
    canvas.colour(made.colours, made.order);
  };
  addEventListener("themechange", colour, { signal });
  const options = [["folder", "Folder"], ["modality", "Kind"], ["cluster", "Cluster"]];
  const colours = choice("Colour by", options, view.by, by => { view.by = by; colour(); });
  replace(view.node,
    el("header", { class: "view-head" }, el("h1", {}, "Map"), el("small", {}, `${number(points.count)} windows`),
      el("span", { class: "gap" }), questionBox(view, colour, colours), colours, canvas.lassoButton,
      iconButton("fit", "Show everything", canvas.fit)),
    el("div", { class: "map-body" }, el("div", { class: "plot" }, canvas.node, view.legend), view.side));
  canvas.fit();
  colour();
}

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark"
  || (getComputedStyle(document.documentElement).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);

const hint = points => empty("Nothing chosen", `Click one of the ${number(points.count)} points to play it, or draw around some with the lasso.`);

/** Words that colour the points by how far they answer. */
function questionBox(view, colour, colours) {
  const words = el("input", { type: "search", maxlength: "500", placeholder: "Colour by a question", "aria-label": "Colour by the score of these words" });
  const ask = async event => {
    event.preventDefault();
    if (!words.value.trim()) return;
    try {
      const { parts, phrases } = toApi({ ...newQuestion(), words: words.value }, view.index);
      view.scores = new Float32Array(await postForBytes(urls.map(view.index.name, "/scores"), { question: { parts, ...(phrases ? { phrases } : {}) } }));
      view.by = "score";
      colours.querySelectorAll("button").forEach(one => one.setAttribute("aria-pressed", "false"));
      colour();
      say("Coloured by the question");
    } catch (problem) {
      toast(problem.message);
    }
  };
  return el("form", { class: "small-box", role: "search", onsubmit: ask }, icon("search"), words);
}

const pick = later(async (view, points, chosen) => {
  if (!chosen.length) return replace(view.side, hint(points));
  const listed = chosen.slice(0, MOST_LISTED);
  const asked = query(urls.map(view.index.name, "/windows"), { numbers: listed.map(at => points.window[at]).join(",") });
  try {
    const { moments } = await get(asked);
    const head = el("div", { class: "out-head" }, el("strong", {}, plural(chosen.length, "window")),
      exportMenu(() => ({ moments: moments.map(one => one.id) })));
    replace(view.side, head, chosen.length > listed.length ? el("p", { class: "fine" }, `The first ${listed.length} are listed, and exported.`) : null,
      el("div", { class: "grid", "data-grid": true }, moments.map(one => card(one, { index: view.index.name }))));
    if (chosen.length === 1) playFirst(view);
  } catch (problem) {
    toast(problem.message);
  }
}, 0);

async function playFirst(view) {
  const { playIn } = await import("./player.js");
  const frame = view.side.querySelector("a[data-card]");
  if (frame) playIn(frame, frame.moment);
}
