// A ZIP archive in memory, its members stored as they are: pictures are packed already (APPNOTE.TXT 6.3, PKWARE).

const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  for (let bit = 0; bit < 8; bit++) number = number & 1 ? 0xedb88320 ^ (number >>> 1) : number >>> 1;
  return number;
});

export function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

// files: { name: Uint8Array } → Blob. Names are UTF-8; the time is 1 January 1980, the first that ZIP knows.
export function zip(files) {
  const parts = [], entries = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const label = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, stored, time, date, checksum, sizes, length of the name, no extra field.
    const facts = [[20, 2], [0x800, 2], [0, 2], [0, 2], [33, 2], [checksum(content), 4], [content.length, 4], [content.length, 4], [label.length, 2], [0, 2]];
    const local = packed([[0x04034b50, 4], ...facts]);
    entries.push(packed([[0x02014b50, 4], [20, 2], ...facts, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), label);
    parts.push(local, label, content);
    offset += local.length + label.length + content.length;
  }
  const size = entries.reduce((sum, each) => sum + each.length, 0), count = entries.length / 2;
  const end = packed([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

// Numbers, each [value, bytes], lowest byte first.
function packed(numbers) {
  const bytes = [];
  for (const [value, length] of numbers) for (let place = 0; place < length; place++) bytes.push(Math.floor(value / 256 ** place) & 255);
  return Uint8Array.from(bytes);
}
