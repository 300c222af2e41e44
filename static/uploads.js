// Sends chosen or dropped files in pieces, shows how far they are, and goes on where a lost connection left off. How
// far a file is only the server knows: it is asked after every failure, and after a reload with the same files.

import { clock, collect, describe, size, withoutUnit } from "./choosing.js";

const SMALLEST_BYTES = 1 << 18, FIRST_BYTES = 1 << 20, LARGEST_BYTES = 8 << 20;
const QUICK_MS = 1000;
const STALLED_MS = 30_000; // nothing moved for so long: the connection is gone, though nobody said so
const WAITS_S = [1, 2, 4, 8, 15, 30];
const DRAWN_MS = 250;
const SPEED_MS = 5000;
const MOST_FILES = 5000;
const BAD_STATUS = {
  401: ["You are signed out.", "Sign in in another tab, then try again: what has arrived is kept."],
  403: ["The server does not know this page any more.", "Reload it and choose the same files again: what has arrived is kept."],
  404: ["This upload is no longer there.", "Choose the files again."],
  413: ["The server takes no pieces of this size.", "Ask an administrator what stands between you and it."],
};

class Lost extends Error {} // worth another try, after a while
class Refused extends Error {
  constructor([said, advice], status) {
    super(said);
    this.advice = advice ?? "";
    this.mayGoOn = status === 401;
  }
}

// Requests

const token = () => /(?:^|; )tokenyard_csrf=([^;]+)/.exec(document.cookie)?.[1];

function ask(method, url, { body, signal, moved = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let stalled;
    const alive = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => request.abort(), STALLED_MS);
    };
    request.open(method, url);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", token() ?? "");
    if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => { alive(); moved(event.loaded); };
    request.onloadend = () => {
      clearTimeout(stalled);
      if (signal?.aborted) reject(signal.reason);
      else settle(request, resolve, reject);
    };
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    alive();
    request.send(body);
  });
}

function settle({ status, responseText }, resolve, reject) {
  if (status === 0 || (status >= 500 && status !== 507)) return reject(new Lost(status ? "The server does not answer." : "Connection lost."));
  let answer;
  try {
    answer = JSON.parse(responseText);
  } catch {
    return reject(new Refused(BAD_STATUS[status] ?? [responseText.trim().slice(0, 300) || "The server refuses this."], status));
  }
  if (status < 300 || status === 409) return resolve(answer);
  reject(new Refused(answer.error ? [answer.error, answer.advice] : BAD_STATUS[status], status));
}

// What the reader sees

class View {
  constructor(form, files, cancel) {
    this.form = form;
    this.root = form.querySelector("template").content.firstElementChild.cloneNode(true);
    this.rows = new Map();
    this.speeds = [];
    const list = this.part("files"), row = list.firstElementChild;
    list.replaceChildren(...files.map((file) => this.row(row.cloneNode(true), file)));
    this.part("cancel").onclick = cancel;
    form.querySelector("[data-choose]").hidden = true;
    form.append(this.root);
    this.root.focus();
    this.timer = setInterval(() => this.draw(), DRAWN_MS);
    addEventListener("beforeunload", stay);
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  row(row, file) {
    row.querySelector("span").textContent = file.name;
    row.querySelector("progress").setAttribute("aria-label", file.name);
    this.rows.set(file, row);
    return row;
  }

  begin(files) {
    for (const [file, row] of this.rows) if (!files.includes(file)) row.remove();
    this.files = files;
    this.total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    this.draw();
  }

  draw() {
    if (!this.files) return;
    const sent = this.files.reduce((sum, file) => sum + file.sent + file.onWay, 0);
    const share = this.total ? (100 * sent) / this.total : 100;
    const speed = this.root.dataset.status === "running" ? this.speed(sent) : null;
    this.say("says", `Sending ${describe(this.files)}`);
    this.say("percent", `${(sent < this.total ? Math.min(share, 99.9) : 100).toFixed(1)}%`);
    this.part("bar").value = share;
    this.say("sent", size(sent));
    this.say("total", `of ${size(this.total)}`);
    this.say("speed", speed === null ? "–" : (speed / 1e6).toFixed(1));
    this.say("remaining", speed ? clock((this.total - sent) / speed) : "--:--");
    for (const file of this.files) this.drawFile(file);
  }

  drawFile(file) {
    const { sent, onWay, bytes } = file, row = this.rows.get(file);
    const drawn = `${sent} ${onWay}`;
    if (row.dataset.drawn === drawn) return;
    row.dataset.drawn = drawn;
    row.querySelector("small").textContent = sent === bytes ? size(bytes) : `${withoutUnit(sent + onWay, bytes)} of ${size(bytes)}`;
    row.querySelector("progress").value = (sent + onWay) / bytes;
  }

  speed(sent) {
    const now = performance.now();
    this.speeds.push([now, sent]);
    while (this.speeds.length > 2 && this.speeds[1][0] < now - SPEED_MS) this.speeds.shift();
    const [[then, before]] = this.speeds;
    return now - then < QUICK_MS ? null : Math.max(0, (1000 * (sent - before)) / (now - then));
  }

  say(name, words) {
    const part = this.part(name);
    if (part.textContent !== words) part.textContent = words;
  }

  // The promise is kept when the reader presses the button.
  note(said, advice, button) {
    const note = this.part("note");
    const [first, second] = note.querySelectorAll("p");
    if (first.textContent !== said) announce(`${said} ${advice}`);
    first.textContent = said;
    second.textContent = advice;
    note.querySelector("button").textContent = button;
    note.hidden = false;
    this.root.dataset.status = "paused";
    return new Promise((resolve) => { note.querySelector("button").onclick = resolve; });
  }

  goOn() {
    this.part("note").hidden = true;
    this.root.dataset.status = "running";
    this.speeds = [];
  }

  end() {
    clearInterval(this.timer);
    removeEventListener("beforeunload", stay);
  }

  close(error) {
    this.end();
    this.root.remove();
    this.form.reset();
    this.form.querySelector("[data-choose]").hidden = false;
    tell(this.form, error);
    this.form.querySelector("input[type=file]").focus();
  }
}

const announce = (words) => { document.getElementById("announcements").textContent = words; };
const stay = (event) => event.preventDefault();

// The way of the files

class Upload {
  constructor(form, chosen, isFolder) {
    this.files = chosen.map(({ file, name }) => ({ file, name, bytes: file.size, sent: 0, onWay: 0 }));
    this.isFolder = isFolder;
    this.start = form.dataset.uploads;
    this.pieceBytes = FIRST_BYTES;
    this.stopping = new AbortController();
    this.view = new View(form, this.files, () => this.cancel());
  }

  async run() {
    try {
      await this.patiently(() => this.begin());
      while (!this.next) await this.patiently(() => this.send());
      this.view.draw();
      this.view.end();
      announce("Upload finished.");
      location.assign(this.next);
    } catch (error) {
      const isCancelled = this.stopping.signal.aborted;
      this.view.close(isCancelled ? null : said(error));
      if (!isCancelled && !(error instanceof Refused)) throw error;
    }
  }

  // Again and again while the connection is lost; after another sign-in too.
  async patiently(deed) {
    for (let tries = 0; ; tries += 1) {
      const before = this.sent;
      try {
        return await deed();
      } catch (error) {
        if (!(error instanceof Lost || error.mayGoOn)) throw error;
        if (this.sent > before) tries = 0;
        for (const file of this.files) file.onWay = 0;
        this.pieceBytes = Math.max(SMALLEST_BYTES, this.pieceBytes / 2);
        if (error instanceof Lost) await this.wait(error, WAITS_S[Math.min(tries, WAITS_S.length - 1)]);
        else await this.unlessStopped(this.view.note(error.message, error.advice, "Try again"));
        this.isUnsure = true;
        this.view.goOn();
      }
    }
  }

  get sent() {
    return this.files.reduce((sum, { sent }) => sum + sent, 0);
  }

  async wait(error, seconds) {
    const until = performance.now() + 1000 * seconds;
    let pressed = false;
    const now = () => { pressed = true; };
    addEventListener("online", now, { once: true });
    for (let left = seconds; left > 0 && !pressed; left = Math.ceil((until - performance.now()) / 1000)) {
      this.view.note(error.message, `Trying again in ${left} s. What has arrived is kept.`, "Try now").then(now);
      await this.unlessStopped(new Promise((resolve) => { setTimeout(resolve, 200); }));
    }
    removeEventListener("online", now);
  }

  unlessStopped(promise) {
    const { signal } = this.stopping;
    return Promise.race([promise, new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    })]);
  }

  async begin() {
    const files = this.files.map(({ file, name, bytes }) => ({ name, bytes, modified: file.lastModified }));
    const body = JSON.stringify({ files, is_folder: this.isFolder });
    const answer = await this.ask("POST", this.start, { body });
    this.files = answer.places.map((place) => this.files[place]);
    this.url = answer.url;
    this.adopt(answer);
    this.view.begin(this.files);
    document.querySelector(`[data-upload="${this.url}"]`)?.remove(); // of those that wait
    announce(`Sending ${describe(this.files)}.`);
  }

  // From where the server is, through all files.
  async send() {
    if (this.isUnsure) this.adopt(await this.ask("GET", this.url));
    this.isUnsure = false;
    for (const [number, file] of this.files.entries()) {
      while (file.sent < file.bytes) await this.sendPiece(number, file);
    }
    if (!this.next) this.adopt(await this.ask("GET", this.url));
  }

  adopt({ files, next }) {
    files.forEach(({ sent }, number) => Object.assign(this.files[number], { sent, onWay: 0 }));
    this.next = next;
  }

  async sendPiece(number, file) {
    const piece = file.file.slice(file.sent, file.sent + this.pieceBytes);
    const began = performance.now();
    try {
      const moved = (bytes) => { file.onWay = Math.min(bytes, piece.size); };
      const answer = await this.ask("POST", `${this.url}${number}/?offset=${file.sent}`, { body: piece, moved });
      Object.assign(file, { sent: answer.sent, onWay: 0 });
      this.next = answer.next;
    } catch (error) {
      if (error instanceof Lost) await check(file);
      throw error;
    }
    if (performance.now() - began < QUICK_MS) this.pieceBytes = Math.min(LARGEST_BYTES, 2 * this.pieceBytes);
  }

  ask(method, url, options = {}) {
    return ask(method, url, { ...options, signal: this.stopping.signal });
  }

  cancel() {
    this.stopping.abort(new Error("cancelled"));
    announce("Upload cancelled.");
    if (this.url) ask("POST", `${this.url}remove/`).catch(() => {}); // the server removes it in a day otherwise
  }
}

// A browser tells a file that was changed or moved like a connection that was lost.
async function check({ file, name }) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Refused([`${name} cannot be read any more.`, "It was changed or moved meanwhile: choose the files again."]);
  }
}

const said = (error) => (error instanceof Refused ? error : new Refused(["Something went wrong on this page.", "Reload it and choose the same files again: what has arrived is kept."]));

function tell(form, error) {
  const refused = form.querySelector("[data-refused]");
  refused.hidden = !error;
  refused.querySelector("span").textContent = error ? `${error.message} ${error.advice}`.trim() : "";
}

function start(form, chosen, isFolder) {
  if (form.querySelector("[data-sending]")) return;
  tell(form, chosen.length || !isFolder ? null : new Refused(["There is no file in this folder.", "Choose another one."]));
  if (!chosen.length) return;
  if (isFolder) chosen.sort(byName); // their order is the disk's otherwise, and another one after a reload
  const upload = new Upload(form, chosen.slice(0, MOST_FILES), isFolder);
  if (chosen.length > MOST_FILES) upload.view.close(new Refused([`That is over ${MOST_FILES.toLocaleString("en")} files.`, "Join them, or add them in parts."]));
  else upload.run();
}

// What was chosen or dropped

const byName = (one, other) => (one.name < other.name ? -1 : 1);

document.addEventListener("change", ({ target }) => {
  const form = target.closest?.("form[data-uploads]");
  if (!form || target.type !== "file") return;
  const chosen = [...target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  start(form, chosen, target.webkitdirectory);
});

for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, async (event) => {
    const form = event.target.closest?.("form[data-uploads]");
    if (!form) return;
    form.querySelector(".drop").toggleAttribute("data-over", name === "dragover");
    if (name !== "drop") return;
    try {
      const { chosen, isFolder } = await collect(event.dataTransfer);
      start(form, chosen, isFolder);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      tell(form, new Refused(["This cannot be read.", "It may have been moved or changed: drop it again."]));
    }
  });
}
