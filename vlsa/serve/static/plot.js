// The canvas of the map: drag moves, the wheel or two fingers zoom, a click picks, the lasso chooses.

import { el, icon } from "./dom.js";
import { fitted, inside, nearest, paint } from "./points.js";

const PICK_PX = 8;
const CLICK_PX = 5;

export function plot(points, { signal, onpick, onlasso }) {
  const canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": `Map of ${points.count} windows. Arrows move it, plus and minus zoom.` });
  const line = el("canvas", { class: "lasso", "aria-hidden": "true" });
  const node = el("div", { class: "canvases" }, canvas, line);
  const view = { points, canvas, line, camera: { scale: 1, x: 0, y: 0 }, colours: new Uint32Array(points.count), order: null, lasso: false, onpick, onlasso, due: false };
  const lassoButton = el("button", {
    type: "button", "aria-pressed": "false", onclick: () => setLasso(view, !view.lasso),
  }, icon("lasso"), "Lasso");
  Object.assign(view, { lassoButton, node, fit: () => fit(view) });
  listen(view, signal);
  return {
    node, lassoButton, fit: view.fit,
    colour(colours, order = null) {
      Object.assign(view, { colours, order });
      redraw(view);
    },
  };
}

function setLasso(view, on) {
  view.lasso = on;
  view.lassoButton.setAttribute("aria-pressed", String(on));
  view.node.classList.toggle("choosing", on);
}

function sized(view) {
  const box = view.node.getBoundingClientRect();
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [Math.max(Math.round(box.width * ratio), 1), Math.max(Math.round(box.height * ratio), 1)];
  for (const one of [view.canvas, view.line]) Object.assign(one, { width, height });
  view.ratio = ratio;
  view.box = box;
}

function fit(view) {
  sized(view);
  view.camera = fitted(view.points, view.canvas.width, view.canvas.height);
  view.fittedScale = view.camera.scale;
  redraw(view);
}

function redraw(view) {
  drawPath(view, []);
  if (view.due) return;
  view.due = true;
  requestAnimationFrame(() => {
    view.due = false;
    const zoom = view.camera.scale / (view.fittedScale || 1);
    const base = view.points.count > 20000 ? 1 : view.points.count > 2000 ? 2 : 4;
    paint(view.canvas.getContext("2d"), view.points, view.camera, view.colours, Math.min(base * view.ratio * Math.sqrt(Math.max(zoom, 0.7)), 8 * view.ratio), view.order);
  });
}

const place = (view, event) => {
  const box = view.canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * view.ratio, (event.clientY - box.top) * view.ratio];
};

function listen(view, signal) {
  const pointers = new Map();
  const { node } = view;
  let path = [];
  let moved = 0;
  node.addEventListener("pointerdown", event => {
    node.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(view, event));
    moved = 0;
    path = [place(view, event)];
  });
  node.addEventListener("pointermove", event => {
    if (!pointers.has(event.pointerId)) return;
    const [before, now] = [pointers.get(event.pointerId), place(view, event)];
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (view.lasso && pointers.size === 1) {
      path.push(...event.getCoalescedEvents().map(one => place(view, one)), now);
      drawPath(view, path);
    } else if (pointers.size === 2) {
      pinch(view, pointers, event.pointerId, now);
    } else {
      view.camera.x += now[0] - before[0];
      view.camera.y += now[1] - before[1];
      redraw(view);
    }
    pointers.set(event.pointerId, now);
  });
  const end = event => {
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointercancel") return drawPath(view, []);
    if (moved < CLICK_PX * view.ratio) {
      const at = nearest(view.points, view.camera, ...path[0], PICK_PX * view.ratio);
      if (at >= 0) view.onpick(at);
    } else if (view.lasso && path.length > 2) {
      view.onlasso(inside(view.points, view.camera, path));
      setLasso(view, false);
    }
  };
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
  node.addEventListener("wheel", event => { event.preventDefault(); zoom(view, place(view, event), Math.exp(-event.deltaY * 0.0015)); }, { passive: false });
  view.canvas.addEventListener("keydown", event => keys(view, event));
  const resized = new ResizeObserver(() => fit(view));
  resized.observe(node);
  signal.addEventListener("abort", () => resized.disconnect());
}

function pinch(view, pointers, moving, now) {
  const [other] = [...pointers].filter(([id]) => id !== moving).map(([, at]) => at);
  const before = pointers.get(moving);
  const factor = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(Math.hypot(before[0] - other[0], before[1] - other[1]), 1);
  zoom(view, other, factor);
}

function zoom(view, [x, y], factor) {
  const { camera } = view;
  const scale = Math.min(Math.max(camera.scale * factor, view.fittedScale * 0.5), view.fittedScale * 200);
  const share = scale / camera.scale;
  Object.assign(camera, { scale, x: x - (x - camera.x) * share, y: y - (y - camera.y) * share });
  redraw(view);
}

function keys(view, event) {
  const step = 60 * view.ratio;
  const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  const zooms = { "+": 1.3, "=": 1.3, "-": 1 / 1.3 };
  const middle = [view.canvas.width / 2, view.canvas.height / 2];
  if (moves[event.key]) {
    view.camera.x += moves[event.key][0];
    view.camera.y += moves[event.key][1];
    redraw(view);
  } else if (zooms[event.key]) zoom(view, middle, zooms[event.key]);
  else if (event.key === "0") fit(view);
  else if (event.key === "Enter") {
    const at = nearest(view.points, view.camera, ...middle, Infinity);
    if (at >= 0) view.onpick(at);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

function drawPath(view, path) {
  const context = view.line.getContext("2d");
  context.clearRect(0, 0, view.line.width, view.line.height);
  if (path.length < 2) return;
  const colour = getComputedStyle(view.line).color;
  context.beginPath();
  path.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  Object.assign(context, { strokeStyle: colour, lineWidth: 1.5 * view.ratio, fillStyle: colour });
  context.stroke();
  context.globalAlpha = 0.12;
  context.fill();
  context.globalAlpha = 1;
}
