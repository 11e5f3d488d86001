// What the search view shows before a question: what can be asked, and some files of the archive.

import { get } from "./api.js";
import { href } from "./address.js";
import { picture } from "./card.js";
import { el, icon } from "./dom.js";
import { duration, plural } from "./format.js";

export function front(info) {
  const shelf = el("ul", { class: "shelf", "data-grid": true, "aria-label": "Files of this archive" });
  const node = el("div", { class: "front" }, ways(info),
    el("div", { class: "shelf-head" }, el("h2", {}, info.title || info.name),
      el("small", {}, [plural(info.num_files, "file"), duration(info.hours * 3600), plural(info.num_windows, "window")].join(" · "))),
    shelf);
  get("/api/files", { index: info.name, limit: 12 }).then(({ files }) => shelf.replaceChildren(...files.map(file => tile(file, info))))
    .catch(problem => shelf.replaceChildren(el("li", {}, el("small", {}, problem.message))));
  return node;
}

function ways(info) {
  const can = info.can_ask ?? {};
  const all = [
    ["text", "Words", "“a green star”. What stands in quotation marks has to be said."],
    ["audio", "A sound", "Drop a recording, or use the microphone: what sounds like it is found."],
    ["video", "A picture or clip", "Drop a frame or a clip: what looks like it is found."],
  ].filter(([name]) => !(name in can) || can[name].length);
  return el("ul", { class: "ways" }, all.map(([name, title, line]) => el("li", {}, icon(name), el("strong", {}, title), el("span", {}, line))));
}

function tile(file, info) {
  const length = file.duration_seconds ?? 0;
  const id = `${file.media_id}:0-${Math.round(Math.min(length, 10) * 1000)}`;
  const image = picture({ ...file, start_seconds: 0, stop_seconds: length });
  const name = file.path.split("/").at(-1);
  return el("li", {}, el("a", { href: href({ view: "moment", index: info.name, id }), "data-link": true, "aria-label": `${name}, ${duration(length)}` },
    el("span", { class: "frame" }, image, el("span", { class: "time" }, duration(length))),
    el("span", { class: "name" }, name)));
}
