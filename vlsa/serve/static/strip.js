// The strip below the player: waveform over spectrogram, the moment and its hits marked, the time of now; a click seeks.

import { get, urls } from "./api.js";
import { choice, el } from "./dom.js";
import { clock } from "./format.js";

const WHOLE_SECONDS = 120;
const AROUND_SECONDS = 30;
const POINTS = 600;

export function strip({ moment, hits, duration, hasAudio, player, signal }) {
  const whole = { start: 0, stop: duration };
  const near = { start: Math.max(moment.start_seconds - AROUND_SECONDS, 0), stop: Math.min(moment.stop_seconds + AROUND_SECONDS, duration) };
  const view = { shown: duration > WHOLE_SECONDS ? near : whole, moment, hits, duration, hasAudio, player };
  const head = el("span", { class: "playhead", "aria-hidden": "true" });
  view.marks = el("div", { class: "marks", "aria-hidden": "true" });
  view.wave = el("canvas", { width: 1200, height: 96, "aria-hidden": "true" });
  view.spectrogram = el("img", { alt: "Spectrogram of the sound", class: "spectrogram" });
  view.edges = el("div", { class: "edges", "aria-hidden": "true" });
  view.slider = slider(view, hasAudio ? [view.wave, view.spectrogram] : [], head);
  const follow = () => placeHead(view, head);
  player.element.addEventListener("timeupdate", follow, { signal });
  player.element.addEventListener("seeked", follow, { signal });
  smooth(view, follow, signal);
  addEventListener("themechange", () => drawWave(view), { signal });
  const change = name => { view.shown = name === "whole" ? whole : near; draw(view); follow(); };
  draw(view);
  follow();
  return el("div", { class: hasAudio ? "strip" : "strip silent" }, view.slider, view.edges,
    duration > WHOLE_SECONDS ? choice("Stretch", [["near", "Around the moment"], ["whole", "Whole file"]], "near", change) : null,
    hasAudio ? null : el("small", {}, "This file has no sound."));
}

function slider(view, layers, head) {
  const node = el("div", {
    class: "scrub", role: "slider", tabindex: "0", "aria-label": "Time in the file", "aria-valuemin": "0", "aria-valuemax": view.duration.toFixed(1),
  }, layers, view.marks, head);
  const to = event => {
    const box = node.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    view.player.seek(view.shown.start + share * (view.shown.stop - view.shown.start));
  };
  node.addEventListener("pointerdown", event => { node.setPointerCapture(event.pointerId); to(event); });
  node.addEventListener("pointermove", event => { if (node.hasPointerCapture(event.pointerId)) to(event); });
  node.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (!step) return;
    event.preventDefault();
    view.player.seek(Math.min(Math.max(view.player.time() + step, 0), view.duration));
  });
  return node;
}

/** The line of now moves with the frames while the player plays. */
function smooth(view, follow, signal) {
  const step = () => {
    if (signal.aborted || view.player.element.paused) return;
    follow();
    requestAnimationFrame(step);
  };
  view.player.element.addEventListener("play", () => requestAnimationFrame(step), { signal });
}

const share = (view, seconds) => (seconds - view.shown.start) / (view.shown.stop - view.shown.start);

function placeHead(view, head) {
  const now = view.player.time();
  const at = share(view, now);
  head.hidden = at < 0 || at > 1;
  head.style.left = `${100 * at}%`;
  view.slider.setAttribute("aria-valuenow", now.toFixed(1));
  view.slider.setAttribute("aria-valuetext", clock(now));
}

function draw(view) {
  const { start, stop } = view.shown;
  const best = [view.moment.best_start_seconds, view.moment.best_stop_seconds];
  const stretch = (from, to, name) => el("span", { class: name, style: { left: `${100 * share(view, from)}%`, width: `${100 * (share(view, to) - share(view, from))}%` } });
  const others = view.hits.map(one => stretch(one.start_seconds, one.stop_seconds, "hit"));
  view.marks.replaceChildren(...others, stretch(view.moment.start_seconds, view.moment.stop_seconds, "whole-moment"), stretch(...best, "best"));
  view.edges.replaceChildren(el("span", {}, clock(start)), el("span", {}, clock((start + stop) / 2)), el("span", {}, clock(stop)));
  if (!view.hasAudio) return;
  view.spectrogram.src = urls.spectrogram(view.moment.media_id, start.toFixed(3), stop.toFixed(3), 1200, 160);
  view.peaks = [];
  get(urls.waveform(view.moment.media_id), { start: start.toFixed(3), stop: stop.toFixed(3), points: POINTS })
    .then(({ peaks }) => { view.peaks = peaks; drawWave(view); }).catch(() => { view.wave.hidden = true; });
}

function drawWave(view) {
  const { width, height } = view.wave;
  const context = view.wave.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(view.wave).color;
  const step = width / Math.max(view.peaks.length, 1);
  const loudest = Math.max(...view.peaks.map(([low, high]) => Math.max(-low, high)), 0.05);
  view.peaks.forEach(([low, high], at) => {
    const [top, bottom] = [high, low].map(one => height / 2 - (one / loudest) * (height / 2 - 3));
    context.fillRect(at * step, Math.min(top, height / 2 - 0.5), Math.max(step - 0.6, 0.8), Math.max(bottom - top, 1));
  });
}
