// What a user takes home: a cut-out, a mask, the numbers, or everything.

import { cutOf } from "./contour.js";
import { cutOut, greyOf } from "./drawing.js";
import { make } from "./dom.js";
import { zip } from "./zip.js";

const plain = (name) => name.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 80) || "_";
const stemOf = (name) => plain(name.replace(/\.[^.]*$/, ""));
const png = (canvas) => new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("This browser cannot make a picture as large as the photo."))), "image/png"));
const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());

// what: cutout, mask, json or zip. index: the class, for the first two.
export async function download(what, photo, photos, about, index) {
  if (what === "zip") return save(await everything(photos.filter((each) => each.status === "done"), about), "explanations.zip");
  if (what === "json") return save(new Blob([numbers(photo, about)], { type: "application/json" }), `${stemOf(photo.name)}.json`);
  const name = `${stemOf(photo.name)}.${nameOf(about, index)}.${what}.png`;
  return save(await pictureOf(what, photo, index, await atFullSize(photo)), name);
}

async function everything(photos, about) {
  const files = {};
  for (const [number, photo] of photos.entries()) {
    const folder = `${String(number + 1).padStart(2, "0")}-${stemOf(photo.name)}`, full = await atFullSize(photo);
    files[`${folder}/explanation.json`] = new TextEncoder().encode(numbers(photo, about));
    for (const index of photo.found.keys()) {
      for (const what of ["mask", "cutout"]) files[`${folder}/${nameOf(about, index)}.${what}.png`] = await bytesOf(await pictureOf(what, photo, index, full));
    }
  }
  return zip(files);
}

const nameOf = (about, index) => `${plain(about.classes[index])}-${index}`;

function pictureOf(what, photo, index, full) {
  const { mask } = photo.found.get(index);
  return png(what === "mask" ? greyOf(mask, full.width, full.height) : cutOut(full, mask, photo.level));
}

// A browser that cannot read the file has its preview.
const atFullSize = (photo) => createImageBitmap(photo.blob).catch(() => photo.bitmap);

function numbers(photo, about) {
  const classes = [...photo.found].map(([index, found]) => ({
    name: about.classes[index], index, probability: photo.probabilities[index], receipt: found.receipts.get(photo.level) ?? found.first ?? null,
  }));
  const probabilities = Object.fromEntries(about.classes.map((name, index) => [name, photo.probabilities[index]]));
  const said = { source: photo.name, width: photo.width, height: photo.height, rule: about.rule, cut: cutOf(photo.level), classes, probabilities, ...about.made_by, versions: { explanans: about.version } };
  return `${JSON.stringify(said, null, 2)}\n`;
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
