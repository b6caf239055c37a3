// The engine of the page of `explanans serve` that needs no server: an exported Explainer in onnxruntime-web. The photo
// stays on the device, and receipts are asked of the classifier inside the graph.
//
//   explanans export EXPLAINER --preprocessing inside --out site/explainer.onnx      # --finish: better masks, slower
//   examples/onnx-browser/make_page.sh site
//   python -m http.server -d site                  # then open http://localhost:8000; ?model=FILE names another
//
// What the three functions are, engine.js of the page says.

const LONGEST = 1024; // A photo of a phone is shrunk to this before it goes into the graph.
const SIGMOID = 0.5, SOFTMAX = 0.1, MOST = 3; // Which classes are explained, as explanations/selection.py has it.
const SIGMA = 10 / 224; // Of the blur, as a share of the shorter side (ops/masking.py).
const known = new WeakMap();
let session, classes, masked, facts; // masked: the classes, by number, that the graph makes masks of.

export class Refused extends Error {
  constructor(message, next) {
    super(message);
    this.next = next;
  }
}

export async function about() {
  const name = new URLSearchParams(location.search).get("model") ?? "explainer.onnx";
  await script("ort/ort.wasm.min.js");
  ort.env.wasm.wasmPaths = new URL("ort/", location.href).href;
  ort.env.wasm.numThreads = 1;
  const answer = await fetch(name);
  if (!answer.ok) throw new Refused(`${name} is not beside this page.`, "Export one: the head of engine.js says how.");
  const bytes = new Uint8Array(await answer.arrayBuffer());
  facts = metadata(bytes);
  if (facts.preprocessed !== "inside" || facts.outputs !== "both") throw new Refused(`${name} takes no pictures.`, "Export it with --what both --preprocessing inside.");
  session = await ort.InferenceSession.create(bytes);
  classes = JSON.parse(facts.classes);
  masked = JSON.parse(facts.mask_classes ?? facts.classes).map((name) => classes.indexOf(name));
  const { mean, size } = JSON.parse(facts.preprocessing), sigmoid = facts.activation === "sigmoid";
  return {
    version: facts.explanans,
    classes,
    colours: classes.map((_, index) => colourOf(index)),
    way: "a trained Explainer in this browser",
    rule: sigmoid ? `classes of probability ${SIGMOID} or more` : `the most probable class and up to ${MOST - 1} others of probability ${SOFTMAX} or more`,
    input: size,
    fill: [0, 1, 2].map((part) => Math.round(255 * (mean[part] ?? mean[0]))),
    cut: 0.5,
    receipts: true,
    made_by: { classifier: { weights_hash: facts.classifier_hash } },
    samples: [],
    repeat: null,
    privacy: "The photos stay on this device.",
  };
}

export async function explain(photo, names = null) {
  const seen = known.get(photo) ?? (await look(photo));
  known.set(photo, seen);
  const asked = names === null ? chosen(seen.probabilities) : names.map((name) => classes.indexOf(name));
  const found = [];
  for (const index of asked) {
    const mask = maskOf(seen, index);
    found.push({ index, name: classes[index], probability: seen.probabilities[index], mask, receipt: await receipt(photo, classes[index], 0.5) });
  }
  return { width: seen.width, height: seen.height, probabilities: seen.probabilities, classes: found };
}

// The photo with a fill where the mask is below the cut, and with a fill where it is not; the worst answer of all fills.
export async function receipt(photo, name, cut) {
  const seen = known.get(photo), index = classes.indexOf(name), mask = maskOf(seen, index);
  const { rgb, width, height, blurred } = seen.picture, kept = new Uint8Array(width * height);
  for (let y = 0, place = 0; y < height; y++) {
    const row = Math.floor((y * mask.height) / height) * mask.width;
    for (let x = 0; x < width; x++, place++) kept[place] = mask.data[row + Math.floor((x * mask.width) / width)] >= 255 * cut;
  }
  const { mean } = JSON.parse(facts.preprocessing), colour = [0, 1, 2].map((part) => 255 * (mean[part] ?? mean[0]));
  const fills = { mean: (place) => colour[place % 3], ...(blurred ? { blur: (place) => blurred[place] } : {}) };
  const pictures = new Uint8Array(2 * Object.keys(fills).length * rgb.length);
  Object.values(fills).forEach((fill, number) => {
    for (let place = 0; place < rgb.length; place++) {
      const inside = kept[Math.floor(place / 3)], hidden = Math.round(fill(place));
      pictures[2 * number * rgb.length + place] = inside ? rgb[place] : hidden;
      pictures[(2 * number + 1) * rgb.length + place] = inside ? hidden : rgb[place];
    }
  });
  const { probabilities } = await run(pictures, width, height);
  const answers = {};
  Object.keys(fills).forEach((fill, number) => {
    const [first, second] = [2 * number, 2 * number + 1].map((row) => probabilities.data[row * classes.length + index]);
    answers[fill] = { kept: first, removed: second };
  });
  const each = Object.values(answers), area = mask.data.reduce((sum, value) => sum + (value >= 255 * cut), 0) / mask.data.length;
  return {
    whole: seen.probabilities[index], kept: Math.min(...each.map((one) => one.kept)), removed: Math.max(...each.map((one) => one.removed)),
    area, mask_threshold: cut, fills: answers,
  };
}

async function look(photo) {
  const bitmap = await createImageBitmap(photo.blob).catch(() => {
    throw new Refused("This browser cannot read the file.", "Save it as JPEG, PNG or WebP, and drop that.");
  });
  const picture = pixelsOf(bitmap), { probabilities, masks } = await run(picture.rgb, picture.width, picture.height);
  return { width: bitmap.width, height: bitmap.height, picture, probabilities: [...probabilities.data], masks };
}

const run = (pictures, width, height) => session.run({ pictures: new ort.Tensor("uint8", pictures, [pictures.length / (3 * width * height), height, width, 3]) });

function maskOf({ masks }, index) {
  if (!masked.includes(index)) throw new Refused(`This graph has no mask of ${classes[index]}.`, "Export it with that class among --classes.");
  const [, , height, width] = masks.dims, start = masked.indexOf(index) * width * height;
  return { width, height, data: Uint8Array.from(masks.data.subarray(start, start + width * height), (value) => Math.round(255 * value)) };
}

// Most probable first.
function chosen(probabilities) {
  const order = [...masked].sort((a, b) => probabilities[b] - probabilities[a]);
  if (facts.activation === "sigmoid") return order.filter((index) => probabilities[index] >= SIGMOID);
  return order.slice(0, MOST).filter((index, place) => place === 0 || probabilities[index] >= SOFTMAX);
}

function pixelsOf(bitmap) {
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext("2d", { willReadFrequently: true }), { width, height } = canvas;
  const drawn = () => {
    const { data } = context.getImageData(0, 0, width, height), rgb = new Uint8Array(width * height * 3);
    for (let i = 0, j = 0; i < data.length; i += 4) for (let part = 0; part < 3; part++) rgb[j++] = data[i + part];
    return rgb;
  };
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const rgb = drawn();
  // Where a browser has no filters, nothing would be hidden by them.
  if (context.filter === undefined) return { rgb, width, height, blurred: null };
  context.filter = `blur(${SIGMA * Math.min(width, height)}px)`;
  context.drawImage(bitmap, 0, 0, width, height);
  return { rgb, width, height, blurred: drawn() };
}

// As images/drawing.py: Okabe & Ito's for the first, then hues at the golden angle of three lumas in turn.
function colourOf(index) {
  const palette = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
  if (index < palette.length) return palette[index];
  const step = index - palette.length, hue = (step * 0.381966) % 1, wanted = [0.3, 0.65, 0.47][step % 3];
  const channel = (turn) => {
    const place = (((hue + turn) % 1) + 1) % 1, high = 0.925, low = 0.075;
    return place < 1 / 6 ? low + (high - low) * 6 * place : place < 1 / 2 ? high : place < 2 / 3 ? low + (high - low) * 6 * (2 / 3 - place) : low;
  };
  const pure = [channel(1 / 3), channel(0), channel(-1 / 3)], luma = 0.299 * pure[0] + 0.587 * pure[1] + 0.114 * pure[2];
  const white = (wanted - luma) / (1 - luma);
  const parts = pure.map((part) => Math.round(255 * (wanted < luma ? (part * wanted) / luma : part + white * (1 - part))));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function script(source) {
  return new Promise((done, failed) => {
    const told = () => failed(new Refused(`${source} is not beside this page.`, "Run examples/onnx-browser/make_page.sh."));
    document.head.append(Object.assign(document.createElement("script"), { src: source, onload: done, onerror: told }));
  });
}

// The metadata of an ONNX file: field 14 of the protocol buffer, entries of key (1) and value (2).
function metadata(bytes) {
  const text = new TextDecoder(), found = {};
  const number = (at) => { let value = 0, shift = 1, byte; do { byte = bytes[at++]; value += (byte & 127) * shift; shift *= 128; } while (byte & 128); return [value, at]; };
  const fields = function* (at, end) {
    while (at < end) {
      let tag, length; [tag, at] = number(at);
      const kind = tag & 7;
      if (kind === 0) [, at] = number(at);
      else if (kind === 1) at += 8;
      else if (kind === 5) at += 4;
      else { [length, at] = number(at); yield [tag >>> 3, at, at + length]; at += length; }
    }
  };
  for (const [field, start, end] of fields(0, bytes.length)) if (field === 14) {
    const entry = {};
    for (const [part, from, to] of fields(start, end)) entry[part] = text.decode(bytes.subarray(from, to));
    found[entry[1]] = entry[2];
  }
  return found;
}
