// An answer takes the place of the page that waited for it: it is announced, and the keyboard goes on from its heading,
// unless the reader is at something around it, such as a menu.

const isNowhere = () => !document.activeElement || document.activeElement === document.body;

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "main") return;
  const heading = target.querySelector("h1");
  if (heading.dataset.said) document.getElementById("announcements").textContent = heading.dataset.said;
  if (isNowhere()) heading.focus({ preventScroll: true });
});
