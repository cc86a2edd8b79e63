// Small things the desk's pages do in the browser; everything else is the server's.

// A button with data-copy puts that text on the clipboard and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    // Without https browsers give no clipboard: then the link is there to be copied by hand.
    window.prompt("Copy this link:", button.dataset.copy);
    return;
  }
  setTimeout(() => { button.textContent = words; }, 1500);
});

// The short name follows the title until somebody writes it.
document.addEventListener("DOMContentLoaded", () => {
  const title = document.querySelector("#first-step [name=title]");
  const slug = document.querySelector("#first-step [name=slug]");
  if (!title || !slug) return;
  let follows = !slug.value;
  slug.addEventListener("input", () => { follows = !slug.value; });
  title.addEventListener("input", () => {
    if (!follows) return;
    const plain = title.value.normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
    slug.value = plain.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  });
});
