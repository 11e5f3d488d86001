// The moments that answer, and what is said about them: a grid, or file by file; nothing that stands out; an error.

import { card, fileGroup, skeleton } from "./card.js";
import { choice, el, empty, icon, iconButton, replace, say } from "./dom.js";
import { plural } from "./format.js";
import { isLoud, setLoud } from "./player.js";
import { exportMenu } from "./export.js";

export function waiting(out) {
  replace(out, el("div", { class: "grid", "data-grid": true }, Array.from({ length: 12 }, skeleton)));
}

export function showFailure(out, problem, again) {
  say(problem.message);
  replace(out, el("div", { class: "empty failed", role: "alert" },
    icon("warn"), el("h2", {}, problem.title ?? "That did not work"), el("p", {}, problem.message),
    problem.status && problem.status < 500 ? null : el("button", { type: "button", onclick: again }, "Try again")));
}

export function resultsOf(out, answer, context) {
  const { moments } = answer;
  if (!moments.length) return showNothing(out, answer, context);
  const verdict = answer.stands_out ? null : el("div", { class: "verdict" },
    el("strong", {}, "Nothing here stands out."),
    el("span", {}, " These are the least unlikely moments; none is further from typical than chance would bring it. Try other words, or an example."));
  replace(out, head(answer, context), context.force.length ? el("ul", { class: "tokens", "aria-label": "Filters in force" }, context.force) : null,
    notes(answer), verdict, body(answer, context), more(answer, context));
  const best = `${plural(moments.length, "moment")}. ${answer.stands_out ? "" : "Nothing here stands out."}`;
  return say(best);
}

function body(answer, { question, index }) {
  const options = { index, numWindows: answer.num_windows };
  const className = answer.stands_out ? "" : " faint";
  if (question.group !== "file") {
    return el("div", { class: `grid${className}`, "data-grid": true }, answer.moments.map((one, num) => card(one, { ...options, num })));
  }
  return el("div", { class: `groups${className}` }, byFile(answer.moments).map(moments => fileGroup(moments, options)));
}

/** The moments of each file, the file of the best one first. */
function byFile(moments) {
  const files = new Map();
  for (const one of moments) files.set(one.media_id, [...(files.get(one.media_id) ?? []), one]);
  return [...files.values()];
}

function head(answer, { question, change }) {
  const files = new Set(answer.moments.map(one => one.media_id)).size;
  const took = answer.took_ms === undefined ? "" : ` in ${timeTaken(answer.took_ms)}`;
  const searched = `${plural(answer.num_windows, "window")} searched${took}`;
  const sound = iconButton(isLoud() ? "loud" : "mute", isLoud() ? "Previews play with sound (m)" : "Previews are silent (m)", () => {
    setLoud(!isLoud());
    sound.replaceWith(head(answer, { question, change }).querySelector(".sound"));
  }, { class: "quiet round sound", "aria-pressed": String(isLoud()) });
  return el("div", { class: "out-head" },
    el("p", {}, el("strong", {}, plural(answer.moments.length, "moment")), el("small", {}, ` in ${plural(files, "file")} · ${searched}`)),
    el("div", { class: "row" }, sound, exportMenu(() => ({ moments: answer.moments.map(one => one.id) })),
      choice("Grouping", [["moment", "Moments"], ["file", "Files"]], question.group, group => change({ ...question, group }))));
}

const timeTaken = milliseconds =>
  (milliseconds < 1000 ? `${Math.max(Math.round(milliseconds), 1)}\u00a0ms` : `${(milliseconds / 1000).toFixed(1)}\u00a0s`);

function notes(answer) {
  return answer.notes?.length ? el("ul", { class: "notes" }, answer.notes.map(note => el("li", {}, note))) : null;
}

function more(answer, { question, grow }) {
  const asked = question.group === "file" ? new Set(answer.moments.map(one => one.media_id)).size : answer.moments.length;
  if (asked < question.k || question.k >= 480) return null;
  return el("div", { class: "more" }, el("button", { type: "button", onclick: () => grow({ ...question, k: question.k * 2 }) }, "Show more"));
}

function showNothing(out, answer, { question, change, force }) {
  const line = answer.question?.phrases?.length
    ? `The words in quotation marks occur in no moment${force.length ? " that passes these filters" : ""}.`
    : force.length ? "No moment passes these filters." : "No window of this index can be compared with that question.";
  const clear = force.length ? el("button", { type: "button", onclick: () => change({ ...question, filters: [] }) }, "Remove the filters") : null;
  say(line);
  replace(out, notes(answer), force.length ? el("ul", { class: "tokens", "aria-label": "Filters in force" }, force) : null, empty("Nothing found", line, clear));
}
