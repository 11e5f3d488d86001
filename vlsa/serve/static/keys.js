// The keyboard: / to the box, arrows through the cards, space plays, enter opens, escape stops or goes back, m for sound.

import { isLoud, isPlaying, playIn, setLoud, stopPlaying } from "./player.js";

const typing = target => target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");

export function listenForKeys(app) {
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const card = event.target.closest?.("a[data-card]");
    if (event.key === "Escape") return escape(app, event);
    if (typing(event.target)) return event.key === "ArrowDown" && event.target.type === "search" ? first(event) : undefined;
    if (event.key === "/") return toBox(app, event);
    if (event.key === "m" && app.view === "search") return turnLoud(app);
    if (card && event.key === " ") return turn(card, event);
    if (event.key.startsWith("Arrow") && (card || event.target === document.body)) return move(card, event);
  });
}

function toBox(app, event) {
  event.preventDefault();
  if (app.view === "search") return app.views.search.focusBox(); // at once: the next letter is for the box
  app.go({ view: "search", index: app.chosen() });
  setTimeout(() => app.views.search?.focusBox());
}

function turnLoud(app) {
  setLoud(!isLoud());
  app.views.search?.turnLoud();
}

function turn(card, event) {
  event.preventDefault();
  if (isPlaying(card)) stopPlaying(card);
  else playIn(card, card.moment);
}

function escape(app, event) {
  if (document.querySelector("[popover]:popover-open")) return;
  const menu = event.target.closest?.("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (document.querySelector("a[data-card].playing")) {
    stopPlaying();
  } else if (app.view === "moment") {
    history.back();
  } else if (app.view === "search" && event.target.type !== "search") {
    app.views.search.focusBox();
  }
}

const cards = () => [...document.querySelectorAll("main a[data-card]")];

function first(event) {
  const [card] = cards();
  if (card) {
    event.preventDefault();
    card.focus();
  }
}

/** To the nearest card in the direction of an arrow. */
function move(card, event) {
  const all = cards();
  if (!all.length || (!card && !["ArrowDown", "ArrowRight"].includes(event.key))) return;
  event.preventDefault();
  const next = card ? neighbour(card, all, event.key) : all[0];
  if (!next) return;
  stopPlaying();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function neighbour(card, all, key) {
  const at = all.indexOf(card);
  if (key === "ArrowRight") return all[at + 1];
  if (key === "ArrowLeft") return all[at - 1];
  const from = card.getBoundingClientRect();
  const down = key === "ArrowDown";
  let best = null;
  let least = Infinity;
  for (const other of all) {
    const to = other.getBoundingClientRect();
    const below = down ? to.top - from.bottom : from.top - to.bottom;
    const distance = below * 4 + Math.abs(to.left - from.left);
    if (below > -1 && distance < least) [best, least] = [other, distance];
  }
  return best;
}
