// The parts of a question as chips: what each is, whether the answer should be like or unlike it, and how much.

import { urls } from "./api.js";
import { el, icon, iconButton } from "./dom.js";
import { previewOf } from "./examples.js";
import { stretchButton } from "./stretch.js";

const WHAT = { text: "words", audio: "sound", video: "picture", image: "picture", clip: "clip", moment: "moment" };
const ICONS = { text: "text", audio: "audio", video: "video", image: "video", clip: "play", moment: "play" };

/** All parts, the words of the box among them when there are others; `change` is given the new question. */
export function chipsOf(question, change) {
  const chips = question.parts.map((part, at) => {
    const set = changed => change({ ...question, parts: question.parts.map((one, k) => (k === at ? { ...one, ...changed } : one)) });
    const drop = () => change({ ...question, parts: question.parts.filter((_, k) => k !== at) });
    return chip(part, weight => set({ weight }), drop, value => set({ value }));
  });
  const alone = !question.parts.length && question.wordsWeight === 1;
  if (question.words && !alone) {
    chips.unshift(chip({ kind: "text", value: question.words, weight: question.wordsWeight },
      wordsWeight => change({ ...question, wordsWeight }), () => change({ ...question, words: "", wordsWeight: 1 })));
  }
  return chips;
}

function chip(part, reweigh, drop, restretch = null) {
  const label = part.label || part.value;
  const about = `${WHAT[part.kind]} ${label}`;
  const unlike = part.weight < 0;
  return el("li", { class: unlike ? "chip unlike" : "chip" },
    el("button", {
      type: "button", class: "sign", "aria-pressed": String(unlike), "aria-label": `Unlike ${about}`,
      title: unlike ? "The answer should be unlike this" : "The answer should be like this",
      onclick: () => reweigh(-part.weight),
    }, icon(unlike ? "minus" : "plus")),
    picture(part),
    el("span", { class: "what", title: label }, label),
    restretch && stretchButton(part, about, restretch),
    weightOf(part, about, reweigh),
    iconButton("close", `Remove ${about}`, drop));
}

function weightOf(part, about, reweigh) {
  const shown = el("output", {}, `×${Math.abs(part.weight)}`);
  const slider = el("input", {
    type: "range", min: "0.1", max: "2", step: "0.1", value: String(Math.abs(part.weight)), "aria-label": `Weight of ${about}`,
    oninput: () => { shown.textContent = `×${Number(slider.value)}`; },
    onchange: () => reweigh(Math.sign(part.weight) * Number(slider.value)),
  });
  return el("span", { class: "weight" }, slider, shown);
}

function picture(part) {
  const drawn = previewOf(part.value);
  if (drawn) return drawn;
  return part.thumbnail ? el("img", { src: urls.thumbnail(part.thumbnail, 160), alt: "", class: "preview" }) : icon(ICONS[part.kind]);
}

/** Adds words that the answer should be like, or unlike. */
export function addWords(question, change) {
  const input = el("input", { type: "text", maxlength: "500", "aria-label": "Words to add", placeholder: "music" });
  const add = sign => {
    const value = input.value.trim();
    if (value) change({ ...question, parts: [...question.parts, { kind: "text", weight: sign, value, label: value }] });
  };
  const form = el("form", { class: "add-words", onsubmit: event => { event.preventDefault(); add(-1); } },
    input,
    el("button", { type: "button", onclick: () => add(1) }, "More like"),
    el("button", { type: "submit" }, "Less like"));
  return el("details", { class: "menu" }, el("summary", {}, icon("plus"), "Add words"), form);
}

/** How much picture, sound and words count. */
export function mixOf(question, modalities, change) {
  const names = { video: "Picture", audio: "Sound", text: "Words" };
  return Object.keys(names).filter(name => modalities.includes(name)).map(name => {
    const value = question.mix[name];
    const shown = el("output", {}, value ? `×${value}` : "off");
    const slider = el("input", {
      type: "range", min: "0", max: "2", step: "0.1", value: String(value), class: "wide",
      oninput: () => { shown.textContent = Number(slider.value) ? `×${Number(slider.value)}` : "off"; },
      onchange: () => change({ ...question, mix: { ...question.mix, [name]: Number(slider.value) } }),
    });
    return el("label", { class: "slider" }, el("span", {}, icon(name), names[name]), slider, shown);
  });
}
