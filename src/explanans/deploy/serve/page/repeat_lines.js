// The lines of a shell and of Python that give the masks and receipts which the page shows.

import { cutOf } from "./contour.js";

export const inShell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);
// A string of JSON is one of Python, but for what lies beyond 16 bits, which JSON leaves as it is.
export const inPython = (text) => JSON.stringify(text);

const cutSaid = (level) => String(Number(cutOf(level).toFixed(6)));

export function shellLines(repeat, name, classes, level) {
  const file = classes.some((each) => each.includes(","));
  const given = file ? "classes.txt" : inShell(classes.join(","));
  const command = `${repeat.command} ${inShell(name)} --classes ${given} --mask_threshold ${cutSaid(level)}`;
  // Commas separate names; one that has a comma itself stands in a file.
  return file ? `printf '%s\\n' ${classes.map(inShell).join(" ")} > classes.txt\n${command}` : command;
}

export function pythonLines(repeat, name, classes, level) {
  return [
    repeat.load,
    "explanation = explanans.explain(",
    `    who, ${inPython(name)}, classes=[${classes.map(inPython).join(", ")}], mask_threshold=${cutSaid(level)}${repeat.options}`,
    ")",
    "for found in explanation:",
    "    print(found.name, found.receipt)",
    '    found.overlay().save(f"{found.index}.png")',
  ].join("\n");
}
