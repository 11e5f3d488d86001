// The stretch of an upload that is asked with, as `upload:HEX@START-STOP`: all of the file, or from one time to another.

import { el } from "./dom.js";
import { clock } from "./format.js";
import { popup } from "./popup.js";

const KINDS = ["audio", "video", "clip"];
const END_SECONDS = 36000; // behind the end of every upload: the server stops where the file does
const CLOCK = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)$/;
const UNITS = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:[.,]\d+)?)s)?$/;

/** Seconds of 75.5, 1:15.5, 0:01:15,5 or 1m15.5s, as the command reads them; null for what is no time. */
export function readTime(text) {
  const found = CLOCK.exec(text) ?? UNITS.exec(text);
  if (!found) return null;
  const [hours, minutes, seconds] = found.slice(1).map(one => (one === undefined ? null : Number(one.replace(",", "."))));
  if ((hours !== null && minutes >= 60) || ((hours !== null || minutes !== null) && seconds >= 60)) return null;
  return Number((3600 * hours + 60 * minutes + Number(seconds)).toFixed(3));
}

/** Start and stop of a part in seconds; null for all of the file. */
function stretchOf(part) {
  const found = /@([\d.]+)-([\d.]+)$/.exec(part.value);
  return found ? { start: Number(found[1]), stop: Number(found[2]) } : null;
}

/** As it can be typed again; empty for the end of the file. */
function timeOf(seconds) {
  const fraction = (seconds % 1).toFixed(3).slice(1).replace(/\.?0+$/, "");
  return seconds >= END_SECONDS ? "" : clock(Math.floor(seconds)) + fraction;
}

/** A button that says which stretch it is, and lets another be chosen; null for what has no times. */
export function stretchButton(part, about, change) {
  if (!KINDS.includes(part.kind) || !part.value.startsWith("upload:")) return null;
  const given = stretchOf(part);
  const shown = given ? `${timeOf(given.start)}–${timeOf(given.stop) || "end"}` : "all of it";
  const button = el("button", {
    type: "button", class: "plain stretch", "aria-haspopup": "dialog", "aria-label": `Stretch of ${about}: ${shown}`,
    title: "Ask with a stretch of the file", onclick: () => open(button, part, about, given, change),
  }, shown);
  return button;
}

function open(button, part, about, given, change) {
  const id = part.value.split("@")[0];
  const field = (label, value, otherwise) => el("input", {
    type: "text", inputmode: "decimal", maxlength: "16", "aria-label": `${label} of ${about}`, placeholder: otherwise, value,
    oninput: event => event.target.setCustomValidity(""),
  });
  const from = field("Start", given ? timeOf(given.start) : "", "0:00");
  const to = field("End", given ? timeOf(given.stop) : "", "end");
  const choose = event => {
    event.preventDefault();
    const start = timeIn(from, 0), stop = timeIn(to, END_SECONDS);
    if (start === null || stop === null) return;
    if (start >= stop) return refuse(to, "The end has to be after the start.");
    menu.hidePopover();
    change(start === 0 && stop === END_SECONDS ? id : `${id}@${start}-${stop}`);
  };
  const menu = popup(button, `Stretch of ${about}`,
    el("strong", {}, "Ask with a stretch of the file"),
    el("form", { class: "row", onsubmit: choose }, from, el("span", { "aria-hidden": "true" }, "–"), to, el("button", { type: "submit" }, "Set")),
    el("small", {}, "Seconds or m:ss; empty for the start or the end."));
  from.focus();
}

/** The time in a field, or what it is when empty; null, and a word at the field, for what is no time. */
function timeIn(input, otherwise) {
  const text = input.value.trim();
  const seconds = text ? readTime(text) : otherwise;
  return seconds === null ? refuse(input, "Write seconds or m:ss, such as 75.5 or 1:15.5.") : seconds;
}

function refuse(input, why) {
  input.setCustomValidity(why);
  input.reportValidity();
  return null;
}
