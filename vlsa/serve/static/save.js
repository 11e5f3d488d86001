// The button of a moment that keeps it in a collection.

import { get, post, remove, urls } from "./api.js";
import { el, iconButton, icon, toast } from "./dom.js";
import { popup } from "./popup.js";

export function saveMenu(moment) {
  const button = iconButton("keep", `Keep ${moment.name} in a collection`, () => open(button, moment), { class: "quiet round keep", "aria-haspopup": "true" });
  return button;
}

async function open(button, moment) {
  const list = el("div", { class: "choices" }, el("small", {}, "Loading …"));
  const name = el("input", { type: "text", maxlength: "200", placeholder: "New collection", "aria-label": "Name of a new collection" });
  const menu = popup(button, "Keep in a collection", el("strong", {}, "Keep in"), list,
    el("form", { class: "row", onsubmit: event => { event.preventDefault(); create(name.value.trim(), moment, button, menu); } },
      name, el("button", { type: "submit" }, "Create")));
  try {
    const { collections } = await get("/api/collections");
    list.replaceChildren(...collections.map(one => el("button", {
      type: "button", class: "plain", onclick: () => keep(one, moment, button, menu),
    }, icon("keep"), el("span", {}, one.name), el("small", {}, String(one.num_moments)))));
    if (!collections.length) list.replaceChildren(el("small", {}, "No collection yet: name the first one."));
    (list.querySelector("button") ?? name).focus();
  } catch (problem) {
    list.replaceChildren(el("small", { class: "bad" }, problem.message));
  }
  menu.place();
}

async function create(name, moment, button, menu) {
  if (!name) return;
  try {
    await keep(await post("/api/collections", { name }), moment, button, menu);
  } catch (problem) {
    toast(problem.message);
  }
}

async function keep(collection, moment, button, menu) {
  menu.hidePopover();
  try {
    const { moments } = await post(urls.collection(collection.id, "moments"), { moment: moment.id, note: "" });
    button.replaceChildren(icon("kept"));
    toast(`Kept in ${collection.name}`, { label: "Undo", run: () => undo(collection, moments.at(-1), button) });
  } catch (problem) {
    toast(problem.message);
  }
}

async function undo(collection, item, button) {
  await remove(urls.collection(collection.id, "moments", String(item.item))).catch(problem => toast(problem.message));
  button.replaceChildren(icon("keep"));
}
