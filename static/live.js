// Keeps the cards of an open page equal to the database: swaps newer fragments in, refuses older ones,
// polls when the socket is down, ticks the clocks between two updates.

const STALE_MS = 5000; // without a beat for so long the page polls
const POLL_MS = 3000;
const ACKNOWLEDGE_MS = 1000;
const RECONNECT_MS = 3000;
const WORDS = { live: "Live", reconnecting: "Reconnecting", polling: "Polling", failed: "Signed out" };

const feed = () => document.getElementById("feed"); // gone when nothing on the page can change any more
const chip = document.getElementById("live");
const announcements = document.getElementById("announcements");

let socket = null;
let openedAt = performance.now(); // of the socket, or of the page while there is none yet
let heardAt = -Infinity; // the last beat or frame
let answeredAt = -Infinity; // the last answer to a poll
let readAt = performance.now(); // the last time that figures came in, by whatever way
let polledAt = performance.now();
let signedOut = false;
let seen = 0;
let acknowledged = 0;

const versionOf = (element) => Number(element.dataset.version);

// Fragments

function adopt(html) {
  const incoming = new DOMParser().parseFromString(html, "text/html").body;
  for (const element of [...incoming.children]) adoptElement(element);
}

function adoptElement(element) {
  const current = element.id && document.getElementById(element.id);
  if (!current) return;
  if ("gone" in element.dataset) {
    current.remove();
  } else if (versionOf(element) > versionOf(current)) {
    keepNewerParts(element, current);
    announce(element, current);
    window.htmx.swap(current, element.outerHTML, { swapStyle: "outerHTML" });
    startClocks(document.getElementById(element.id));
  } else {
    for (const part of element.querySelectorAll("[data-version][id]")) adoptElement(part);
  }
}

// A frame may carry figures that are older than those already here.
function keepNewerParts(element, current) {
  for (const part of element.querySelectorAll("[data-version][id]")) {
    const here = current.querySelector(`#${CSS.escape(part.id)}`);
    if (here && versionOf(here) > versionOf(part)) part.replaceWith(here.cloneNode(true));
  }
}

function announce(element, current) {
  const before = current.dataset.said, after = element.dataset.said;
  if (after && after !== before) announcements.textContent = after;
}

// The socket

document.addEventListener("htmx:wsOpen", (event) => {
  socket = event.detail.socketWrapper;
  seen = acknowledged = 0;
  openedAt = performance.now();
});

document.addEventListener("htmx:wsClose", (event) => {
  socket = null;
  heardAt = -Infinity;
  if (event.detail.event.code === 4401) signedOut = true;
  show();
});

document.addEventListener("htmx:wsBeforeMessage", (event) => {
  event.preventDefault();
  seen += 1;
  heard();
  const text = event.detail.message;
  if (text.startsWith("{")) compare(JSON.parse(text).versions);
  else adopt(text);
});

function heard() {
  heardAt = readAt = performance.now();
  show();
}

// A beat names the versions of what this page shows: whatever is older here is asked for.
function compare(versions) {
  const owners = new Set();
  for (const [id, version] of Object.entries(versions)) {
    const element = document.getElementById(id);
    if (element && versionOf(element) < version) owners.add(element.closest("[hx-get]"));
  }
  for (const owner of owners) refresh(owner);
}

setInterval(() => {
  if (socket && feed() && seen > acknowledged) {
    acknowledged = seen;
    socket.send(JSON.stringify({ seen }), feed());
  }
}, ACKNOWLEDGE_MS);

// Polling

const frames = () => document.querySelectorAll("[data-version][hx-get]");
const refresh = (element) => element && window.htmx.trigger(element, "refresh");

function poll() {
  polledAt = performance.now();
  for (const element of frames()) refresh(element);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  if (requestConfig.verb !== "get" || !target.matches?.("[data-version]")) return;
  event.detail.shouldSwap = false;
  readAt = answeredAt = performance.now();
  if (xhr.status === 404) target.remove();
  else if (xhr.status === 200) adopt(xhr.responseText);
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status === 401) signedOut = true;
  show();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && feed()) poll();
});

setInterval(() => {
  const now = performance.now();
  if (feed() && !document.hidden && now - heardAt > STALE_MS && now - polledAt >= POLL_MS - 400) poll();
  if (socket && feed() && now - Math.max(heardAt, openedAt) > 2 * STALE_MS) {
    openedAt = now;
    socket.reconnect(); // half open: the other side has gone without a word
  }
  show();
  tick();
}, 1000);

// What the page says of itself

function state() {
  if (signedOut) return "failed";
  if (performance.now() - heardAt <= STALE_MS) return "live";
  return performance.now() - answeredAt <= STALE_MS ? "polling" : "reconnecting";
}

function show() {
  if (!chip) return;
  chip.hidden = !feed();
  const now = state();
  const age = Math.round((performance.now() - readAt) / 1000);
  if (chip.dataset.status !== now) {
    chip.dataset.status = now;
    chip.querySelector("use").setAttribute("href", `#i-${now}`);
    chip.querySelector("span").textContent = WORDS[now];
  }
  const small = chip.querySelector("small");
  if (small) small.textContent = age > STALE_MS / 1000 ? `${age} s old` : "";
}

// Clocks run on between two updates.

const starts = new WeakMap();

function startClocks(root) {
  for (const clock of root?.querySelectorAll("time[data-ticking]") ?? []) starts.set(clock, performance.now());
}

function tick() {
  for (const clock of document.querySelectorAll("time[data-ticking]")) {
    if (!starts.has(clock)) starts.set(clock, performance.now());
    const since = Math.floor((performance.now() - starts.get(clock)) / 1000);
    clock.textContent = words(parseInt(clock.dateTime.slice(2), 10) + since);
  }
}

function words(seconds) {
  const pad = (figure) => String(figure).padStart(2, "0");
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

window.htmx.config.wsReconnectDelay = (tries) => Math.min(RECONNECT_MS, 250 * 2 ** tries);
startClocks(document);
show();
