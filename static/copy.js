// Copies what a button names. Without a script one click selects it, to be copied by hand.

const SAID_MS = 2000;

async function write(source) {
  getSelection().selectAllChildren(source);
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    return document.execCommand("copy"); // over plain http a page has no clipboard, but may copy what is selected
  }
}

function say(button, words, sentence) {
  const label = button.querySelector("span");
  const before = (label.dataset.before ??= label.textContent);
  if (label.textContent === words) return;
  label.textContent = words;
  document.getElementById("announcements").textContent = sentence;
  setTimeout(() => { label.textContent = before; }, SAID_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copies]");
  if (!button) return;
  if (await write(document.getElementById(button.dataset.copies))) say(button, "Copied", "Copied.");
  else say(button, "Not copied", "It could not be copied. It is selected, to be copied by hand.");
});
