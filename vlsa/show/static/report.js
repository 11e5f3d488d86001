// One medium at a time; and a clip that has ended starts at its own beginning again, not at the file's.
for (const medium of document.querySelectorAll("video, audio")) {
  const start = Number(medium.dataset.start), stop = Number(medium.dataset.stop);
  medium.addEventListener("play", () => {
    for (const other of document.querySelectorAll("video, audio")) if (other !== medium) other.pause();
    if (stop && (medium.currentTime < start - 0.1 || medium.currentTime >= stop - 0.1)) medium.currentTime = start;
  });
  medium.addEventListener("timeupdate", () => { if (stop && medium.currentTime >= stop) medium.pause(); });
}
