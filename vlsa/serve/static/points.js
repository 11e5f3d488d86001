// Points of the map on a canvas: drawn into its pixels, so that 100,000 move smoothly; found again by place.

const BYTES = 16;

/** The points as columns, from the bytes that the server sends (contract: N x 16 bytes, little-endian). */
export function readPoints(buffer) {
  const count = Math.floor(buffer.byteLength / BYTES);
  const view = new DataView(buffer);
  const points = {
    count, x: new Float32Array(count), y: new Float32Array(count), window: new Uint32Array(count),
    folder: new Uint16Array(count), modality: new Uint8Array(count), cluster: new Uint8Array(count),
  };
  for (let at = 0, byte = 0; at < count; at++, byte += BYTES) {
    points.x[at] = view.getFloat32(byte, true);
    points.y[at] = view.getFloat32(byte + 4, true);
    points.window[at] = view.getUint32(byte + 8, true);
    points.folder[at] = view.getUint16(byte + 12, true);
    points.modality[at] = view.getUint8(byte + 14);
    points.cluster[at] = view.getUint8(byte + 15);
  }
  return points;
}

/** The scale and shift that show all points in a box, with a margin. */
export function fitted(points, width, height) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < points.count; at++) {
    left = Math.min(left, points.x[at]);
    right = Math.max(right, points.x[at]);
    top = Math.min(top, points.y[at]);
    bottom = Math.max(bottom, points.y[at]);
  }
  const scale = 0.9 * Math.min(width / Math.max(right - left, 1e-6), height / Math.max(bottom - top, 1e-6));
  return { scale, x: width / 2 - (scale * (left + right)) / 2, y: height / 2 - (scale * (top + bottom)) / 2 };
}

/** Every point as a small disc of its colour (0xAABBGGRR); `order` null, or the order in which they are painted. */
export function paint(context, points, camera, colours, radius, order = null) {
  const { width, height } = context.canvas;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const offsets = disc(radius, width);
  const reach = Math.ceil(radius);
  for (let turn = 0; turn < points.count; turn++) {
    const at = order ? order[turn] : turn;
    const x = Math.round(points.x[at] * camera.scale + camera.x);
    const y = Math.round(points.y[at] * camera.scale + camera.y);
    if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
    const middle = y * width + x;
    const colour = colours[at];
    for (const offset of offsets) pixels[middle + offset] = colour;
  }
  context.putImageData(image, 0, 0);
}

function disc(radius, width) {
  if (radius < 1.5) return [0, 1, width, width + 1];
  const offsets = [];
  const reach = Math.ceil(radius);
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) if (x * x + y * y <= radius * (radius + 0.5)) offsets.push(y * width + x);
  }
  return offsets;
}

/** The nearest point within some pixels, or -1. */
export function nearest(points, camera, x, y, within) {
  let best = -1;
  let least = within * within;
  for (let at = 0; at < points.count; at++) {
    const across = points.x[at] * camera.scale + camera.x - x;
    const down = points.y[at] * camera.scale + camera.y - y;
    const distance = across * across + down * down;
    if (distance <= least) [best, least] = [at, distance];
  }
  return best;
}

/** The points inside a polygon of canvas pixels. */
export function inside(points, camera, polygon) {
  const found = [];
  const [xs, ys] = [polygon.map(one => one[0]), polygon.map(one => one[1])];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (let at = 0; at < points.count; at++) {
    const x = points.x[at] * camera.scale + camera.x;
    const y = points.y[at] * camera.scale + camera.y;
    if (x >= left && x <= right && y >= top && y <= bottom && isInside(x, y, xs, ys)) found.push(at);
  }
  return found;
}

function isInside(x, y, xs, ys) {
  let odd = false;
  for (let at = 0, before = xs.length - 1; at < xs.length; before = at++) {
    if (ys[at] > y !== ys[before] > y && x < ((xs[before] - xs[at]) * (y - ys[at])) / (ys[before] - ys[at]) + xs[at]) odd = !odd;
  }
  return odd;
}
