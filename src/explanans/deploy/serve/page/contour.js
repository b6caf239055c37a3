// Where a mask is cut: the level of an 8-bit mask, the area inside and its outline.

export const LEVELS = 255;
const FARTHEST = Math.log((LEVELS - 0.5) / 0.5);

// A pixel is inside from a level (1 … 255) on. The cut lies half a step below, so that no rounding moves a pixel.
export const cutOf = (level) => (level - 0.5) / LEVELS;

export const levelOf = (cut) => Math.min(LEVELS, Math.max(1, Math.ceil(cut * LEVELS - 1e-6)));

// A slider's 0 … 100 → level. Masks are steep around their cut, so that equal steps are those of a logit.
export function levelAt(position) {
  const odds = Math.exp(((position - 50) / 50) * FARTHEST);
  return Math.min(LEVELS, Math.max(1, Math.round((odds / (1 + odds)) * LEVELS + 0.5)));
}

export function positionOf(level) {
  const cut = cutOf(level);
  return Math.round(50 + (50 * Math.log(cut / (1 - cut))) / FARTHEST);
}

// The share of the pixels from the level on.
export function areaOf(mask, level) {
  let inside = 0;
  for (const value of mask.data) inside += value >= level;
  return inside / mask.data.length;
}

// From which side of a cell to which a line runs, with the inside on its left; sides are 0 top, 1 right, 2 bottom, 3 left.
// Corners count 1 (top left), 2 (top right), 4 (bottom right), 8 (bottom left).
const LINES = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];
// The two cases in which opposite corners are inside, joined through the middle.
const JOINED = { 5: [[1, 0], [3, 2]], 10: [[0, 3], [2, 1]] };

// Closed polygons, each [x0, y0, x1, y1, …] in the mask's pixels from its upper left corner (marching squares, Lorensen
// & Cline 1987, with linear interpolation). A rim of zeros closes them at the edge.
export function outlines(mask, level) {
  const { width, height, data } = mask, across = width + 2, threshold = level - 0.5;
  const at = (x, y) => (x < 1 || y < 1 || x > width || y > height ? 0 : data[(y - 1) * width + x - 1]);
  // Each side of a cell has a number: twice its corner's, and 1 more where it runs down.
  const side = (x, y, which) =>
    which === 0 ? 2 * (y * across + x) : which === 2 ? 2 * ((y + 1) * across + x) : which === 3 ? 2 * (y * across + x) + 1 : 2 * (y * across + x + 1) + 1;
  const next = new Map();
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const a = at(x, y), b = at(x + 1, y), c = at(x + 1, y + 1), d = at(x, y + 1);
      const corners = (a >= level) + 2 * (b >= level) + 4 * (c >= level) + 8 * (d >= level);
      if (corners === 0 || corners === 15) continue;
      const joined = (corners === 5 || corners === 10) && (a + b + c + d) / 4 >= threshold;
      for (const [from, to] of joined ? JOINED[corners] : LINES[corners]) next.set(side(x, y, from), side(x, y, to));
    }
  }
  const place = (number) => {
    const corner = number >> 1, x = corner % across, y = Math.floor(corner / across), down = number & 1;
    const here = at(x, y), there = down ? at(x, y + 1) : at(x + 1, y);
    const part = (threshold - here) / (there - here);
    // The corner (1, 1) is the centre of the mask's first pixel.
    const across_ = x - 0.5 + (down ? 0 : part), along = y - 0.5 + (down ? part : 0);
    return [Math.min(width, Math.max(0, across_)), Math.min(height, Math.max(0, along))];
  };
  const found = [];
  while (next.size) {
    const [first] = next.keys(), polygon = [];
    for (let number = first; next.has(number); ) {
      polygon.push(...place(number));
      const following = next.get(number);
      next.delete(number);
      number = following;
    }
    found.push(polygon);
  }
  return found;
}

// The outline as a path on a canvas of this size.
export function pathOf(mask, level, width, height) {
  const path = new Path2D(), across = width / mask.width, down = height / mask.height;
  for (const polygon of outlines(mask, level)) {
    path.moveTo(polygon[0] * across, polygon[1] * down);
    for (let place = 2; place < polygon.length; place += 2) path.lineTo(polygon[place] * across, polygon[place + 1] * down);
    path.closePath();
  }
  return path;
}
