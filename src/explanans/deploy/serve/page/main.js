// The page: photos in, and what is found in them shown. An engine computes; this file holds the state and joins the parts.

import * as engine from "./engine.js";
import { ClassList } from "./class_list.js";
import { areaOf, cutOf, levelAt, levelOf, positionOf } from "./contour.js";
import { canvasOf, find, make, percent, two } from "./dom.js";
import { download } from "./downloads.js";
import { draw } from "./drawing.js";
import { receiptCards } from "./receipt_cards.js";
import { pythonLines, shellLines } from "./repeat_lines.js";
import { thumbnails } from "./thumbnails.js";
import { WhyNot } from "./why_not.js";

// Pixels of the longer side that is shown; photos that are explained at once; milliseconds of rest.
const LONGEST = 1600, AT_ONCE = 2, REST = 300;
// Where the photo stands above the classes, and stays there while they are scrolled.
const NARROW = matchMedia("(max-width: 60rem)");

let about = null, current = null, pointed = null, numbered = 0, running = 0, drawn = 0;
const photos = [], timers = new Map();
const shows = { view: "mask", opacity: 0.5 };

const list = new ClassList(find("classes"), {
  point(index) { pointed = index; wantMask(); render(); },
  choose(index) { current.active = index; pointed = null; wantMask(); render(); },
  pin(index) { toggle(index); },
  unpinAll() { current.pinned = []; render(); },
});
new WhyNot(find("why"), find("why-list"), () => current?.probabilities && { classes: about.classes, probabilities: current.probabilities }, (index) => {
  if (!current.pinned.includes(index)) current.pinned.push(index);
  current.active = index;
  pointed = null;
  askMask(current, index);
});

async function start() {
  try {
    about = await engine.about();
  } catch (error) {
    find("privacy").textContent = `${error.message} ${error.next ?? ""}`;
    return;
  }
  const facts = [about.repeat?.name, `${about.classes.length.toLocaleString("en")} classes`, `explained by ${about.way}`];
  find("who").textContent = facts.filter(Boolean).join(" · ");
  find("privacy").textContent = about.privacy ?? "Photos go to this server and nowhere else. It writes none of them to its disk.";
  find("lines").hidden = !about.repeat;
  find("samples-title").hidden = !about.samples.length;
  find("samples").replaceChildren(...about.samples.map((sample) =>
    make("li", {},
      make("button", { onclick: () => takeSample(sample) }, make("img", { src: sample.address, alt: "", loading: "lazy", width: 240, height: 240 }), make("span", {}, sample.label)),
      credit(sample))));
  document.body.dataset.ready = "yes";
  next();
}

const credit = (sample) => make("p", { class: "soft" }, "Photo: ", make("a", { href: sample.source, rel: "noopener noreferrer", target: "_blank" }, sample.author), `, ${sample.licence}, resized and cropped`);

async function takeSample(sample) {
  const already = photos.find((photo) => photo.sample === sample);
  if (already) return show(already);
  const answer = await fetch(sample.address);
  add([new File([await answer.blob()], sample.name, { type: "image/jpeg" })], sample);
}

// ---- photos in

function add(files, sample = null) {
  const made = [...files].map((blob) => ({
    id: String(numbered++), blob, name: blob.name || "pasted.png", sample, bitmap: null, width: 0, height: 0, status: "waiting", failure: "",
    wantsPreview: false, probabilities: null, found: new Map(), asking: new Set(), pinned: [], active: -1, level: levelOf(about?.cut ?? 0.5),
  }));
  if (!made.length) return;
  photos.push(...made);
  find("welcome").hidden = true;
  find("work").hidden = false;
  show(made[0]);
  // What was scrolled was another page.
  if (photos.length === made.length) window.scrollTo(0, 0);
  find("strip").querySelector("[aria-current]")?.focus({ preventScroll: true });
  next();
}

function show(photo) {
  current = photo;
  pointed = null;
  render();
  wantReceipts();
}

// Explains the photos that wait, a few at a time.
function next() {
  if (!about) return;
  for (const photo of photos) {
    if (running >= AT_ONCE) return;
    if (photo.status !== "waiting") continue;
    photo.status = "busy";
    running++;
    look(photo).catch((error) => Object.assign(photo, { status: "failed", failure: `${error.message} ${error.next ?? ""}` })).finally(() => {
      running--;
      if (photo === current && photo.status === "done") takeFocus();
      render();
      next();
    });
  }
}

async function look(photo) {
  const most = about.limits?.megabytes;
  if (most && photo.blob.size > 1e6 * most) throw Object.assign(new Error(`The file is larger than ${most} MB.`), { next: "Make the picture smaller, and drop it again." });
  const shown = createImageBitmap(photo.blob).then(shrunk).then((bitmap) => { photo.bitmap = bitmap; render(); }, () => null);
  // The photo is on its way while the browser reads it.
  const [said] = await Promise.all([engine.explain(photo, null, tell), shown]);
  if (!photo.bitmap) {
    // What a browser cannot read, such as TIFF, comes back as a picture that it can, with one class again.
    photo.wantsPreview = true;
    const again = await engine.explain(photo, [about.classes[said.classes[0]?.index ?? 0]], tell);
    photo.bitmap = await createImageBitmap(bytesAsBlob(again.preview));
    photo.wantsPreview = false;
  }
  Object.assign(photo, { status: "done", width: said.width, height: said.height, probabilities: said.probabilities });
  keep(photo, said.classes);
  photo.active = said.classes[0]?.index ?? said.probabilities.indexOf(Math.max(...said.probabilities));
}

const bytesAsBlob = (base64) => new Blob([Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))], { type: "image/jpeg" });

async function shrunk(bitmap) {
  const scale = LONGEST / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const canvas = canvasOf(bitmap.width * scale, bitmap.height * scale), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return createImageBitmap(canvas);
}

function keep(photo, classes) {
  for (const { index, mask, receipt } of classes) {
    const receipts = new Map(receipt ? [[levelOf(about.cut), receipt]] : []);
    photo.found.set(index, { mask, receipts, first: receipt, last: receipt });
  }
}

// ---- classes, masks, receipts

function toggle(index) {
  const { pinned } = current, place = pinned.indexOf(index);
  if (place < 0) pinned.push(index);
  else pinned.splice(place, 1);
  current.active = place < 0 ? index : pinned.at(-1) ?? index;
  if (place < 0) askMask(current, index);
  else render();
}

// Those with a mask to show: the pinned ones, and last the one that is looked at.
function shownClasses() {
  if (!current?.probabilities) return [];
  const lit = pointed ?? current.active;
  return [...current.pinned.filter((index) => index !== lit), lit].filter((index) => current.found.has(index));
}

// A class without a mask is asked for when it is looked at for a moment.
function wantMask(index = pointed ?? current.active) {
  later("mask", () => current && index === (pointed ?? current.active) && askMask(current, index));
}

async function askMask(photo, index) {
  if (index < 0 || photo.found.has(index) || photo.asking.has(index)) {
    render();
    return wantReceipts();
  }
  photo.asking.add(index);
  render();
  try {
    keep(photo, (await engine.explain(photo, [about.classes[index]], tell)).classes);
    tell("");
  } catch (error) {
    tell(`${error.message} ${error.next ?? ""}`, true);
  }
  photo.asking.delete(index);
  render();
  wantReceipts();
}

// Asks for the receipts of what is shown at a cut at which none is known, once nothing moves.
function wantReceipts() {
  later("receipts", async () => {
    const photo = current, { level } = photo ?? {};
    for (const index of about?.receipts ? shownClasses() : []) {
      const found = photo.found.get(index);
      if (found.receipts.has(level)) continue;
      try {
        const receipt = await engine.receipt(photo, about.classes[index], cutOf(level), tell);
        found.receipts.set(level, receipt);
        found.last = receipt;
        tell("");
      } catch (error) {
        tell(`${error.message} ${error.next ?? ""}`, true);
      }
      if (current !== photo || photo.level !== level) return;
      render();
    }
  });
}

function later(name, act) {
  clearTimeout(timers.get(name));
  timers.set(name, setTimeout(act, REST));
}

// ---- what is seen

function render() {
  if (drawn) return;
  drawn = requestAnimationFrame(() => {
    drawn = 0;
    if (current) paint();
  });
}

function paint() {
  const photo = current, shown = shownClasses(), lit = shown.at(-1);
  const canvas = find("stage"), fill = `rgb(${(about?.fill ?? [128, 128, 128]).join(" ")})`;
  fit(canvas, photo.bitmap);
  if (photo.bitmap) draw(canvas, { ...shows, bitmap: photo.bitmap, level: photo.level, fill, shown: shown.map((index) => ({ colour: about.colours[index], mask: photo.found.get(index).mask })) });
  const names = shown.map((index) => about.classes[index]);
  canvas.setAttribute("aria-label", `${photo.name}${names.length && shows.view !== "photo" ? ` with the mask of ${names.join(" and ")}` : ""}`);
  find("credit").replaceChildren(...(photo.sample ? credit(photo.sample).childNodes : []));
  find("cut").value = positionOf(photo.level);
  const area = lit === undefined ? "" : ` · area ${percent(areaOf(photo.found.get(lit).mask, photo.level))}`;
  find("cut-said").textContent = `${two(cutOf(photo.level))}${area}`;
  find("cut").setAttribute("aria-valuetext", find("cut-said").textContent);
  find("opacity-said").textContent = percent(shows.opacity);
  thumbnails(find("strip"), photos, photo, about, { show, add: () => find("files").click() });
  list.update(photo, about, shown);
  find("receipts").replaceChildren(...receiptCards(photo, about, shown));
  for (const button of find("downloads").children) button.disabled = photo.status !== "done" || (lit === undefined && ["cutout", "mask"].includes(button.dataset.what));
  find("taken").textContent = lit === undefined ? "" : `Cut-out and mask of ${about.classes[lit]}, cut as it is shown.`;
  if (about?.repeat && names.length) {
    find("shell").textContent = shellLines(about.repeat, photo.name, names, photo.level);
    find("python").textContent = pythonLines(about.repeat, photo.name, names, photo.level);
  }
  if (photo.status !== said.status || photo !== said.photo) say(photo);
  document.body.dataset.status = photo.status;
}

// The canvas as large as the photo allows in the room that there is, in the screen's own pixels.
function fit(canvas, bitmap) {
  const room = canvas.parentElement.clientWidth, tall = Math.max(240, (NARROW.matches ? 0.44 : 0.64) * window.innerHeight), { width, height } = bitmap ?? { width: 4, height: 3 };
  const scale = Math.min(room / width, tall / height), sharp = Math.min(2, window.devicePixelRatio || 1);
  const across = Math.max(1, Math.round(width * scale * sharp)), down = Math.max(1, Math.round(height * scale * sharp));
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  canvas.style.width = `${across / sharp}px`;
  canvas.style.height = `${down / sharp}px`;
}

const said = { status: "", photo: null };

function say(photo) {
  Object.assign(said, { status: photo.status, photo });
  if (photo.status === "failed") tell(photo.failure, true);
  else if (photo.status !== "done") tell(`Looking at ${photo.name} …`);
  else {
    const names = [...photo.found.keys()].map((index) => about.classes[index]);
    const seen = names.length ? `${names.join(", ")}` : `no ${about.rule}`;
    tell(`${photo.name}: ${seen}.`);
  }
}

// Nothing to tell says again what was found.
function tell(text, wrong = false) {
  if (!text) return current && say(current);
  find("status").textContent = text;
  find("status").classList.toggle("wrong", wrong);
}

// Whoever came by the keyboard goes on in the list; nobody who is elsewhere is moved.
function takeFocus() {
  const here = document.activeElement, ours = here === document.body || here?.matches(".thumb[aria-current]");
  if (ours) requestAnimationFrame(() => requestAnimationFrame(() => find("classes").querySelector("[tabindex='0']")?.focus({ preventScroll: true })));
}

// ---- what a user does

find("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
find("cut").addEventListener("input", (event) => { current.level = levelAt(Number(event.target.value)); render(); wantReceipts(); });
find("opacity").addEventListener("input", (event) => { shows.opacity = Number(event.target.value) / 100; render(); });
find("views").addEventListener("change", (event) => { shows.view = event.target.value; render(); });
find("downloads").addEventListener("click", (event) => {
  const { what } = event.target.dataset;
  if (what) download(what, current, photos, about, shownClasses().at(-1)).catch((error) => tell(error.message, true));
});
find("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(find("python").textContent);
    tell("Copied.");
  } catch {
    getSelection().selectAllChildren(find("python"));
    tell("Marked; copy it with the keyboard.");
  }
});
document.addEventListener("paste", (event) => event.clipboardData?.files.length && add(event.clipboardData.files));
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
document.addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dragging"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add([...event.dataTransfer.files]);
});
new ResizeObserver(render).observe(find("looking"));
start();
