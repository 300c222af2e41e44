// Says which files were chosen or dropped, and sends a form that only asks for files at once.

function describe(files) {
  if (files.length === 1) return files[0].name;
  return `${files.length} files`;
}

document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.matches('.drop input[type="file"]') || !input.files.length) return;
  input.closest(".drop").querySelector("span").textContent = describe(input.files);
  if ("atOnce" in input.form.dataset) input.form.requestSubmit();
});

// A file that misses the box must not replace the page.
for (const name of document.querySelector(".drop") ? ["dragover", "drop"] : []) {
  document.addEventListener(name, (event) => {
    const drop = event.target.closest?.(".drop");
    event.preventDefault();
    if (name === "drop" && drop) {
      const input = drop.querySelector("input");
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}
