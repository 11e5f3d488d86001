// The page: views, their addresses, the index that is asked, light and dark.

import { get } from "./api.js";
import { href, read } from "./address.js";
import { el, empty, later, replace } from "./dom.js";
import { listenForKeys } from "./keys.js";
import { stopPlaying } from "./player.js";
import { searchView } from "./search.js";

const main = document.getElementById("main");
const LAZY = {
  moment: () => import("./moment.js").then(module => module.momentView),
  collections: () => import("./collections.js").then(module => module.collectionsView),
  map: () => import("./map.js").then(module => module.mapView),
  state: () => import("./state.js").then(module => module.stateView),
};

const app = {
  view: "search",
  indexes: [],
  views: {},
  /** The moments of the last answer. */
  found: [],
  indexOf: name => app.indexes.find(one => one.name === name) ?? app.indexes[0] ?? null,
  /** To another address of the page. */
  go(state, replaces = false) {
    const address = href(state);
    if (replaces || address === location.pathname + location.search) history.replaceState(history.state, "", address);
    else history.pushState({}, "", address);
    show({ top: !replaces });
  },
  followed(event) {
    const link = event.target.closest?.("a[data-link], a[data-go]");
    const otherwise = event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!link || otherwise) return;
    event.preventDefault();
    if ("card" in link.dataset) app.opened = link.moment.id;
    if (link.dataset.go) app.go({ view: link.dataset.go, index: app.chosen() });
    else app.go(read(new URL(link.href).search));
  },
  chosen: () => (app.indexes.length > 1 ? document.getElementById("index").value : ""),
};

async function viewOf(name) {
  if (!app.views[name]) {
    const make = name in LAZY ? await LAZY[name]() : searchView;
    app.views[name] = make(app);
  }
  return app.views[name];
}

async function show({ top = false, scroll = null } = {}) {
  stopPlaying();
  const state = read();
  const name = state.view in LAZY ? state.view : "search";
  const view = await viewOf(name);
  const came = app.view !== name || !main.firstChild;
  if (came) app.views[app.view]?.leave?.();
  app.view = name;
  document.body.dataset.view = name;
  mark(name, state);
  if (came) replace(main, view.node);
  if (top && came) scrollTo(0, 0);
  if (came && name !== "search") main.focus({ preventScroll: true });
  await view.show(state);
  if (app.view !== name) return;
  if (scroll !== null) scrollTo(0, scroll);
  if (came && name === "search" && app.opened) refocus();
}

/** Back from a moment the keyboard is where it was. */
function refocus() {
  const cards = [...main.querySelectorAll("a[data-card]")];
  cards.find(one => one.moment.id === app.opened)?.focus({ preventScroll: true });
  app.opened = null;
}

function mark(name, state) {
  for (const link of document.querySelectorAll("nav.views a")) {
    if (link.dataset.go === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "collections" || name === "state") return;
  const index = app.indexOf(name === "moment" ? state.id.split(":")[0] : state.index);
  if (index) document.getElementById("index").value = index.name;
}

function chooseIndex() {
  const select = document.getElementById("index");
  replace(select, app.indexes.map(one => el("option", { value: one.name }, one.title || one.name)));
  document.getElementById("index-pick").hidden = app.indexes.length < 2;
  select.addEventListener("change", () => {
    const state = read();
    const stays = ["search", "map"].includes(state.view);
    app.go({ ...(stays ? state : { view: "search" }), index: select.value, question: stays ? { ...state.question, filters: [] } : null });
  });
}

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("vlsa.theme", next);
  } catch { /* not remembered where storage is switched off */ }
  dispatchEvent(new Event("themechange"));
}

async function start() {
  document.addEventListener("click", app.followed);
  document.getElementById("theme").addEventListener("click", switchTheme);
  listenForKeys(app);
  history.scrollRestoration = "manual";
  addEventListener("scroll", later(() => history.replaceState({ scroll: scrollY }, ""), 150), { passive: true });
  addEventListener("popstate", event => show({ scroll: event.state?.scroll ?? 0 }));
  try {
    app.indexes = (await get("/api/indexes")).indexes;
    chooseIndex();
    await show({ scroll: history.state?.scroll ?? null });
  } catch (problem) {
    replace(main, empty("The archive cannot be opened", problem.message,
      el("button", { type: "button", onclick: () => location.reload() }, "Try again")));
  }
}

start();
