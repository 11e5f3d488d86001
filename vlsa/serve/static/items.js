// The moments of a collection: each with its note; moved by dragging, or by its buttons.

import { patch, remove, urls } from "./api.js";
import { href } from "./address.js";
import { picture } from "./card.js";
import { el, icon, iconButton, say } from "./dom.js";
import { span } from "./format.js";
import { playIn, stopPlaying } from "./player.js";

export function itemsOf(collection, { attempt, again }) {
  const list = el("ol", { class: "items", "data-grid": true });
  const path = item => urls.collection(collection.id, "moments", String(item.item));
  const move = (item, position) => attempt(async () => {
    await patch(path(item), { position });
    say(`Moved to place ${position + 1}`);
    await again();
    document.querySelectorAll(".items > li")[position]?.querySelector(".handle")?.focus();
  });
  const drop = item => attempt(async () => { await remove(path(item)); await again(); });
  const note = (item, text) => attempt(() => patch(path(item), { note: text }));
  list.append(...collection.moments.map((item, at) => row(item, at, collection.moments.length, { move, drop, note })));
  dragging(list, collection.moments, move);
  return list;
}

function row(item, at, count, does) {
  const { moment } = item;
  const title = moment ? moment.name : item.last_path.split("/").at(-1);
  return el("li", { draggable: "true", "data-at": String(at) },
    frameOf(moment, title),
    el("div", { class: "item-text" },
      el("div", { class: "named" }, el("strong", {}, title),
        el("small", {}, moment ? [moment.folder, span(moment)].filter(Boolean).join(" · ") : "No longer in the index")),
      el("textarea", {
        rows: "1", maxlength: "5000", placeholder: "Add a note", "aria-label": `Note to ${title}`, value: item.note,
        onchange: event => does.note(item, event.target.value),
      })),
    el("div", { class: "item-moves" },
      iconButton("up", `Move ${title} up`, () => does.move(item, at - 1), { disabled: at === 0, class: "quiet round handle" }),
      iconButton("down", `Move ${title} down`, () => does.move(item, at + 1), { disabled: at === count - 1 }),
      iconButton("close", `Take ${title} out`, () => does.drop(item))));
}

function frameOf(moment, title) {
  if (!moment) return el("span", { class: "frame" }, el("span", { class: "no-picture" }, icon("warn")));
  const index = moment.id.split(":")[0];
  const link = el("a", { class: "frame", href: href({ view: "moment", index, id: moment.id }), "data-link": true, "data-card": true, "aria-label": `${title}, ${span(moment)}` }, picture(moment));
  link.moment = moment;
  link.addEventListener("pointerenter", event => { if (event.pointerType === "mouse") playIn(link, moment); });
  link.addEventListener("pointerleave", () => stopPlaying(link));
  return link;
}

function dragging(list, items, move) {
  let from = null;
  const clear = () => list.querySelectorAll(".target").forEach(one => one.classList.remove("target"));
  list.addEventListener("dragstart", event => {
    from = Number(event.target.closest("li").dataset.at);
    event.dataTransfer.setData("text/plain", String(from));
    event.dataTransfer.effectAllowed = "move";
  });
  list.addEventListener("dragover", event => {
    if (from === null) return;
    event.preventDefault();
    clear();
    event.target.closest("li")?.classList.add("target");
  });
  list.addEventListener("drop", event => {
    const to = event.target.closest("li");
    if (from === null || !to) return;
    event.preventDefault();
    if (Number(to.dataset.at) !== from) move(items[from], Number(to.dataset.at));
  });
  list.addEventListener("dragend", () => { from = null; clear(); });
}
