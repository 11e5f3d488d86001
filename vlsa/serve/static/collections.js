// Collections: moments that were kept, with notes, in order.

import { get, patch, post, remove, urls } from "./api.js";
import { href } from "./address.js";
import { el, empty, icon, iconButton, replace, toast } from "./dom.js";
import { exportMenu } from "./export.js";
import { dayAndTime, plural } from "./format.js";
import { itemsOf } from "./items.js";

export function collectionsView(app) {
  const view = { app, node: el("div", { class: "collections" }), list: el("nav", { class: "collection-list", "aria-label": "Collections" }), open: el("section", { class: "collection" }) };
  replace(view.node, el("header", { class: "view-head" }, el("h1", {}, "Collections"), newForm(view)), el("div", { class: "two" }, view.list, view.open));
  return { node: view.node, show: state => show(view, state.id) };
}

function newForm(view) {
  const name = el("input", { type: "text", maxlength: "200", placeholder: "Name", "aria-label": "Name of a new collection", required: true });
  return el("form", {
    class: "row",
    onsubmit: async event => {
      event.preventDefault();
      await attempt(async () => {
        const made = await post("/api/collections", { name: name.value.trim() });
        name.value = "";
        view.app.go({ view: "collections", id: made.id });
      });
    },
  }, name, el("button", { type: "submit" }, "New collection"));
}

/** Runs; what goes wrong is said. */
async function attempt(run) {
  try {
    return await run();
  } catch (problem) {
    toast(problem.message);
    return null;
  }
}

async function show(view, id) {
  document.title = "Collections – VLSA";
  view.id = id;
  try {
    const { collections } = await get("/api/collections");
    if (view.id !== id) return;
    replace(view.list, collections.map(one => line(one, one.id === id)));
    view.node.classList.toggle("one-open", Boolean(id));
    if (!collections.length) return replace(view.open, empty("Nothing kept yet", "Keep a moment with the bookmark at its card; it is kept here with your notes, in your order."));
    if (!id) return replace(view.open, empty("Choose a collection", null));
    draw(view, await get(urls.collection(id)));
  } catch (problem) {
    replace(view.open, empty("The collections cannot be read", problem.message, el("button", { type: "button", onclick: () => show(view, id) }, "Try again")));
  }
}

const line = (one, isOpen) => el("a", {
  href: href({ view: "collections", id: one.id }), "data-link": true, "aria-current": isOpen ? "true" : null,
}, el("strong", {}, one.name), el("small", {}, `${plural(one.num_moments, "moment")} · ${dayAndTime(one.updated_at)}`));

function draw(view, collection) {
  const name = el("input", {
    type: "text", class: "title", value: collection.name, maxlength: "200", "aria-label": "Name of the collection",
    onchange: () => attempt(async () => { await patch(urls.collection(collection.id), { name: name.value.trim() }); show(view, collection.id); }),
  });
  document.title = `${collection.name} – VLSA`;
  replace(view.open,
    el("header", { class: "out-head" },
      el("a", { class: "round quiet only-narrow", href: href({ view: "collections" }), "data-link": true, "aria-label": "All collections" }, icon("back")), name,
      el("div", { class: "row" }, collection.moments.length ? exportMenu(() => ({ collection: collection.id })) : null,
        iconButton("trash", "Delete this collection", () => drop(view, collection)))),
    collection.moments.length ? itemsOf(collection, { attempt, again: () => show(view, collection.id) })
      : empty("Empty", "Keep a moment with the bookmark at its card."));
}

async function drop(view, collection) {
  await attempt(async () => {
    await remove(urls.collection(collection.id));
    view.app.go({ view: "collections" });
    toast(`Deleted ${collection.name}`, {
      label: "Undo",
      run: () => attempt(async () => { await post(urls.collection(collection.id, "restore"), {}); view.app.go({ view: "collections", id: collection.id }); }),
    });
  });
}
