// What the page shows <-> its address. The whole question is in it: back, forward, bookmarks and links work.
//
//   ?index=NAME&q=words&p=KIND~WEIGHT~VALUE~LABEL~ONLY&mix=1,0.5,1&f=folder~yard&group=file      a search
//   ONLY, of a moment without picture or without sound, is what it has: audio or video
//   ?view=moment&id=...    ?view=collections&id=...    ?view=map&index=...    ?view=state

import { newQuestion } from "./question.js";

const FIELDS = ["video", "audio", "text"];

export function read(search = location.search) {
  const params = new URLSearchParams(search);
  const question = newQuestion();
  question.words = params.get("q") ?? "";
  question.wordsWeight = finite(params.get("qw"), 1);
  question.parts = params.getAll("p").map(readPart).filter(Boolean);
  question.filters = params.getAll("f").map(readFilter).filter(Boolean);
  question.group = params.get("group") === "file" ? "file" : "moment";
  question.k = Math.min(Math.max(Math.round(finite(params.get("k"), 24)), 1), 480);
  const mix = (params.get("mix") ?? "").split(",").map(Number);
  if (mix.length === 3 && mix.every(one => one >= 0)) FIELDS.forEach((name, at) => { question.mix[name] = mix[at]; });
  return { view: params.get("view") ?? "search", index: params.get("index") ?? "", id: params.get("id") ?? "", question };
}

export function href({ view = "search", index = "", id = "", question = null }) {
  const params = new URLSearchParams();
  if (view !== "search") params.set("view", view);
  if (index) params.set("index", index);
  if (id) params.set("id", id);
  if (question) writeQuestion(params, question);
  return params.size ? `/?${params}` : "/";
}

function writeQuestion(params, question) {
  if (question.words) params.set("q", question.words);
  if (question.wordsWeight !== 1) params.set("qw", question.wordsWeight);
  for (const part of question.parts) params.append("p", packed([part.kind, part.weight, part.value, part.label ?? "", part.only].filter(one => one !== undefined)));
  for (const filter of question.filters) params.append("f", packed([filter.column, ...filter.values]));
  if (question.group === "file") params.set("group", "file");
  if (question.k !== 24) params.set("k", question.k);
  if (FIELDS.some(name => question.mix[name] !== 1)) params.set("mix", FIELDS.map(name => question.mix[name]).join(","));
}

/** Texts as one, with ~ between them. */
const packed = texts => texts.map(one => String(one).replaceAll("%", "%25").replaceAll("~", "%7E")).join("~");
const unpacked = text => text.split("~").map(one => one.replaceAll("%7E", "~").replaceAll("%25", "%"));

function readPart(text) {
  const [kind, weight, value, label, only] = unpacked(text);
  if (!value || !["text", "audio", "video", "image", "clip", "moment"].includes(kind)) return null;
  const part = { kind, weight: finite(weight, 1) || 1, value, label: label ?? "" };
  return ["audio", "video"].includes(only) ? { ...part, only } : part;
}

function readFilter(text) {
  const [column, ...values] = unpacked(text);
  return column && values.length ? { column, values } : null;
}

function finite(text, otherwise) {
  const value = Number(text);
  return text !== null && text !== "" && Number.isFinite(value) ? value : otherwise;
}
