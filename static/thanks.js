// Adds a button that copies the completion code, where the browser can.
const copy = document.querySelector(".copy");

if (copy && navigator.clipboard) {
  const button = copy.querySelector("button");
  copy.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector("#code").textContent.trim());
    button.textContent = button.dataset.done;
  });
}
