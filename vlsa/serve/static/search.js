// The view that searches: the box, the chips, the sliders and filters, and the moments that answer.

import { post } from "./api.js";
import { addWords, chipsOf, mixOf } from "./chips.js";
import { el, empty, icon, later, replace } from "./dom.js";
import { fileButton, microphoneButton, takeDrops } from "./examples.js";
import { filtersOf, inForce } from "./filters.js";
import { isAsked, newQuestion, targetsOf, toApi } from "./question.js";
import { resultsOf, showFailure, waiting } from "./results.js";
import { front } from "./front.js";

const answers = new Map();
const MOST_ANSWERS = 20;
const KEPT_MS = 60000; // the index may be written meanwhile

/** Builds the view once; `show(state)` brings it to a question of the address. */
export function searchView(app) {
  const view = { app, question: newQuestion(), index: null, running: null };
  view.node = layout(view);
  takeDrops(part => change(view, { ...view.question, parts: [...view.question.parts, part] }), busy => busyWith(view, busy),
    () => app.view === "search");
  return { node: view.node, show: state => show(view, state), focusBox: () => { view.box.focus(); view.box.select(); }, turnLoud: () => view.refresh?.() };
}

function layout(view) {
  const add = part => change(view, { ...view.question, parts: [...view.question.parts, part] });
  const busy = flag => busyWith(view, flag);
  view.box = el("input", {
    type: "search", id: "words", name: "q", autocomplete: "off", spellcheck: "false", maxlength: "1000", enterkeyhint: "search",
    placeholder: "What are you looking for?", "aria-label": "Words to search for",
    onsearch: () => { if (!view.box.value && view.question.words) change(view, { ...view.question, words: "" }); },
  });
  const form = el("form", { class: "box", role: "search", onsubmit: event => { event.preventDefault(); submit(view); } },
    icon("search"), view.box, el("kbd", { "aria-hidden": "true" }, "/"),
    fileButton(add, busy), microphoneButton(add, busy),
    el("button", { type: "submit", class: "strong" }, "Search"));
  view.chips = el("ul", { class: "chips", "aria-label": "Parts of the question" });
  view.tools = el("div", { class: "tools" });
  view.side = el("aside", { class: "side", id: "filters", "aria-label": "Filters" });
  view.out = el("section", { class: "out", "aria-label": "Results" });
  view.ask = el("div", { class: "ask" }, el("h1", {}, "Find a moment"), form, el("div", { class: "chip-row" }, view.chips, view.tools));
  return el("div", { class: "search" }, view.ask, el("div", { class: "found-area" }, view.side, view.out));
}

function submit(view) {
  change(view, { ...view.question, words: view.box.value.trim(), k: 24 });
}

function busyWith(view, busy) {
  view.node.classList.toggle("uploading", busy);
}

/** A new question: its address is where it is kept, so that back and forward lead through all of them. */
function change(view, question, { replaces = false } = {}) {
  view.app.go({ view: "search", index: view.index?.name, question }, replaces);
}

function show(view, state) {
  const index = view.app.indexOf(state.index);
  const changed = index !== view.index;
  Object.assign(view, { question: state.question, index });
  view.box.value = state.question.words;
  const asked = isAsked(state.question) && index;
  view.node.classList.toggle("asked", Boolean(asked));
  document.title = asked ? `${state.question.words || "Search"} – VLSA` : "VLSA";
  drawQuestion(view);
  if (!index) return replace(view.out, empty("No index is open", "Start the server with one: vlsa serve INDEX"));
  if (!asked) return showFront(view, changed);
  drawFilters(view, null);
  return run(view, state);
}

function showFront(view, changed) {
  view.running?.abort();
  replace(view.side);
  if (changed || !view.out.querySelector(".front")) replace(view.out, front(view.index));
}

function drawQuestion(view) {
  const { question } = view;
  const asked = isAsked(question);
  const set = next => change(view, next);
  replace(view.chips, chipsOf(question, set));
  const modalities = view.index ? targetsOf(view.index) : [];
  const mixed = Object.values(question.mix).some(one => one !== 1);
  const balance = el("details", { class: "menu", open: view.balanceOpen },
    el("summary", { class: mixed ? "on" : "" }, icon("filter"), "Balance"),
    el("div", { class: "sheet" }, el("p", {}, "How much each counts"), mixOf(question, modalities, set),
      mixed ? el("button", { type: "button", class: "plain", onclick: () => set({ ...question, mix: { video: 1, audio: 1, text: 1 } }) }, "Reset") : null));
  balance.addEventListener("toggle", () => { view.balanceOpen = balance.open; });
  replace(view.tools, asked ? [addWords(question, set), modalities.length > 1 ? balance : null] : null);
}

function drawFilters(view, counts) {
  const filters = filtersOf(view.question, view.index, counts, next => change(view, next)).filter(Boolean);
  const wasOpen = view.side.querySelector("details.all")?.open ?? matchMedia("(min-width: 62rem)").matches;
  const force = inForce(view.question, next => change(view, next));
  replace(view.side, filters.length
    ? el("details", { class: "all", open: wasOpen },
      el("summary", {}, icon("filter"), "Filters", force.length ? el("small", { class: "badge" }, String(force.length)) : null), filters)
    : null);
}

async function run(view, state) {
  view.running?.abort();
  const running = new AbortController();
  view.running = running;
  const body = { index: view.index.name, question: toApi(state.question, view.index) };
  const key = JSON.stringify(body);
  const draw = answer => drawAnswer(view, answer);
  const known = answers.get(key);
  if (known && Date.now() - known.at < KEPT_MS) return draw(known.answer);
  const showWaiting = later(() => { if (view.running === running) waiting(view.out); }, 120);
  showWaiting();
  view.out.setAttribute("aria-busy", "true");
  try {
    const answer = await post("/api/search", body, { signal: running.signal });
    answers.set(key, { answer, at: Date.now() });
    if (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value);
    if (view.running === running) draw(answer);
  } catch (problem) {
    if (problem.name !== "AbortError" && view.running === running) showFailure(view.out, problem, () => run(view, state));
  } finally {
    if (view.running === running) {
      view.running = null;
      view.out.removeAttribute("aria-busy");
    }
  }
}

function drawAnswer(view, answer) {
  view.running = null;
  view.out.removeAttribute("aria-busy");
  view.app.found = answer.moments;
  view.refresh = () => drawAnswer(view, answer);
  drawFilters(view, answer.facets);
  resultsOf(view.out, answer, {
    question: view.question, index: view.index.name, force: inForce(view.question, next => change(view, next)),
    change: next => change(view, next), grow: next => change(view, next, { replaces: true }),
  });
}

