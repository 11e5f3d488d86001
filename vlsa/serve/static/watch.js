// A player that keeps the clock of the file, also where the server transcodes it from some time on.

import { playbackOf, sourceAt } from "./player.js";

/** Fills `holder` with a video or audio element of a file, ready at a time. Resolves to {element, time, seek, play, ...}. */
export async function watch(holder, { mediaId, hasVideo, startSeconds, poster }) {
  let playback = await playbackOf(mediaId);
  if (playback.how === "none") return { reason: playback.reason || "This browser cannot play the file." };
  const element = document.createElement(hasVideo ? "video" : "audio");
  Object.assign(element, { controls: true, playsInline: true, preload: "auto" });
  if (poster) element.poster = poster;
  let offset = 0;
  let wanted = startSeconds;
  const load = seconds => {
    const source = sourceAt(playback, seconds);
    [offset, wanted] = [source.offset, seconds];
    element.src = source.src;
  };
  element.addEventListener("loadedmetadata", () => { element.currentTime = wanted - offset; });
  element.addEventListener("error", async () => {
    if (playback.how !== "direct") return;
    playback = await playbackOf(mediaId, true);
    if (playback.how === "transcoded") load(element.currentTime + offset || startSeconds);
  });
  load(startSeconds);
  holder.append(element);
  return {
    element,
    note: () => (playback.how === "transcoded" ? playback.reason : ""),
    time: () => (element.readyState ? element.currentTime + offset : wanted),
    seek(seconds) {
      if (playback.how === "transcoded" && !buffered(element, seconds - offset)) {
        const wasPlaying = !element.paused;
        load(seconds);
        if (wasPlaying) element.play().catch(() => {});
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
