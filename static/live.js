// Keeps an open page equal to the database: swaps newer fragments in, refuses older ones, polls when the socket is
// down, ticks the clocks between two updates.

import { swap, whenReleased } from "./swapping.js";

const STALE_MS = 5000; // without a beat for so long the page polls
const POLL_MS = 3000;
const RECONNECT_MS = 3000;
const SLEPT_MS = 4000; // a second that took so long was no second of this page
const SIGNED_OUT = 4401;
const NOTHING = "nothing"; // what the page without datasets has seen
const WORDS = { live: "Live", reconnecting: "Reconnecting", polling: "Polling", failed: "Signed out" };

const feed = () => document.getElementById("feed");
const chip = document.getElementById("live");
const announcements = document.getElementById("announcements");

let socket = null;
let openedAt = performance.now(); // of the socket, or of the page while there is none yet
let heardAt = -Infinity; // the last beat or frame
let answeredAt = -Infinity; // the last answer to a poll
let readAt = performance.now(); // the last time that figures came in, by whatever way
let polledAt = performance.now();
let signedOut = false;

const versionOf = (element) => Number(element.dataset.version);

// Fragments

function adopt(html, readAt) {
  const incoming = new DOMParser().parseFromString(html, "text/html").body;
  if (readAt) for (const element of incoming.querySelectorAll("[data-digest]")) element.dataset.version = readAt;
  for (const element of [...incoming.children]) adoptElement(element);
}

function adoptElement(element) {
  const current = element.id && document.getElementById(element.id);
  if (!current) return;
  if ("gone" in element.dataset) leave(current);
  else if (isNews(element, current)) replace(current, element);
  else adoptParts(element, current);
}

function leave(current) {
  if ("reload" in current.dataset) location.reload(); // the page is about what is gone
  else current.remove();
}

// Lists are told apart by what is on them, overviews by a digest of what they say, everything else by its version.
function isNews(element, current) {
  if (element.dataset.seen) return element.dataset.seen !== current.dataset.seen;
  if (!(versionOf(element) > versionOf(current))) return false;
  return !element.dataset.digest || element.dataset.digest !== current.dataset.digest;
}

function replace(current, element) {
  if (isAnotherPage(current, element)) {
    if (!isUploading()) location.reload();
    return;
  }
  whenReleased(current, () => {
    if (document.contains(current)) replaceNow(current, element); // else something newer came meanwhile
  });
}

// The list with datasets and the one without.
function isAnotherPage(current, element) {
  return element.dataset.seen && (element.dataset.seen === NOTHING) !== (current.dataset.seen === NOTHING);
}

function isUploading() {
  if (document.querySelector("[data-sending]")) return true;
  return [...document.querySelectorAll("input[type=file]")].some((input) => input.files.length);
}

function replaceNow(current, element) {
  keepNewerParts(element, current);
  announce(element);
  startClocks(swap(current, element));
}

function adoptParts(element, current) {
  if (element.dataset.digest && versionOf(element) > versionOf(current)) current.dataset.version = element.dataset.version;
  for (const part of element.querySelectorAll("[data-version][id]")) adoptElement(part);
}

// A frame may carry figures that are older than those already here.
function keepNewerParts(element, current) {
  for (const part of element.querySelectorAll("[data-version][id]")) {
    const here = current.querySelector(`#${CSS.escape(part.id)}`);
    if (here && versionOf(here) > versionOf(part)) part.replaceWith(here.cloneNode(true));
  }
}

// Only what is new is said: a stage, an end; also when it comes within a card.
function announce(element) {
  const news = [element, ...element.querySelectorAll("[data-said]")]
    .filter(({ id, dataset }) => dataset.said && dataset.said !== document.getElementById(id)?.dataset.said)
    .map(({ dataset }) => dataset.said);
  if (news.length) announcements.textContent = news.join(" ");
}

// The socket: one at a time, whoever asked for a new one

let latest = null;
const noSocket = { close() {}, addEventListener() {} };

window.htmx.createWebSocket = (url) => {
  if (!feed() || !url.endsWith(feed().getAttribute("ws-connect"))) return noSocket; // of a list that is no longer shown
  if (latest) {
    latest.onclose = null;
    latest.close();
  }
  latest = new WebSocket(url, []);
  return latest;
};

document.addEventListener("htmx:wsOpen", (event) => {
  socket = event.detail.socketWrapper;
  openedAt = performance.now();
});

document.addEventListener("htmx:wsClose", (event) => {
  if (event.target !== feed()) return; // the one of a list that is no longer shown
  socket = null;
  heardAt = -Infinity;
  if (event.detail.event.code === SIGNED_OUT) signedOut = true;
  show();
});

document.addEventListener("htmx:wsBeforeMessage", (event) => {
  event.preventDefault();
  if (event.target !== feed()) return;
  heardAt = readAt = performance.now();
  show();
  const text = event.detail.message;
  if (text.startsWith("{")) hearBeat(JSON.parse(text));
  else adopt(text);
});

// A beat brings what depends on all jobs, and names the versions of what this page shows: what is older is asked for.
// It is acknowledged, so that the server knows how far this tab has kept up.
function hearBeat(beat) {
  socket?.send(JSON.stringify({ beat: beat.beat }), feed());
  adopt(beat.html);
  const owners = new Set();
  for (const [id, version] of Object.entries(beat.versions)) {
    const element = document.getElementById(id);
    if (element && versionOf(element) < version) owners.add(element.closest("[hx-get]"));
  }
  const list = document.querySelector("[data-seen]");
  if (list && beat.seen && list.dataset.seen !== beat.seen) owners.add(list);
  for (const owner of owners) refresh(owner);
}

// Polling. An overview that was not sent again, because its words are those of an earlier answer, is as new as the
// moment at which the server read it again.

const refresh = (element) => element && window.htmx.trigger(element, "refresh");

function poll() {
  polledAt = performance.now();
  for (const element of document.querySelectorAll("[hx-get][hx-trigger='refresh']")) refresh(element);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  const isPoll = requestConfig.verb === "get" && (target.matches?.("[data-version], [data-parts]") || target === requestConfig.elt);
  const isDeed = isAnswered(requestConfig, xhr) && target.matches?.("[data-version]");
  if (!isPoll && !isDeed) return;
  event.detail.shouldSwap = false;
  if (isPoll && xhr.status === 404) leave(target);
  else if (isPoll && xhr.status === 200) adopt(xhr.responseText, xhr.getResponseHeader("Read-At"));
});

// The buttons of a card: the answer is looked for by name, as what they belonged to may have been replaced meanwhile.

const isAnswered = ({ verb }, { status }) => verb === "post" && (status === 200 || status === 409);

document.addEventListener("htmx:beforeRequest", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  if (requestConfig.verb !== "post" || !target.matches?.("[data-version]")) return;
  xhr.addEventListener("load", () => {
    if (isAnswered(requestConfig, xhr)) answer(target.id, xhr.responseText);
  });
});

// What was asked for is shown also at the same version; of an answer that is older than the page, its note.
function answer(id, html) {
  const [element] = new DOMParser().parseFromString(html, "text/html").body.children;
  const current = document.getElementById(id);
  if (!element || !current) return;
  const note = element.querySelector(".note[data-status='info']");
  if (!(versionOf(element) < versionOf(current))) replaceNow(current, element);
  else if (note) current.querySelector("header").after(note);
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, requestConfig, elt } = event.detail;
  if (xhr.status === 401) signedOut = true;
  const isAnswer = xhr.status >= 200 && xhr.status < 400;
  if (isAnswer && requestConfig.verb === "get" && elt.matches("[hx-trigger='refresh']")) {
    readAt = answeredAt = performance.now();
  }
  show();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && feed()) poll();
});

let tickedAt = Date.now();

setInterval(() => {
  if (Date.now() - tickedAt > SLEPT_MS) heardAt = polledAt = -Infinity;
  tickedAt = Date.now();
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
  const now = state();
  const age = Math.round((performance.now() - readAt) / 1000);
  if (chip.dataset.status !== now) {
    chip.dataset.status = now;
    chip.querySelector("use").setAttribute("href", `#i-${now}`);
    chip.querySelector("span").textContent = WORDS[now];
  }
  const words = age > STALE_MS / 1000 ? `${age} s old` : "";
  const small = chip.querySelector("small");
  if (small.textContent !== words) small.textContent = words;
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
