// Filters of an index: its folders and columns, with how many files each value has.

import { el, icon } from "./dom.js";
import { day, languageName, number } from "./format.js";
import { valuesOf, withFilter } from "./question.js";

const NAMES = {
  folder: "Folder", duration: "Duration", recorded: "Recorded", has_audio: "Has sound", has_video: "Has picture",
  has_text: "Has words", language: "Language", width: "Width", height: "Height", fps: "Frames a second", size: "Size",
  video_codec: "Video codec", audio_codec: "Audio codec", modified: "Changed",
};
const FIRST = ["duration", "recorded", "has_audio", "has_text", "has_video", "language"];
const NEVER = ["path", "name", "folder", "file.path", "file.name", "file.folder"];
const LAST = ["size", "width", "height", "fps", "modified", "video_codec", "audio_codec"];
const MOST_VALUES = 8;

export const titleOf = column => NAMES[column] ?? capital(column.replace(/^(metadata|file)\./, "").replaceAll("_", " "));
const capital = text => text.charAt(0).toUpperCase() + text.slice(1);

/** The panel of filters; `facets` of the answer are the files that pass all of them, by column. */
export function filtersOf(question, info, facets, change) {
  const counts = column => (valuesOf(question, column).length ? undefined : countsOf(facets, column));
  const columns = (info.columns ?? []).filter(column => !NEVER.includes(column.name));
  const place = column => (FIRST.includes(column.name) ? FIRST.indexOf(column.name) : 50);
  const main = columns.filter(column => !LAST.includes(column.name)).sort((a, b) => place(a) - place(b));
  const rest = columns.filter(column => LAST.includes(column.name));
  const made = column => filterOf(question, column, counts(column.name), facets?.num_files, change);
  const folders = info.folders?.length > 1 ? folderFilter(question, info.folders, facets, change) : null;
  const more = rest.map(made).filter(Boolean);
  return [folders, ...main.map(made), more.length ? el("details", { class: "fold" }, el("summary", {}, icon("next"), "More filters"), more) : null];
}

/** Of the files that pass: counts of the values of a column, or how many have what it asks for. */
function countsOf(facets, column) {
  const fact = column.replace(/^file\./, "");
  return facets?.columns?.[column] ?? (fact === "language" ? facets?.languages : fact.startsWith("has_") ? facets?.[fact] : undefined);
}

function filterOf(question, column, counts, numFiles, change) {
  const shown = { ...column, values: withCounts(column.values, counts) };
  if (column.kind === "boolean") return booleanFilter(question, column, counts, numFiles, change);
  if (column.kind === "text") return shown.values.length > 1 ? valueFilter(question, column.name, shown.values, change, textOf(column.name)) : null;
  return column.least === column.most ? null : rangeFilter(question, column, change);
}

/** Values with the number of files among the answers where it is known, else in the index. */
function withCounts(values = [], counts) {
  if (!Array.isArray(counts)) return values;
  const known = new Map(counts.map(one => [String(one.value ?? one.name), one.count]));
  return values.map(one => ({ ...one, count: known.get(String(one.value)) ?? 0 }));
}

function group(title, ...content) {
  return el("fieldset", { class: "filter" }, el("legend", {}, title), content);
}

function folderFilter(question, folders, facets, change) {
  const values = withCounts(folders.map(folder => ({ value: folder.name, count: folder.count })), valuesOf(question, "folder").length ? undefined : facets?.folders);
  return valueFilter(question, "folder", values, change, textOf("folder"));
}

/** How the values of a column are called. */
function textOf(column) {
  if (/^(file\.)?language$/.test(column)) return languageName;
  return column === "folder" ? value => value || "(top)" : String;
}

function valueFilter(question, column, values, change, text) {
  const chosen = valuesOf(question, column);
  const line = ({ value, count }) => el("label", { class: "tick" },
    el("input", {
      type: "checkbox", checked: chosen.includes(String(value)),
      onchange: event => change(withFilter(question, column,
        event.target.checked ? [...chosen, String(value)] : chosen.filter(one => one !== String(value)))),
    }),
    el("span", {}, text(value)), el("small", {}, number(count)));
  const [first, rest] = [values.slice(0, MOST_VALUES), values.slice(MOST_VALUES)];
  const more = rest.length
    ? el("details", { open: rest.some(one => chosen.includes(String(one.value))) }, el("summary", {}, `${rest.length} more`), rest.map(line))
    : null;
  return group(titleOf(column), first.map(line), more);
}

function booleanFilter(question, column, passing, numFiles, change) {
  const count = passing ?? column.values.find(one => isTrue(one.value))?.count ?? 0;
  const total = passing === undefined ? column.values.reduce((sum, one) => sum + one.count, 0) : numFiles;
  if (column.values.length < 2 && !valuesOf(question, column.name).length) return null;
  const chosen = valuesOf(question, column.name)[0] ?? "";
  const select = el("select", { onchange: event => change(withFilter(question, column.name, [event.target.value])) },
    el("option", { value: "" }, "Any"),
    el("option", { value: "yes" }, `Yes (${number(count)})`), el("option", { value: "no" }, `No (${number(total - count)})`));
  select.value = chosen;
  return el("label", { class: "filter line" }, el("span", {}, titleOf(column.name)), select);
}

const isTrue = value => value === true || value === "true" || value === 1;

function rangeFilter(question, column, change) {
  const [least = "", most = ""] = valuesOf(question, column.name);
  const isDate = column.kind === "date";
  const hint = value => (value === null || value === undefined ? "" : isDate ? String(value).slice(0, 10) : shortened(column.name, value));
  const field = (value, label, placeholder) => el("input", {
    type: isDate ? "date" : "number", step: "any", value, placeholder, "aria-label": `${titleOf(column.name)} ${label}`,
    min: isDate ? hint(column.least) : undefined, max: isDate ? hint(column.most) : undefined,
    onchange: () => change(withFilter(question, column.name, [from.value, to.value])),
  });
  const from = field(least, "from", hint(column.least));
  const to = field(most, "to", hint(column.most));
  return group(unit(column.name), el("div", { class: "range" }, from, el("span", { "aria-hidden": "true" }, "–"), to));
}

const shortened = (name, value) => (name === "duration" ? Number(value).toFixed(0) : String(Number(Number(value).toPrecision(4))));
const unit = name => ({ duration: "Duration, seconds", size: "Size, bytes", width: "Width, pixels", height: "Height, pixels" })[name] ?? titleOf(name);

/** Filters in force, each with a button that takes it away. */
export function inForce(question, change) {
  return question.filters.map(({ column, values }) => el("li", { class: "token" },
    el("span", {}, `${titleOf(column)}: ${described(column, values)}`),
    el("button", {
      type: "button", class: "quiet", "aria-label": `Remove the filter ${titleOf(column)}`,
      onclick: () => change(withFilter(question, column, [])),
    }, icon("close"))));
}

function described(column, values) {
  if (column === "duration") return [values[0] && `from ${values[0]} s`, values[1] && `to ${values[1]} s`].filter(Boolean).join(" ");
  if (values.some(value => /^\d{4}-\d\d-\d\d$/.test(value))) {
    return [values[0] && `from ${day(values[0])}`, values[1] && `to ${day(values[1])}`].filter(Boolean).join(" ");
  }
  if (values.length === 2 && values.every(value => value === "" || Number.isFinite(Number(value)))) return values.join("–");
  return values.map(textOf(column)).join(", ");
}
