// Words that depend on the moment or on the reader: "8 s ago" stays true while a page is open, and whoever did
// something reads "You". The fragments are the same for everybody.

const EVERY_MS = 5000;
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"]];
const MONTH_SECONDS = 30 * 86400;

function age(seconds) {
  for (const [length, name] of UNITS) {
    const count = Math.floor(seconds / length);
    if (count) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return `${Math.max(Math.floor(seconds), 0)} s ago`;
}

function keepAges() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (seconds < MONTH_SECONDS) time.textContent = age(seconds);
  }
}

function addressReader() {
  for (const person of document.querySelectorAll(`[data-person="${document.body.dataset.reader}"]`)) {
    person.textContent = "You";
  }
}

document.addEventListener("htmx:load", addressReader);
addressReader();
setInterval(keepAges, EVERY_MS);
