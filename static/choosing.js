// What was dropped, folders with all that is in them; and figures as the pages write them.

const SIZES = [[1e12, "TB", 2], [1e9, "GB", 2], [1e6, "MB", 1], [1e3, "kB", 1]];

const unitOf = (bytes) => SIZES.find(([unit]) => bytes >= unit) ?? [1, bytes === 1 ? "byte" : "bytes", 0];

function figure(bytes, [unit, , places]) {
  return (bytes / unit).toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
}

export const size = (bytes) => `${figure(bytes, unitOf(bytes))} ${unitOf(bytes)[1]}`;
export const withoutUnit = (bytes, ofBytes) => figure(bytes, unitOf(ofBytes));

export function clock(seconds) {
  const whole = Math.ceil(seconds);
  const pad = (part) => String(part).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

export const describe = (files) => (files.length === 1 ? files[0].name : `${files.length.toLocaleString("en")} files`);

export async function collect({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean); // gone after an await
  if (!entries.length) return { chosen: [...files].map((file) => ({ file, name: file.name })), isFolder: false };
  const chosen = [];
  for (const entry of entries) await addAll(entry, chosen);
  return { chosen, isFolder: entries.some((entry) => entry.isDirectory) };
}

async function addAll(entry, chosen) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
    chosen.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (let some = await read(reader); some.length; some = await read(reader)) {
    for (const inside of some) await addAll(inside, chosen);
  }
}

// A browser gives a hundred at a time.
const read = (reader) => new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
