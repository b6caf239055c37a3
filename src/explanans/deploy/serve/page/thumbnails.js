// Several photos: a strip, with the receipt of each one's first class as a badge.

import { canvasOf, make, two } from "./dom.js";

const SIDE = 88;

export function thumbnails(strip, photos, current, about, acts) {
  const had = strip.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  const made = photos.map((photo) => thumbnail(photo, photo === current, about, () => acts.show(photo)));
  const add = make("button", { class: "thumb add", "data-id": "add", onclick: acts.add }, "+ Add photos");
  strip.replaceChildren(...made, add);
  if (had !== null) [...strip.children].find((each) => each.dataset.id === had)?.focus();
}

function thumbnail(photo, isCurrent, about, show) {
  const canvas = canvasOf(SIDE, SIDE);
  if (photo.bitmap) {
    const { width, height } = photo.bitmap, side = Math.min(width, height);
    canvas.getContext("2d").drawImage(photo.bitmap, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  }
  const [title, detail] = badge(photo, about);
  return make(
    "button",
    { class: `thumb ${photo.status}`, "data-id": photo.id, "aria-current": isCurrent ? "true" : null, title: photo.name, onclick: show },
    canvas,
    make("span", {}, make("span", { class: "unseen" }, `${photo.name}: `), make("b", {}, title), make("small", {}, detail)),
  );
}

function badge(photo, about) {
  if (photo.status === "failed") return ["failed", photo.failure];
  if (photo.status !== "done") return ["…", photo.status === "busy" ? "looking" : "waiting"];
  const [first] = photo.found.keys();
  if (first === undefined) return ["no class", "is seen"];
  const receipt = photo.found.get(first).first, name = about.classes[first];
  return receipt ? [name, `keeps ${two(receipt.kept)} · removes ${two(receipt.removed)}`] : [name, two(photo.probabilities[first])];
}
