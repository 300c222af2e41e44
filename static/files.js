// Says which files were chosen or dropped. Uploads of datasets are another module's, which sends them at once.

import { describe } from "./choosing.js";

document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.matches('.drop input[type="file"]') || !input.files.length || input.form.dataset.uploads) return;
  input.closest(".drop").querySelector("span").textContent = describe([...input.files]);
});

// A file that misses the box must not replace the page.
for (const name of document.querySelector(".drop") ? ["dragover", "drop"] : []) {
  document.addEventListener(name, (event) => {
    const drop = event.target.closest?.(".drop");
    event.preventDefault();
    if (name === "drop" && drop && !drop.closest("[data-uploads]")) {
      const input = drop.querySelector("input");
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}
