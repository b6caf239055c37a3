// "Why not …?": any class by its name, also one that is not seen (the combobox of the ARIA practices).

import { make, two } from "./dom.js";

const MOST = 8;

// Names that begin with the words typed, then those in which a word does, then those that hold them; the more probable first.
export function matches(text, classes, probabilities) {
  const wanted = text.trim().toLowerCase();
  const rank = (name) => (name.startsWith(wanted) ? 0 : new RegExp(`\\b${RegExp.escape?.(wanted) ?? wanted.replace(/[^\w\s]/g, "\\$&")}`).test(name) ? 1 : name.includes(wanted) ? 2 : 3);
  return [...classes.keys()]
    .map((index) => [rank(classes[index].toLowerCase()), index])
    .filter(([place]) => place < 3)
    .sort((a, b) => a[0] - b[0] || probabilities[b[1]] - probabilities[a[1]])
    .slice(0, MOST)
    .map(([, index]) => index);
}

export class WhyNot {
  // chosen(index) is called with a class; facts() → { classes, probabilities } or null.
  constructor(input, list, facts, chosen) {
    Object.assign(this, { input, list, facts, chosen, place: -1, found: [] });
    input.addEventListener("input", () => this.search());
    input.addEventListener("focus", () => input.value && this.search());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.key(event));
    // A press would take the focus from the field, and close the list before the click.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  search() {
    const facts = this.facts();
    this.found = facts && this.input.value.trim() ? matches(this.input.value, facts.classes, facts.probabilities) : [];
    this.list.replaceChildren(
      ...this.found.map((index, place) =>
        make("li", { role: "option", id: `why-${place}`, "aria-selected": "false", onclick: () => this.take(place) },
          facts.classes[index], make("span", {}, two(facts.probabilities[index])))),
    );
    this.list.hidden = this.found.length === 0;
    this.input.setAttribute("aria-expanded", String(this.found.length > 0));
    this.mark(this.found.length ? 0 : -1);
  }

  mark(place) {
    this.place = place;
    [...this.list.children].forEach((each, number) => each.setAttribute("aria-selected", String(number === place)));
    if (place < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `why-${place}`);
  }

  take(place) {
    const index = this.found[place];
    this.input.value = "";
    this.close();
    this.chosen(index);
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.mark(-1);
  }

  key(event) {
    const last = this.found.length - 1;
    if (this.list.hidden) return;
    if (event.key === "ArrowDown") this.mark(this.place >= last ? 0 : this.place + 1);
    else if (event.key === "ArrowUp") this.mark(this.place <= 0 ? last : this.place - 1);
    else if (event.key === "Enter" && this.place >= 0) this.take(this.place);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
  }
}
