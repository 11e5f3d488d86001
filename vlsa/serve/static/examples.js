// Examples to search with: files that are dropped, pasted or chosen, and what the microphone hears.

import { upload } from "./api.js";
import { el, icon, iconButton, toast } from "./dom.js";

const LONGEST_RECORDING_SECONDS = 10;

const previews = new Map();

/** A small canvas of the image that was uploaded under this id; null for other files, and after a reload. */
export function previewOf(id) {
  const image = previews.get(id.split("@")[0]);
  if (!image) return null;
  const canvas = el("canvas", { width: 56, height: 56, class: "preview", "aria-hidden": "true" });
  const side = Math.min(image.width, image.height);
  canvas.getContext("2d").drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 56, 56);
  return canvas;
}

/** Uploads a file, and gives the part of the question that asks with it. Throws Problem. */
async function partOf(file) {
  const got = await upload(file);
  if (got.kind === "image") previews.set(got.id, await createImageBitmap(file).catch(() => null));
  const kind = got.kind === "video" && got.has_audio ? "clip" : got.kind;
  return { kind, weight: 1, value: got.id, label: got.name || file.name || "recording" };
}

/** Adds each of the files; what cannot be read is said, and the others are taken. */
async function addAll(files, add, busy) {
  busy(true);
  for (const file of [...files].slice(0, 8)) {
    try {
      add(await partOf(file));
    } catch (problem) {
      toast(problem.message);
    }
  }
  busy(false);
}

/** Files can be dropped anywhere on the page, and pasted. Returns what ends that. */
export function takeDrops(add, busy, canTake) {
  const veil = el("div", { class: "veil", hidden: true, "aria-hidden": "true" },
    el("div", {}, icon("plus"), el("strong", {}, "Drop to search with it"), el("span", {}, "A sound, a picture or a clip")));
  const hasFiles = event => canTake() && [...(event.dataTransfer?.types ?? [])].includes("Files");
  const listeners = {
    dragover: event => { if (hasFiles(event)) { event.preventDefault(); veil.hidden = false; } },
    dragleave: event => { if (!event.relatedTarget) veil.hidden = true; },
    drop: event => {
      veil.hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      addAll(event.dataTransfer.files, add, busy);
    },
    paste: event => { if (canTake() && event.clipboardData?.files.length) addAll(event.clipboardData.files, add, busy); },
  };
  document.body.append(veil);
  for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener);
}

/** The button that opens the system's choice of files. */
export function fileButton(add, busy) {
  const input = el("input", {
    type: "file", accept: "audio/*,video/*,image/*,.mkv,.avi,.flac,.opus", multiple: true, class: "hidden", tabindex: "-1",
    "aria-label": "Files to search with",
    onchange: () => { addAll(input.files, add, busy); input.value = ""; },
  });
  return [iconButton("clip", "Search with a sound, picture or clip", () => input.click()), input];
}

/** The button that records up to ten seconds; hidden where there is no microphone. */
export function microphoneButton(add, busy) {
  const button = iconButton("microphone", "Record a sound to search with", () => toggle(), { hidden: true });
  let recorder = null;
  const show = recording => {
    button.classList.toggle("recording", recording);
    button.setAttribute("aria-pressed", String(recording));
    button.replaceChildren(icon(recording ? "stop" : "microphone"));
  };
  const toggle = async () => {
    if (recorder) return recorder.stop();
    recorder = await record(blob => addAll([new File([blob], "recording.webm", { type: blob.type })], add, busy),
      () => { recorder = null; show(false); });
    show(Boolean(recorder));
  };
  hasMicrophone().then(has => { button.hidden = !has; });
  return button;
}

async function hasMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return false;
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.some(device => device.kind === "audioinput");
}

async function record(done, ended) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    toast("The microphone was not allowed; nothing was recorded. Allow it in the settings of this page, or drop a sound.");
    return null;
  }
  const recorder = new MediaRecorder(stream);
  const chunks = [];
  recorder.ondataavailable = event => chunks.push(event.data);
  recorder.onstop = () => {
    stream.getTracks().forEach(track => track.stop());
    ended();
    done(new Blob(chunks, { type: recorder.mimeType }));
  };
  recorder.start();
  setTimeout(() => { if (recorder.state === "recording") recorder.stop(); }, LONGEST_RECORDING_SECONDS * 1000);
  return recorder;
}
