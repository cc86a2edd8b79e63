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

// A part with data-renew is asked for again every so many seconds, while somebody looks at it and the box named by
// data-renew-if is ticked: from this page, or from the one that data-renew-from names, with data-renew-at-once also at
// first. Nothing is renewed under a keyboard focus, and an opened table stays open.
function renew(part) {
  const { id } = part;
  let busy = false;
  const timer = setInterval(ask, 1000 * part.dataset.renew);

  async function ask() {
    const here = document.getElementById(id);
    const wanted = document.getElementById(here.dataset.renewIf)?.checked ?? true;
    if (busy || document.hidden || !wanted || here.contains(document.activeElement)) return;
    busy = true;
    try {
      const response = await fetch(here.dataset.renewFrom ?? location.href, { headers: { Accept: "text/html" } });
      const next = new DOMParser().parseFromString(await response.text(), "text/html").getElementById(id);
      // Logged out, or the server is away: what is there stays there.
      if (!response.ok || !next) return;
      const open = [...here.querySelectorAll("details")].map((one) => one.open);
      next.querySelectorAll("details").forEach((one, n) => { one.open = open[n] ?? false; });
      here.replaceWith(document.importNode(next, true));
      if (!next.dataset.renew) clearInterval(timer);
    } catch {
      // Asked again in a while.
    } finally {
      busy = false;
    }
  }

  if ("renewAtOnce" in part.dataset) ask();
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-renew]").forEach(renew));
