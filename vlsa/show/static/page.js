// A gallery holds each clip's image and audio once; they are shown wherever the clip appears.
const media = document.getElementById("media");
if (media) {
  const clips = JSON.parse(media.textContent);
  for (const element of document.querySelectorAll("[data-clip]")) {
    const [image, audio] = clips[element.dataset.clip];
    element.src = element.tagName === "IMG" ? image : audio;
  }
}
// One player at a time; a clip within a longer file plays from its start to its stop.
for (const player of document.querySelectorAll("video, audio")) {
  const start = Number(player.dataset.start), stop = Number(player.dataset.stop);
  player.addEventListener("play", () => {
    for (const other of document.querySelectorAll("video, audio")) if (other !== player) other.pause();
    if (stop && (player.currentTime < start - 0.1 || player.currentTime >= stop - 0.1)) player.currentTime = start;
  });
  player.addEventListener("timeupdate", () => { if (stop && player.currentTime >= stop) player.pause(); });
}
