// The server's answers as plain objects; an error is a Problem with the one line that the server gave.

export class Problem extends Error {
  constructor(title, detail, status) {
    super(detail || title);
    Object.assign(this, { title, detail, status });
  }
}

const offline = () => new Problem("The server does not answer", "Check that vlsa serve is still running, then try again.", 0);

async function sent(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw offline();
  }
  if (answer.ok) return answer;
  if (answer.status === 401) location.assign("/login");
  const problem = await answer.json().catch(() => ({}));
  const detail = typeof problem.detail === "string" ? plain(problem.detail) : "";
  throw new Problem(titleOf(answer.status), detail, answer.status);
}

const TITLES = { 404: "Not there", 413: "Too large", 429: "Too much at once", 503: "Busy", 507: "The disk of the server is full" };

function titleOf(status) {
  return TITLES[status] ?? (status >= 500 ? "The server failed" : "That cannot be asked");
}

/** The server's line without the name of the command that it is from. */
function plain(detail) {
  const line = detail.replace(/^(search|where|similar): /, "");
  return line === detail ? line : line.charAt(0).toUpperCase() + line.slice(1);
}

export function query(path, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const each = given.flatMap(([name, value]) => [value].flat().map(one => [name, String(one)]));
  const text = new URLSearchParams(each).toString();
  return text ? `${path}?${text}` : path;
}

const json = (method, body) => ({
  method, headers: { "content-type": "application/json" }, body: JSON.stringify(body),
});

export const get = async (path, params, options) => (await sent(query(path, params), options)).json();
export const getBytes = async (path, options) => (await sent(path, options)).arrayBuffer();
export const post = async (path, body, options) => (await sent(path, { ...json("POST", body), ...options })).json();
export const postForBytes = async (path, body) => (await sent(path, json("POST", body))).arrayBuffer();
export const patch = async (path, body) => (await sent(path, json("PATCH", body))).json();
export const remove = path => sent(path, { method: "DELETE" });

/** Downloads the answer under the name that the server gives it. */
export async function download(path, body) {
  const answer = await sent(path, json("POST", body));
  const named = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("content-disposition") ?? "");
  const address = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: named ? decodeURIComponent(named[1]) : "moments" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

export async function upload(file, name = file.name) {
  const form = new FormData();
  form.append("file", file, name || "recording.webm");
  return (await sent("/api/uploads", { method: "POST", body: form })).json();
}

const id = encodeURIComponent;
export const urls = {
  thumbnail: (thumbnail, width = 480) => query(`/api/thumbnails/${id(thumbnail)}`, { width }),
  media: media => `/media/${id(media)}`,
  spectrogram: (media, start, stop, width, height) => query(`/api/spectrograms/${id(media)}`, { start, stop, width, height }),
  waveform: media => `/api/waveforms/${id(media)}`,
  moment: moment => `/api/moments/${id(moment)}`,
  collection: (collection, ...rest) => ["/api/collections", id(collection), ...rest.map(id)].join("/"),
  map: (index, part = "") => `/api/map/${id(index)}${part}`,
};
