// The classes as bars: point at one, pin some, walk with the arrow keys.

import { areaOf } from "./contour.js";
import { bar, make, percent, there, two } from "./dom.js";

const MOST = 8;

// The classes in the list: the most probable ones and whatever was asked for, most probable first.
export function listed(photo) {
  const { probabilities } = photo, most = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST);
  const all = new Set([...most, ...photo.found.keys(), ...photo.asking]);
  return [...all].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
}

export class ClassList {
  // acts: { point(index or null), choose(index), pin(index), unpinAll() }
  constructor(list, acts) {
    this.list = list;
    this.acts = acts;
    this.rows = new Map();
    list.addEventListener("pointerleave", () => acts.point(null));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  update(photo, about, shown) {
    const order = photo.probabilities ? listed(photo) : [];
    for (const [index, row] of this.rows) {
      if (order.includes(index) && row.photo === photo) continue;
      row.element.remove();
      this.rows.delete(index);
    }
    for (const index of order) {
      if (!this.rows.has(index)) this.rows.set(index, { photo, element: this.row(index, about) });
    }
    // A row that moves would lose the focus.
    order.forEach((index, place) => {
      const { element } = this.rows.get(index);
      if (this.list.children[place] !== element) this.list.insertBefore(element, this.list.children[place] ?? null);
      this.fill(element, index, photo, about, shown);
    });
    if (order.length && !order.includes(photo.active)) this.rows.get(order[0]).element.tabIndex = 0;
  }

  focus(index) {
    this.rows.get(index)?.element.focus();
  }

  row(index, about) {
    const acts = this.acts;
    return make("li", {
      class: "class", role: "option", "data-index": index, "--c": about.colours[index], tabindex: -1,
      onpointerenter: (event) => event.pointerType === "mouse" && acts.point(index),
      onfocus: () => acts.choose(index),
      onclick: () => acts.pin(index),
    });
  }

  fill(row, index, photo, about, shown) {
    const found = photo.found.get(index), probability = photo.probabilities[index], asking = photo.asking.has(index);
    row.setAttribute("aria-selected", photo.pinned.includes(index));
    row.tabIndex = index === photo.active ? 0 : -1;
    row.classList.toggle("shown", shown.includes(index));
    row.classList.toggle("ready", found !== undefined);
    row.classList.toggle("asking", asking);
    const receipt = found?.receipts.get(photo.level) ?? null;
    const area = found ? `area ${percent(areaOf(found.mask, photo.level))}` : "";
    const says = receipt ? `keeps ${two(receipt.kept)} · removes ${two(receipt.removed)} · ${area}` : asking ? "asking for its mask …" : area;
    row.replaceChildren(...there([
      make("span", { class: "swatch", "aria-hidden": "true" }),
      make("span", { class: "name" }, about.classes[index]),
      make("span", { class: "number" }, two(probability)),
      bar(probability, about.colours[index]),
      says ? make("span", { class: "says" }, says) : null,
    ]));
  }

  key(event) {
    const rows = [...this.list.children], here = rows.indexOf(document.activeElement);
    if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const places = { ArrowDown: here + 1, ArrowUp: here - 1, ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: rows.length - 1 };
    if (event.key in places) rows[Math.min(rows.length - 1, Math.max(0, places[event.key]))].focus();
    else if (event.key === " " || event.key === "Enter") this.acts.pin(Number(rows[here].dataset.index));
    else if (event.key === "Escape") this.acts.unpinAll();
    else return;
    event.preventDefault();
  }
}
