// Copies what a button names. Without a script one click selects it, to be copied by hand.

const SAID_MS = 2000;

async function write(source) {
  getSelection().selectAllChildren(source);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    document.execCommand("copy"); // over plain http a page has no clipboard, but may copy what is selected
  }
}

function say(button, words) {
  const label = button.querySelector("span");
  const before = label.textContent;
  if (before === words) return;
  label.textContent = words;
  document.getElementById("announcements").textContent = `${words}.`;
  setTimeout(() => { label.textContent = before; }, SAID_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copies]");
  if (!button) return;
  await write(document.getElementById(button.dataset.copies));
  say(button, "Copied");
});
