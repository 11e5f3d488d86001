// Colours of the map: a colour for each folder, modality or cluster, and a ramp for scores; both on light and on dark.

const PALETTE = ["#2a9d8f", "#e76f51", "#5b8def", "#e9a23b", "#9b5de5", "#d1495b", "#6a994e", "#3bb2d0", "#b07d62", "#8d99ae"];
const KINDS = [[3, "Picture and sound", "#2a9d8f"], [1, "Picture only", "#5b8def"], [2, "Sound only", "#e9a23b"]];

const packed = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const ofHex = hex => packed(...[1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)));
const PACKED = PALETTE.map(ofHex);

/** {colours: a number a point, legend: [[colour, label]]}. */
export function coloursOf(points, by, { folders = [], scores = null, isDark = false } = {}) {
  if (by === "score" && scores) return ofScores(points, scores, isDark);
  const number = { folder: points.folder, cluster: points.cluster, modality: points.modality }[by] ?? points.folder;
  if (by === "modality") {
    const known = new Map(KINDS.map(([bits, , hex]) => [bits, ofHex(hex)]));
    const colours = Uint32Array.from(number, bits => known.get(bits & 3) ?? ofHex("#8d99ae"));
    const there = new Set(Uint8Array.from(number, bits => bits & 3));
    return { colours, legend: KINDS.filter(([bits]) => there.has(bits)).map(([, label, hex]) => [hex, label]) };
  }
  const colours = Uint32Array.from(number, value => PACKED[value % PACKED.length]);
  const labels = by === "folder" ? folders.map(name => name || "(top)") : [...new Set(number)].sort((a, b) => a - b).map(one => `Cluster ${one + 1}`);
  return { colours, legend: labels.slice(0, PALETTE.length).map((label, at) => [PALETTE[at], label]) };
}

function ofScores(points, scores, isDark) {
  const sorted = Float32Array.from(scores).filter(Number.isFinite).sort();
  const [least, most] = [sorted[Math.floor(sorted.length * 0.5)] ?? 0, sorted.at(-1) ?? 1];
  const low = isDark ? [58, 62, 68] : [214, 214, 208];
  const high = isDark ? [94, 234, 212] : [15, 118, 110];
  const colours = Uint32Array.from(scores, score => {
    const share = Number.isFinite(score) ? Math.min(Math.max((score - least) / Math.max(most - least, 1e-9), 0), 1) ** 1.5 : 0;
    return packed(...low.map((from, at) => Math.round(from + share * (high[at] - from))));
  });
  const order = Uint32Array.from({ length: points.count }, (_, at) => at).sort((a, b) => scores[a] - scores[b]);
  const hex = rgb => `rgb(${rgb.join(" ")})`;
  return { colours, order, legend: [[hex(high), "most like the question"], [hex(low), "as any other"]] };
}
