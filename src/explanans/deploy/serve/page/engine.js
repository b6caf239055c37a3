// Asks the server. Another engine has the same three functions and computes elsewhere.
//   about() → who explains
//   explain(photo, names or null) → probabilities of all classes, masks of those asked for
//   receipt(photo, name, cut) → what the classifier says about a mask
// A photo has `blob`; masks are { width, height, data }, one byte a pixel, 255 · mask.

const TRIES = 5;
const handles = new WeakMap();

export class Refused extends Error {
  constructor(message, next) {
    super(message);
    this.next = next;
  }
}

export async function about() {
  return answerOf(await fetch("api/about"));
}

export async function explain(photo, names = null, told = () => {}) {
  const query = (names ?? []).map((name) => ["class", name]);
  if (photo.wantsPreview) query.push(["preview", "1"]);
  const said = await ask("api/explain", photo, query, told);
  for (const each of said.classes) each.mask = await pixelsOf(each.mask);
  return said;
}

export async function receipt(photo, name, cut, told = () => {}) {
  return (await ask("api/receipt", photo, [["class", name], ["cut", cut]], told)).receipt;
}

// With the handle of a picture that the server still keeps, or else with the picture.
async function ask(address, photo, query, told) {
  let tries = 0;
  for (;;) {
    const handle = photo.wantsPreview ? undefined : handles.get(photo);
    const asked = new URLSearchParams(handle === undefined ? query : [...query, ["handle", handle]]);
    let answer;
    try {
      answer = await fetch(`${address}?${asked}`, { method: "POST", body: handle === undefined ? photo.blob : null });
    } catch {
      throw new Refused("The server does not answer.", "Look whether it still runs, then try again.");
    }
    if (answer.status === 410 && handle !== undefined) {
      handles.delete(photo);
      continue;
    }
    if (answer.status === 503 && ++tries < TRIES) {
      const seconds = Number(answer.headers.get("retry-after")) || 2;
      told(`The server is busy; asking again in ${seconds} s.`);
      await new Promise((done) => setTimeout(done, 1000 * seconds));
      continue;
    }
    const said = await answerOf(answer);
    handles.set(photo, said.handle);
    return said;
  }
}

async function answerOf(answer) {
  const said = await answer.json().catch(() => null);
  if (answer.ok && said !== null) return said;
  throw new Refused(said?.error ?? `The server says ${answer.status}.`, said?.next ?? "Try again later.");
}

// An 8-bit grey PNG in base64 → its bytes, without a browser's colour management.
async function pixelsOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  const settings = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), settings);
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const colours = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height);
  for (let place = 0; place < data.length; place++) data[place] = colours[4 * place];
  return { width, height, data };
}
