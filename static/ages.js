// Keeps "8 s ago" true while a page stays open.

const EVERY_MS = 5000;
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"]];
const MONTH_SECONDS = 30 * 86400;

function words(seconds) {
  for (const [length, name] of UNITS) {
    const count = Math.floor(seconds / length);
    if (count) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return `${Math.max(Math.floor(seconds), 0)} s ago`;
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (seconds < MONTH_SECONDS) time.textContent = words(seconds);
  }
}, EVERY_MS);
