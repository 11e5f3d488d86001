// A player that keeps the clock of the file, also where the server transcodes it from some time on.

import { playbackOf, sourceAt } from "./player.js";

const SETTLED_MS = 400;
const AGAIN_MS = 1500;
const MOST_TRIES = 8;

/** Fills `holder` with a video or audio element of a file, ready at a time. Resolves to {element, note, time, stop, seek}. */
export async function watch(holder, { mediaId, hasVideo, startSeconds, poster }) {
  let playback = await playbackOf(mediaId);
  if (playback.how === "none") return { reason: playback.reason || "This browser cannot play the file." };
  const element = document.createElement(hasVideo ? "video" : "audio");
  Object.assign(element, { controls: true, playsInline: true, preload: "auto" });
  if (poster) element.poster = poster;
  let offset = 0;
  let wanted = startSeconds;
  let waiting = 0;
  let plays = true;
  let tries = 0;
  const load = seconds => {
    const source = sourceAt(playback, seconds);
    [offset, wanted] = [source.offset, seconds];
    element.src = source.src;
  };
  /** Ends a conversion, so that the server has room for the next one. */
  const letGo = () => {
    clearTimeout(waiting);
    element.removeAttribute("src");
    element.load();
  };
  element.addEventListener("loadedmetadata", () => { element.currentTime = wanted - offset; });
  element.addEventListener("error", async () => {
    if (playback.how !== "direct") return again();
    playback = await playbackOf(mediaId, true);
    if (playback.how === "transcoded") load(element.currentTime + offset || startSeconds);
  });
  /** The server may be at work for others, or still for what was let go. */
  const again = () => {
    if (!element.hasAttribute("src") || tries++ >= MOST_TRIES) return;
    plays ||= !element.paused;
    waiting = setTimeout(() => { waiting = 0; load(wanted); if (plays) element.play().catch(() => {}); }, AGAIN_MS);
  };
  element.addEventListener("playing", () => { tries = 0; });
  load(startSeconds);
  holder.append(element);
  return {
    element,
    note: () => (playback.how === "transcoded" ? playback.reason : ""),
    time: () => (element.readyState ? element.currentTime + offset : wanted),
    stop() {
      element.pause();
      if (playback.how === "transcoded") letGo();
    },
    seek(seconds) {
      if (playback.how === "transcoded" && !buffered(element, seconds - offset)) {
        if (!waiting) plays = !element.paused;
        letGo();
        wanted = seconds;
        waiting = setTimeout(() => {
          waiting = 0;
          load(seconds);
          if (plays) element.play().catch(() => {});
        }, SETTLED_MS);
      } else {
        wanted = seconds;
        if (element.readyState) element.currentTime = seconds - offset;
      }
    },
  };
}

function buffered(element, seconds) {
  const ranges = element.buffered;
  return Array.from({ length: ranges.length }, (_, at) => at).some(at => ranges.start(at) <= seconds && seconds <= ranges.end(at));
}
