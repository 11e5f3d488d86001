// A small sheet beside a button: it goes when something else is pressed, and gives the keyboard back to the button.

import { el } from "./dom.js";

const WIDTH_PX = 280;

/** Shows the sheet; `place` on it puts it beside the button again after it has grown. */
export function popup(button, label, ...children) {
  const menu = el("div", { class: "popup", popover: "auto", role: "dialog", "aria-label": label }, ...children);
  document.body.append(menu);
  menu.addEventListener("toggle", event => { if (event.newState === "closed") { menu.remove(); button.focus(); } });
  menu.showPopover();
  menu.place = () => place(menu, button);
  menu.place();
  return menu;
}

function place(menu, button) {
  const at = button.getBoundingClientRect();
  const width = Math.min(WIDTH_PX, innerWidth - 24);
  menu.style.width = `${width}px`;
  menu.style.left = `${Math.min(Math.max(at.right - width, 12), innerWidth - width - 12)}px`;
  const below = at.bottom + 6;
  menu.style.top = `${below + menu.offsetHeight > innerHeight - 12 ? Math.max(at.top - menu.offsetHeight - 6, 12) : below}px`;
}
