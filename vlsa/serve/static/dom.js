// Elements from plain values: text is always set as text, never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `on...` listeners and children; null, undefined and false children are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "style") Object.entries(value).forEach(([key, one]) => node.style.setProperty(key, one));
  else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
  else node.setAttribute(name, value === true ? "" : value);
}

/** An icon of the sprite in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon alone; its label is read out and shown as a hint. */
export function iconButton(name, label, onclick, extra = {}) {
  return el("button", { type: "button", class: "quiet round", "aria-label": label, title: label, onclick, ...extra }, icon(name));
}

export function replace(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/** Tells screen readers what happened. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** A line at the foot of the page, with at most one thing to do about it. */
export function toast(text, action = null) {
  const shown = el("div", { class: "toast" }, el("span", {}, text));
  const end = () => shown.remove();
  if (action) shown.append(el("button", { type: "button", class: "plain", onclick: () => { end(); action.run(); } }, action.label));
  document.getElementById("toasts").append(shown);
  setTimeout(end, action ? 10000 : 4000);
}

/** A group of buttons of which one is chosen. */
export function choice(label, options, chosen, onchoose) {
  const buttons = options.map(([value, text]) => el("button", {
    type: "button", "aria-pressed": String(value === chosen), "data-value": value,
    onclick: event => {
      buttons.forEach(one => one.setAttribute("aria-pressed", String(one === event.currentTarget)));
      onchoose(value);
    },
  }, text));
  return el("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

/** What is shown where there is nothing: a title, a line, and perhaps something to do. */
export function empty(title, line, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, title), line ? el("p", {}, line) : null, ...more);
}

export function later(run, milliseconds) {
  let waiting = 0;
  return (...given) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => run(...given), milliseconds);
  };
}
