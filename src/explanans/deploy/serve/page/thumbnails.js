// Several photos: a strip, with the receipt of each one's first class as a badge.

import { canvasOf, make, two } from "./dom.js";

const SIDE = 88;
// A button stays the same, since one that is made anew would lose the focus, and a press on it.
const buttons = new WeakMap();

export function thumbnails(strip, photos, current, about, acts) {
  if (!strip.children.length) strip.append(make("button", { class: "thumb add", "data-id": "add", onclick: acts.add }, "+ Add photos"));
  for (const photo of photos) {
    if (!buttons.has(photo)) {
      buttons.set(photo, make("button", { "data-id": photo.id, title: photo.name, onclick: () => acts.show(photo) }));
      strip.lastElementChild.before(buttons.get(photo));
    }
    fill(buttons.get(photo), photo, photo === current, about);
  }
}

function fill(button, photo, isCurrent, about) {
  const canvas = canvasOf(SIDE, SIDE);
  if (photo.bitmap) {
    const { width, height } = photo.bitmap, side = Math.min(width, height);
    canvas.getContext("2d").drawImage(photo.bitmap, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  }
  const [title, detail] = badge(photo, about);
  button.className = `thumb ${photo.status}`;
  if (isCurrent) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
  button.replaceChildren(
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
