// Times, sizes, dates and scores as people read them.

/** 75.4 -> "1:15"; with `exact`, "1:15.4". */
export function clock(seconds, exact = false) {
  const whole = exact ? Math.round(seconds * 10) / 10 : Math.floor(seconds + 1e-6);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = exact ? (whole % 60).toFixed(1).padStart(4, "0") : String(Math.floor(whole % 60)).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function span(moment) {
  const short = moment.stop_seconds - moment.start_seconds < 1;
  return `${clock(moment.start_seconds, short)}–${clock(moment.stop_seconds, short)}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Number((seconds / 3600).toFixed(1))} h`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = count, unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${Number(size.toPrecision(3))} ${units[unit]}`;
}

export const number = value => Number(value).toLocaleString("en");

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** Days of recordings are those of UTC, as filters count them. */
export const day = text => (text ? new Date(text).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" }) : "");

export const recordedAt = text =>
  text ? `${new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })} UTC` : "";

export const dayAndTime = text =>
  text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "";

const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language" });

/** "en-us" -> "American English"; a code that is none stays as it is. */
export function languageName(code) {
  try {
    return LANGUAGES.of(code);
  } catch {
    return code;
  }
}

/** The stand-out that the best of so many windows reaches by chance (docs/search.md). */
export function chanceLevel(numWindows) {
  const root = Math.sqrt(2 * Math.log(Math.max(numWindows, 3)));
  return Math.max(root - (Math.log(Math.log(Math.max(numWindows, 3))) + Math.log(4 * Math.PI)) / (2 * root), 1);
}

/** A stand-out in words: what chance reaches in an index of this size is the measure. */
export function standOutWords(standOut, numWindows) {
  const chance = chanceLevel(numWindows);
  if (standOut >= chance + 1.5) return "stands out clearly";
  if (standOut >= chance) return "stands out";
  if (standOut >= 0.6 * chance) return "may be chance";
  return "like any other";
}

const MODALITIES = { video: "picture", audio: "sound", text: "words, by meaning", words: "words that occur" };

export function reason(why) {
  const place = why.rank === 1 ? "first" : `number ${number(why.rank)}`;
  return `By ${MODALITIES[why.modality] ?? why.modality} alone this is ${place}`;
}
