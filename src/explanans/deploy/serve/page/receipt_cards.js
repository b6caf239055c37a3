// What the classifier says about each mask that is shown.

import { bar, make, percent, two } from "./dom.js";
import { areaOf } from "./contour.js";

const SOFT = "var(--soft)";

// shown: indices, the most important last; it stands first here.
export function receiptCards(photo, about, shown) {
  return [...shown].reverse().map((index) => card(photo, about, index));
}

function card(photo, about, index) {
  const found = photo.found.get(index), name = about.classes[index], colour = about.colours[index];
  const exact = found.receipts.get(photo.level), receipt = exact ?? found.last, busy = about.receipts && !exact;
  const area = areaOf(found.mask, photo.level), whole = photo.probabilities[index];
  const lines = [["whole photo", whole, colour, ""]];
  if (receipt) lines.push(["mask keeps", receipt.kept, colour, "old"], ["mask removes", receipt.removed, colour, "old"]);
  const list = make("dl");
  for (const [label, value, tint, kind] of lines) {
    list.append(make("dt", {}, label), make("dd", { class: `track ${kind}` }, bar(value, tint)), make("dd", { class: kind }, two(value)));
  }
  list.append(make("dt", {}, "mask's area"), make("dd", { class: "track" }, bar(area, SOFT, "plain")), make("dd", {}, percent(area)));
  return make("article", { class: "card receipt", "--c": colour, "aria-busy": busy ? "true" : null, "data-index": index }, make("h2", {}, name), list, make("p", {}, sentence(exact, busy)));
}

function sentence(receipt, busy) {
  if (busy) return "Asking the classifier about this cut …";
  if (!receipt) return "The area is the share of the photo inside the outline.";
  const beginning =
    `The classifier says ${two(receipt.whole)} for the whole photo, ${two(receipt.kept)} for the mask alone ` +
    `(${percent(receipt.area)} of the photo)`;
  // The engine in the browser alone asks for no more than these.
  if (receipt.word === undefined) return `${beginning} and ${two(receipt.removed)} for the rest.`;
  const says = ["holds", "fills the frame"].includes(receipt.word) ? receipt.word : `is ${receipt.word}`;
  const shared = receipt.word.startsWith("shared") ? `, of which it keeps ${two(receipt.other.kept)}` : "";
  return `${beginning}, ${two(receipt.removed)} for the rest and ${two(receipt.elsewhere)} for the mask in another place. It ${says}${shared}.`;
}
