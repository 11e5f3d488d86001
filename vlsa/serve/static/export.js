// The menu that downloads moments: as cut clips, a table, subtitles or an edit list.

import { download } from "./api.js";
import { el, icon, toast } from "./dom.js";

const FORMATS = [
  ["clips", "Cut clips", "a zip of new files, exact to the frame"],
  ["csv", "Table", "CSV, a row a moment"],
  ["srt", "Subtitles", "SRT at the times of the file"],
  ["edl", "Edit list", "CMX 3600 for editors"],
  ["otio", "OpenTimelineIO", "for editors"],
  ["jsonl", "JSON lines", "all fields"],
];

/** `what()` gives {moments: ids} or {collection: id}. */
export function exportMenu(what) {
  const menu = el("details", { class: "menu right" }, el("summary", {}, icon("down"), "Export"),
    el("div", { class: "sheet choices" }, FORMATS.map(([format, name, about]) => el("button", {
      type: "button", class: "plain", "data-format": format, onclick: () => run(menu, format, what),
    }, el("span", {}, name), el("small", {}, about)))));
  return menu;
}

async function run(menu, format, what) {
  menu.open = false;
  menu.classList.add("busy");
  if (format === "clips") toast("Cutting; the download starts when it is done.");
  try {
    await download("/api/export", { format, exact: true, ...what() });
  } catch (problem) {
    toast(problem.message);
  }
  menu.classList.remove("busy");
}
