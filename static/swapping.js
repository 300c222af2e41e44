// Puts a newer element in the place of an older one without taking anything out of the reader's hands: focus, open
// menus, how far a list was scrolled, and a button that is being pressed.

const FOCUSABLE = "a[href], button, input, select, textarea, summary";

let pressed = null;
const waiting = new Map(); // the newest for each element

// A click counts only if the mouse goes down and up on the same element.
export function whenReleased(element, act) {
  if (pressed && element.contains(pressed)) waiting.set(element.id, act);
  else act();
}

function press(event) {
  if (event.button === 0) pressed = event.target; // a menu's click may have no end
}

function release() {
  pressed = null;
  const acts = [...waiting.values()];
  waiting.clear();
  setTimeout(() => acts.forEach((act) => act()), 0); // after the click that follows
}

document.addEventListener("pointerdown", press, true);
for (const name of ["pointerup", "pointercancel", "dragend", "contextmenu"]) document.addEventListener(name, release, true);
window.addEventListener("blur", release);

export function swap(current, element) {
  const open = [...current.querySelectorAll(":popover-open, details[open]")].filter((each) => each.id);
  const scrolled = open.map((each) => [each.id, each.scrollTop]);
  const focused = current.contains(document.activeElement) ? tellApart(document.activeElement) : null;
  window.htmx.swap(current, element.outerHTML, { swapStyle: "outerHTML" });
  for (const { id } of open) reopen(document.getElementById(id));
  for (const [id, top] of scrolled) document.getElementById(id)?.scrollTo({ top });
  if (focused && document.activeElement === document.body) focusAgain(focused);
  return document.getElementById(element.id);
}

function reopen(element) {
  if (!element) return;
  if ("open" in element) element.open = true;
  else if (element.popover && !element.matches(":popover-open")) element.showPopover();
}

const nameOf = (element) => `${element.tagName} ${element.getAttribute("aria-label") ?? element.textContent.trim()}`;

function tellApart(element) {
  const within = [];
  for (let each = element.parentElement; each; each = each.parentElement) if (each.id) within.push(each.id);
  return { id: element.id, name: nameOf(element), within };
}

// The same element, or what now stands where it was, as Resume does for Pause.
function focusAgain({ id, name, within }) {
  const place = within.map((each) => document.getElementById(each)).find(Boolean);
  const choices = [...(place?.querySelectorAll(FOCUSABLE) ?? [])].filter((each) => each.checkVisibility());
  const same = (id && document.getElementById(id)) || choices.find((each) => nameOf(each) === name);
  (same ?? choices[0])?.focus({ preventScroll: true });
}
