// One moment: a player that opens at it, its sound as waveform and spectrogram, its words, what is like it, its file.

import { get, urls } from "./api.js";
import { href } from "./address.js";
import { card } from "./card.js";
import { choice, el, empty, icon, iconButton, replace, toast } from "./dom.js";
import { bytes, clock, duration, recordedAt, span } from "./format.js";
import { newQuestion } from "./question.js";
import { saveMenu } from "./save.js";
import { strip } from "./strip.js";
import { transcript } from "./transcript.js";
import { watch } from "./watch.js";

export function momentView(app) {
  const view = { app, node: el("div", { class: "moment" }), shown: null };
  return {
    node: view.node,
    show: state => show(view, state),
    leave: () => stop(view),
  };
}

function stop(view) {
  view.ended?.abort();
  view.player?.stop?.();
  view.player = null;
  view.shown = null;
}

async function show(view, state) {
  if (view.shown === state.id) return;
  stop(view);
  view.shown = state.id;
  view.ended = new AbortController();
  const { signal } = view.ended;
  replace(view.node, el("div", { class: "stage skeleton" }));
  try {
    const found = await get(urls.moment(state.id), {}, { signal });
    if (!signal.aborted) await draw(view, found, signal);
  } catch (problem) {
    if (problem.name !== "AbortError") replace(view.node, back(view), empty("This moment cannot be shown", problem.message));
  }
}

async function draw(view, { moment, file, texts, neighbours }, signal) {
  document.title = `${moment.name} ${span(moment)} – VLSA`;
  const index = moment.id.split(":")[0];
  const stage = el("div", { class: moment.has_video ? "stage" : "stage sound-only" });
  const controls = el("div", { class: "row controls" });
  const under = el("div", {});
  const words = el("div", {});
  replace(view.node,
    el("div", { class: "moment-head" }, back(view),
      el("div", {}, el("h1", {}, moment.name), el("small", {}, [moment.folder, span(moment)].filter(Boolean).join(" · ")))),
    el("div", { class: "moment-body" },
      el("div", { class: "watching" }, stage, controls, under),
      el("div", { class: "beside" }, words, around(neighbours, index), facts(file, moment))),
    similar(view, moment, index));
  const player = await watch(stage, {
    mediaId: moment.media_id, hasVideo: moment.has_video, startSeconds: moment.start_seconds,
    poster: moment.has_video && moment.thumbnail ? urls.thumbnail(moment.thumbnail, 960) : null,
  });
  if (signal.aborted) return player.stop?.();
  view.player = player;
  if (!player.element) return replace(stage, el("p", { class: "no-play" }, icon("warn"), player.reason));
  replace(controls, buttons(view, moment, file, player));
  const duration_seconds = file.duration_seconds || moment.stop_seconds;
  const hits = view.app.found.filter(one => one.media_id === moment.media_id && one.id !== moment.id);
  replace(under, strip({ moment, hits, duration: duration_seconds, hasAudio: moment.has_audio, player, signal }));
  replace(words, transcript(texts ?? [], moment, file, player, signal));
  return player.element.play().catch(() => {});
}

function back(view) {
  return el("a", {
    class: "round quiet", href: href({ index: view.app.chosen() }), "aria-label": "Back", title: "Back (escape)",
    onclick: event => { if (history.length > 1) { event.preventDefault(); history.back(); } else { event.preventDefault(); view.app.go({ index: view.app.chosen() }); } },
  }, icon("back"));
}

function buttons(view, moment, file, player) {
  const loop = iconButton("loop", "Repeat the moment", () => loop.setAttribute("aria-pressed", String(loop.getAttribute("aria-pressed") !== "true")), { "aria-pressed": "false" });
  player.element.addEventListener("timeupdate", () => {
    if (loop.getAttribute("aria-pressed") === "true" && player.time() >= moment.stop_seconds) player.seek(moment.start_seconds);
  });
  const path = file.absolute_path || moment.path;
  return [
    el("button", { type: "button", class: "strong", onclick: () => { player.seek(moment.start_seconds); player.element.play().catch(() => {}); } }, icon("play"), "From the start of the moment"),
    loop,
    el("span", { class: "gap" }),
    copyButton("Copy path", path), copyButton("Copy time", `${clock(moment.start_seconds, true)}-${clock(moment.stop_seconds, true)}`),
    iconButton("link", "Copy the link to this moment", () => copy(location.href, "link")),
    saveMenu(moment),
    note(player),
  ];
}

/** Why what plays is not the file as it is; known at last when it plays. */
function note(player) {
  const node = el("small", { class: "note" }, player.note());
  player.element.addEventListener("loadedmetadata", () => { node.textContent = player.note(); });
  return node;
}

function copyButton(label, text) {
  return el("button", { type: "button", class: "quiet", title: text, onclick: () => copy(text, label.split(" ")[1]) }, icon("copy"), label);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied the ${what}`);
  } catch {
    toast(text);
  }
}

function around(neighbours, index) {
  const each = [["before", "Before"], ["after", "After"]].filter(([name]) => neighbours?.[name]);
  if (!each.length) return null;
  return el("section", { class: "panel" }, el("h2", {}, "Around it"), el("div", { class: "pair", "data-grid": true }, each.map(([name, label]) =>
    el("div", {}, el("small", {}, label), card(neighbours[name], { index })))));
}

function facts(file, moment) {
  const rows = [
    ["Path", file.path ?? moment.path], ["Length", duration(file.duration_seconds)],
    ["Recorded", file.recorded_at ? `${recordedAt(file.recorded_at)}${file.recorded_from === "file" ? " (time of the file)" : ""}` : ""],
    ["Picture", file.has_video ? [file.width_px && `${file.width_px} × ${file.height_px}`, file.frames_per_second && `${Number(file.frames_per_second.toFixed(2))} fps`, file.video_codec].filter(Boolean).join(", ") : "none"],
    ["Sound", file.has_audio ? [file.audio_codec, file.sample_rate_hz && `${file.sample_rate_hz / 1000} kHz`].filter(Boolean).join(", ") : "none"],
    ["Size", file.size_bytes ? bytes(file.size_bytes) : ""],
    ...Object.entries(file.columns ?? {}).map(([name, value]) => [name.replaceAll("_", " "), value]),
  ].filter(([, value]) => value);
  return el("section", { class: "panel" }, el("h2", {}, "File"),
    el("dl", { class: "facts" }, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])));
}

/** More like this by picture, by sound or by both; and a way to go on asking with it. */
function similar(view, moment, index) {
  const out = el("div", { class: "grid", "data-grid": true });
  const kinds = [["both", "Both"], ["video", "Picture"], ["audio", "Sound"]].filter(([name]) => name === "both" || (moment.has_video && moment.has_audio));
  const load = async by => {
    out.setAttribute("aria-busy", "true");
    try {
      const { moments } = await get("/api/similar", { moment: moment.id, by, k: 12 });
      replace(out, moments.length ? moments.map(one => card(one, { index })) : empty("Nothing like it", "No other window can be compared with this one."));
    } catch (problem) {
      replace(out, empty("That did not work", problem.message));
    }
    out.removeAttribute("aria-busy");
  };
  const first = moment.has_video && moment.has_audio ? "both" : moment.has_video ? "video" : "audio";
  load(first);
  const ask = () => {
    const part = { kind: "moment", weight: 1, value: moment.id, label: `${moment.name} ${span(moment)}` };
    if (!moment.has_audio || !moment.has_video) part.only = moment.has_video ? "video" : "audio";
    view.app.go({ view: "search", index, question: { ...newQuestion(), parts: [part] } });
  };
  return el("section", { class: "similar" },
    el("div", { class: "out-head" }, el("h2", {}, "More like this"),
      el("div", { class: "row" }, el("button", { type: "button", class: "quiet", onclick: ask }, icon("search"), "Search with it"),
        kinds.length > 1 ? choice("Alike by", kinds, first, load) : null)), out);
}
