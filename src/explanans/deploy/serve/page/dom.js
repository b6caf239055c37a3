// Small helpers to make and find elements; text is always text, never markup.

export const find = (id) => document.getElementById(id);

// make("p", { class: "soft", onclick: … }, "text", element, …)
export function make(tag, settings = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) made.style.setProperty(name, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...there(content));
  return made;
}

// What is not there, null, would become the word.
export const there = (content) => content.filter((each) => each !== null);

export function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  return canvas;
}

export const bar = (value, colour, kind = "") => make("span", { class: `bar ${kind}`, "--c": colour, "--v": value }, make("i"));
export const two = (value) => value.toFixed(2);
export const percent = (value) => `${Math.round(100 * value)} %`;
