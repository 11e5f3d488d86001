// Each clip's picture and sound lie in the page once; they are put wherever the clip is shown.
const media = JSON.parse(document.getElementById("media").textContent);
for (const element of document.querySelectorAll("[data-clip]")) {
  const [picture, sound] = media[element.dataset.clip];
  element.src = element.tagName === "IMG" ? picture : sound;
}
