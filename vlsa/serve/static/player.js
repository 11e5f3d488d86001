// Playing a moment in its card: muted at first, in a loop, one at a time; and what plays a file in this browser.

import { get } from "./api.js";

const CODECS = [
  'video/mp4; codecs="avc1.64001f, mp4a.40.2"', 'video/mp4; codecs="hvc1.1.6.L93.B0"', 'video/mp4; codecs="av01.0.05M.08"',
  'video/webm; codecs="vp8, vorbis"', 'video/webm; codecs="vp9, opus"', 'video/ogg; codecs="theora"', "video/x-matroska",
  "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4", "audio/aac",
];

const known = new Map();

/** What this browser says that it plays. */
function playable() {
  const probe = document.createElement("video");
  return CODECS.filter(type => probe.canPlayType(type) !== "");
}

/** {url, how: direct | transcoded | none, reason} of a file; asked once, and again when playing it `failed`. */
export async function playbackOf(media, failed = false) {
  if (failed || !known.has(media)) {
    const asked = { can: playable(), failed: failed || null };
    known.set(media, get(`/api/playback/${encodeURIComponent(media)}`, asked).catch(problem => {
      known.delete(media);
      return { how: "none", reason: problem.message };
    }));
  }
  return known.get(media);
}

/** The address that plays from a time on, and the time at which its own clock then starts. */
export function sourceAt(playback, seconds) {
  if (playback.how !== "transcoded") return { src: playback.url, offset: 0 };
  const start = Math.max(seconds, 0);
  return { src: `${playback.url}${playback.url.includes("?") ? "&" : "?"}start=${start.toFixed(3)}`, offset: start };
}

let playing = null;
let loud = remembered();

function remembered() {
  try {
    return localStorage.getItem("vlsa.loud") === "yes";
  } catch {
    return false;
  }
}

export const isLoud = () => loud;

export function setLoud(value) {
  loud = value;
  try {
    localStorage.setItem("vlsa.loud", value ? "yes" : "no");
  } catch { /* not remembered where storage is switched off */ }
  if (playing) playing.video.muted = !value;
}

export const isPlaying = frame => playing?.frame === frame;

/** Plays a moment inside an element until `stopPlaying`. */
export async function playIn(frame, moment, aloud = loud) {
  stopPlaying();
  const video = document.createElement("video");
  const mine = { frame, video };
  playing = mine;
  const playback = await playbackOf(moment.media_id);
  if (playing !== mine || playback.how === "none") return;
  const { src, offset } = sourceAt(playback, moment.start_seconds);
  const [start, stop] = [moment.start_seconds - offset, moment.stop_seconds - offset];
  Object.assign(video, { muted: !aloud, playsInline: true, src, tabIndex: -1 });
  video.setAttribute("aria-hidden", "true");
  video.addEventListener("loadedmetadata", () => { video.currentTime = start; });
  video.addEventListener("timeupdate", () => {
    frame.style.setProperty("--played", Math.min(Math.max((video.currentTime - start) / (stop - start), 0), 1));
    if (video.currentTime >= stop) video.currentTime = start;
  });
  video.addEventListener("playing", () => frame.classList.add("playing"), { once: true });
  frame.append(video);
  await video.play().catch(() => { if (playing === mine) refused(mine, aloud); });
}

/** Sound may need a click first: then it plays without. */
function refused(mine, aloud) {
  if (!aloud) return;
  mine.video.muted = true;
  mine.video.play().catch(() => stopPlaying());
}

export function stopPlaying(frame = null) {
  if (!playing || (frame && playing.frame !== frame)) return;
  const { frame: of, video } = playing;
  playing = null;
  video.pause();
  video.removeAttribute("src");
  video.load();
  video.remove();
  of.classList.remove("playing");
}
