// Tells the reader that a job of theirs has ended: by the browser where it is allowed to, else in the page's title.

const TOLD = "tokenyard-told";
const TOLD_AT_MOST = 50;

const title = document.title;
const button = document.getElementById("notify");
let told = remembered();
let unread = 0;

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(TOLD)) ?? [];
  } catch {
    return []; // the browser keeps nothing for this site
  }
}

function remember(key) {
  told = [...told, key].slice(-TOLD_AT_MOST);
  try {
    localStorage.setItem(TOLD, JSON.stringify(told));
  } catch {
    // then it is told again after a reload
  }
}

function read() {
  for (const item of document.querySelectorAll("#news > [data-news]")) {
    if (told.includes(item.dataset.news)) continue;
    remember(item.dataset.news);
    if (!notify(item)) badge(unread + 1);
  }
}

// Several tabs have the same tag for the same job, so that it is shown once.
function notify(item) {
  if (!("Notification" in window) || Notification.permission !== "granted") return false;
  try {
    const notification = new Notification(item.dataset.title, { body: item.textContent, tag: item.dataset.news });
    notification.onclick = () => { window.focus(); location.href = item.dataset.href; };
    return true;
  } catch {
    return false; // phones allow it only to a worker of the site
  }
}

function badge(count) {
  unread = count;
  document.title = unread ? `(${unread}) ${title}` : title;
}

function offer() {
  button.hidden = !("Notification" in window) || Notification.permission !== "default";
}

if (button) {
  button.addEventListener("click", () => Notification.requestPermission().then(offer));
  document.addEventListener("htmx:load", read);
  for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, () => badge(0), true);
  document.addEventListener("visibilitychange", () => document.hidden || badge(0));
  offer();
}
