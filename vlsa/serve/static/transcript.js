// The words of a file with their times: a click seeks, and the words of now are marked.

import { heard } from "./card.js";
import { el } from "./dom.js";
import { clock } from "./format.js";

export function transcript(texts, moment, file, player, signal) {
  if (!texts.length) return null;
  const rows = texts.map(text => el("li", { class: overlaps(text, moment) ? "hit" : "" },
    el("button", { type: "button", onclick: () => { player.seek(text.start_seconds); player.element.play().catch(() => {}); } },
      el("time", {}, clock(text.start_seconds)), el("span", { lang: text.language || null }, text.text))));
  const list = el("ol", { class: "words", tabindex: "0", "aria-label": "Words of the file" }, rows);
  player.element.addEventListener("timeupdate", () => mark(rows, texts, player.time()), { signal });
  const first = rows.find(row => row.classList.contains("hit"));
  requestAnimationFrame(() => { if (first) list.scrollTop = first.offsetTop - list.offsetTop; });
  return el("section", { class: "panel" }, el("h2", {}, "Words", heard(file.text_from)), list);
}

const overlaps = (text, moment) => text.start_seconds < moment.stop_seconds && text.stop_seconds > moment.start_seconds;

function mark(rows, texts, now) {
  texts.forEach((text, at) => {
    const is = now >= text.start_seconds && now < text.stop_seconds;
    rows[at].classList.toggle("now", is);
    if (is) rows[at].setAttribute("aria-current", "true");
    else rows[at].removeAttribute("aria-current");
  });
}
