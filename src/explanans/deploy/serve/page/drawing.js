// A photo with masks on a canvas.

import { canvasOf } from "./dom.js";
import { pathOf } from "./contour.js";

const HALO = "#101010";

// scene: { bitmap, view, level, opacity (0 … 1), fill ("rgb(…)"), shown: [{ colour, mask }] }, the most important last.
export function draw(canvas, scene) {
  const { width, height } = canvas, context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.imageSmoothingQuality = "high";
  context.clearRect(0, 0, width, height);
  const photo = () => context.drawImage(scene.bitmap, 0, 0, width, height);
  const paths = scene.view === "photo" ? [] : scene.shown.map(({ mask }) => pathOf(mask, scene.level, width, height));
  if (scene.view === "keeps" && paths.length) {
    context.fillStyle = scene.fill;
    context.fillRect(0, 0, width, height);
    for (const path of paths) {
      context.save();
      context.clip(path, "evenodd");
      photo();
      context.restore();
    }
  } else {
    photo();
    for (const [number, each] of scene.shown.entries()) {
      if (scene.view === "removes") {
        context.fillStyle = scene.fill;
        context.fill(paths[number], "evenodd");
      } else if (scene.view === "mask") {
        context.drawImage(tinted(each, scene.opacity), 0, 0, width, height);
      }
    }
  }
  const line = Math.max(1.5, 0.006 * Math.min(width, height));
  context.lineJoin = "round";
  for (const [number, path] of paths.entries()) {
    for (const [colour, breadth] of [[HALO, 2 * line], [scene.shown[number].colour, line]]) {
      context.strokeStyle = colour;
      context.lineWidth = breadth;
      context.stroke(path);
    }
  }
}

// The class's colour where its mask is, as transparent as the mask is low.
function tinted({ colour, mask }, opacity) {
  const canvas = canvasOf(mask.width, mask.height), context = canvas.getContext("2d");
  const pixels = context.createImageData(mask.width, mask.height);
  const parts = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
  for (let place = 0; place < mask.data.length; place++) {
    for (let part = 0; part < 3; part++) pixels.data[4 * place + part] = parts[part];
    pixels.data[4 * place + 3] = Math.round(mask.data[place] * opacity);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// The photo inside the outline, transparent outside.
export function cutOut(bitmap, mask, level) {
  const canvas = canvasOf(bitmap.width, bitmap.height), context = canvas.getContext("2d");
  context.clip(pathOf(mask, level, canvas.width, canvas.height), "evenodd");
  context.drawImage(bitmap, 0, 0);
  return canvas;
}

// The mask as a grey picture of this size.
export function greyOf(mask, width, height) {
  const small = canvasOf(mask.width, mask.height), context = small.getContext("2d");
  const pixels = context.createImageData(mask.width, mask.height);
  for (let place = 0; place < mask.data.length; place++) pixels.data.set([mask.data[place], mask.data[place], mask.data[place], 255], 4 * place);
  context.putImageData(pixels, 0, 0);
  const canvas = canvasOf(width, height), large = canvas.getContext("2d");
  large.imageSmoothingQuality = "high";
  large.drawImage(small, 0, 0, canvas.width, canvas.height);
  return canvas;
}
