// A moment as a card: its picture, which plays when pointed at; file and time; why it was found; how far it stands out.

import { get, urls } from "./api.js";
import { href } from "./address.js";
import { el, icon } from "./dom.js";
import { chanceLevel, clock, reason, span, standOutWords } from "./format.js";
import { playIn, stopPlaying } from "./player.js";
import { saveMenu } from "./save.js";

const HOVER_MS = 150;
const MOST_REASONS = 3;
const LOW_RANK = 20;

/** An article; `index` is where it lies, `numWindows` what it was found among (null: not found by a question). */
export function card(moment, { index, numWindows = null, num = 0 } = {}) {
  const link = el("a", {
    class: "frame", href: href({ view: "moment", index, id: moment.id }), "data-link": true, "data-card": true,
    "aria-label": `${moment.name}, ${span(moment)}${moment.rank ? `, number ${moment.rank}` : ""}`,
  }, picture(moment, num), el("span", { class: "time" }, span(moment)), where(moment), el("span", { class: "played", "aria-hidden": "true" }));
  playsOnHover(link, moment);
  link.moment = moment;
  return el("article", { class: "card" },
    link,
    el("div", { class: "about" },
      el("div", { class: "named" },
        el("strong", { title: moment.path }, moment.name), el("small", { title: moment.folder }, moment.folder)),
      saveMenu(moment)),
    numWindows ? found(moment, numWindows) : null,
    moment.texts?.length ? el("p", { class: "said", title: moment.texts.join(" · ") }, heard(moment.text_from), moment.texts.join(" · ")) : null,
    moment.num_folded ? el("small", { class: "folded" }, `and ${moment.num_folded} near-duplicates`) : null);
}

/** A mark on words that no person has written. */
export const heard = from => from === "transcript"
  ? el("em", { class: "heard", title: "Heard by a model for speech: words may be wrong" }, "heard") : null;

/** What a moment shows, or of sound alone its waveform. */
export function picture(moment, num = 99) {
  if (!moment.has_video) return soundPicture(moment);
  const image = el("img", {
    alt: "", decoding: "async", loading: num < 12 ? "eager" : "lazy", src: urls.thumbnail(moment.thumbnail),
    onload: () => shaped(image),
    onerror: () => image.replaceWith(el("span", { class: "no-picture" }, icon("video"))),
  });
  return image;
}

/** Small pictures keep their pixels, and a grid of square ones is of squares. */
function shaped(image) {
  image.classList.toggle("small-source", image.naturalWidth <= 160);
  const grid = image.closest("[data-grid]");
  if (!grid || grid.dataset.shaped) return;
  grid.dataset.shaped = image.naturalWidth <= 160 ? "small" : "yes";
  const ratio = Math.min(Math.max(image.naturalWidth / image.naturalHeight, 1), 16 / 9);
  grid.style.setProperty("--ratio", ratio.toFixed(3));
}

function soundPicture(moment) {
  const canvas = el("canvas", { width: 320, height: 180, "aria-hidden": "true" });
  get(urls.waveform(moment.media_id), { start: moment.start_seconds, stop: moment.stop_seconds, points: 80 })
    .then(({ peaks }) => drawBars(canvas, peaks)).catch(() => drawBars(canvas, []));
  return [el("span", { class: "no-picture" }, icon("audio")), canvas];
}

function drawBars(canvas, peaks) {
  if (!peaks.length) return;
  canvas.previousElementSibling?.remove();
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).color;
  peaks.forEach(([low, high], at) => {
    const tall = Math.max((high - low) * 70, 2);
    context.fillRect(at * 4 + 1, 90 - tall / 2, 2, tall);
  });
}

/** A line at the foot of the picture: where in its file the moment lies. */
function where(moment) {
  if (!moment.duration_seconds) return null;
  const [start, stop] = [moment.start_seconds, moment.stop_seconds].map(seconds => (100 * seconds) / moment.duration_seconds);
  if (stop - start > 98) return null;
  return el("span", { class: "where", "aria-hidden": "true" },
    el("span", { style: { left: `${start}%`, width: `${Math.max(stop - start, 1.5)}%` } }));
}

function found(moment, numWindows) {
  const reasons = [...(moment.why ?? [])].sort((a, b) => a.rank - b.rank).filter((why, at) => !at || why.rank <= LOW_RANK).slice(0, MOST_REASONS);
  return el("div", { class: "found" },
    meter(moment, numWindows),
    el("ul", { class: "why", "aria-label": "Why it was found" }, reasons.map(why => el("li", {
      class: why.rank <= 3 ? "top" : "", title: reason(why),
    }, icon(why.modality === "words" ? "text" : why.modality), el("span", { class: "hidden" }, reason(why)),
    el("span", { "aria-hidden": "true" }, why.rank > 999 ? "999+" : why.rank)))));
}

/** A bar that is full at three times what chance reaches; the mark is chance. */
function meter({ stand_out: standOut, why }, numWindows) {
  const chance = chanceLevel(numWindows);
  const occur = why?.some(one => one.modality === "words") && standOut < chance;
  const words = occur ? "the words occur" : standOutWords(standOut, numWindows);
  const share = Math.min(Math.max(standOut / (3 * chance), 0.02), 1);
  return el("div", {
    class: standOut >= chance ? "meter above" : "meter",
    title: `Stand-out ${standOut.toFixed(1)}; the best of ${numWindows.toLocaleString("en")} windows reaches ${chance.toFixed(1)} by chance`,
  }, el("span", { class: "track", "aria-hidden": "true" },
    el("span", { style: { width: `${100 * share}%` } }), el("i", { style: { left: `${100 / 3}%` } })),
  el("small", {}, words));
}

function playsOnHover(frame, moment) {
  let waiting = 0;
  frame.addEventListener("pointerenter", event => {
    if (event.pointerType === "mouse") waiting = setTimeout(() => playIn(frame, moment), HOVER_MS);
  });
  frame.addEventListener("pointerleave", () => {
    clearTimeout(waiting);
    stopPlaying(frame);
  });
}

/** A grey card while the answer is on its way. */
export const skeleton = () => el("div", { class: "card skeleton", "aria-hidden": "true" },
  el("div", { class: "frame" }), el("div", { class: "line" }), el("div", { class: "line short" }));

/** A file in which several moments answer: all of them on its time line, then their cards. */
export function fileGroup(moments, options) {
  const [first] = moments;
  const length = Math.max(first.duration_seconds ?? 0, ...moments.map(one => one.stop_seconds));
  const hits = moments.map(one => el("a", {
    href: href({ view: "moment", index: options.index, id: one.id }), "data-link": true, title: span(one), "aria-label": `Moment at ${span(one)}`,
    style: { left: `${(100 * one.start_seconds) / length}%`, width: `${Math.max((100 * (one.stop_seconds - one.start_seconds)) / length, 0.8)}%` },
  }));
  return el("section", { class: "file-group", "aria-label": first.name },
    el("header", {},
      el("h3", {}, first.name), el("small", {}, [first.folder, clock(length)].filter(Boolean).join(" · ")),
      el("small", { class: "count" }, moments.length === 1 ? "1 moment" : `${moments.length} moments`)),
    el("div", { class: "timeline" }, hits, el("span", { class: "edge" }, clock(0)), el("span", { class: "edge end" }, clock(length))),
    el("div", { class: "grid", "data-grid": true }, moments.map(one => card(one, options))));
}

