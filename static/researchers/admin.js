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

// htmx asks for parts with data-live again: not while the page is out of sight, the keyboard is in the part, or the box
// named by data-live-if is not ticked. An opened table stays open; a page without the part, as the login, changes nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (!("live" in part.dataset)) return;
  const wanted = document.getElementById(part.dataset.liveIf)?.checked ?? true;
  if (document.hidden || !wanted || part.contains(document.activeElement)) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const part = detail.target;
  if (!("live" in part.dataset)) return;
  const next = new DOMParser().parseFromString(detail.serverResponse, "text/html").getElementById(part.id);
  if (!next) {
    detail.shouldSwap = false;
    return;
  }
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  next.querySelectorAll("details").forEach((one, n) => { one.open = open[n] ?? false; });
  detail.serverResponse = next.outerHTML;
});

// The estimate of a design. What is wrong with a design comes with status 422; figures that did not come stay, greyed.
const UNPROCESSABLE = 422;
const estimate = (detail) => detail.elt.closest(".desk-consequences");

// The line of a folded group says what its settings are now, as the server said at first.
function values(group) {
  const said = [...group.querySelectorAll(".desk-setting")].map((setting) => {
    const name = setting.querySelector("legend, label")?.textContent.trim() ?? "";
    const boxes = [...setting.querySelectorAll(".boxes [type=checkbox]")];
    if (boxes.length) {
      const on = boxes.filter((box) => box.checked).map((box) => box.closest("label")?.textContent.trim() ?? box.value);
      return `${name} ${on.length === boxes.length ? "all" : on.join("; ") || "none"}`;
    }
    const field = setting.querySelector("input, select, textarea");
    if (!field) return name;
    if (field.type === "checkbox") return `${name} ${field.checked ? "on" : "off"}`;
    const value = field.tagName === "SELECT" ? field.selectedOptions[0]?.textContent ?? "" : field.value.replace(/\s+/g, " ").trim();
    return `${name} ${value.length > 40 ? `${value.slice(0, 40)}…` : value || "empty"}`;
  });
  group.querySelector("[data-values]").textContent = said.join(" · ");
}
document.addEventListener("input", ({ target }) => {
  const group = target.closest(".desk-group");
  if (group && target.closest(".desk-setting") && !target.closest(".desk-picker")) values(group);
});
// A link to a setting in a folded group unfolds it.
document.addEventListener("click", ({ target }) => {
  const link = target.closest('.desk-consequences a[href^="#"]');
  const group = link && document.querySelector(link.getAttribute("href"))?.closest(".desk-group");
  if (group) group.open = true;
});

// Heard once, however often the same figures come.
function say(panel, words) {
  const said = panel.querySelector("[role=status]");
  if (said.textContent !== words) said.textContent = words;
}

document.addEventListener("htmx:beforeRequest", ({ detail }) => estimate(detail)?.setAttribute("aria-busy", "true"));
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (estimate(detail) && detail.xhr.status === UNPROCESSABLE) [detail.shouldSwap, detail.isError] = [true, false];
});
document.addEventListener("htmx:oobAfterSwap", ({ target }) => {
  const panel = target.closest(".desk-consequences");
  if (!panel) return;
  const [problem, told] = ["problem", "told"].map((part) => panel.querySelector(`[data-part=${part}]`));
  const wrong = problem.textContent.replace(/\s+/g, " ").trim();
  told?.classList.toggle("old", Boolean(wrong));
  say(panel, wrong || told?.dataset.said || "");
});
document.addEventListener("htmx:afterRequest", ({ detail }) => estimate(detail)?.removeAttribute("aria-busy"));
for (const failure of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(failure, ({ detail }) => {
    const panel = estimate(detail);
    if (panel) say(panel, "The estimate failed. Please try again.");
  });
}

// A photograph that is ticked in a picker is a line of the setting that data-picks names; what is written there is ticked.
const picks = (part) => document.getElementById(part.closest("[data-picks]")?.dataset.picks);
const lines = (area) => area.value.split("\n").map((line) => line.trim()).filter(Boolean);

function tick(area) {
  const chosen = lines(area);
  for (const picker of document.querySelectorAll(`[data-picks="${area.id}"]`)) {
    picker.querySelectorAll("[type=checkbox]").forEach((box) => { box.checked = chosen.includes(box.value); });
    picker.querySelectorAll("[data-chosen]").forEach((said) => { said.textContent = `${chosen.length} chosen`; });
  }
}

document.addEventListener("change", ({ target }) => {
  const area = picks(target);
  if (!area || target.type !== "checkbox") return;
  const others = lines(area).filter((line) => line !== target.value);
  area.value = (target.checked ? [...others, target.value] : others).join("\n");
  area.dispatchEvent(new Event("input", { bubbles: true }));
});
document.addEventListener("input", ({ target }) => { if (target.id) tick(target); });
document.addEventListener("htmx:afterSettle", ({ target }) => {
  const area = target.closest && picks(target);
  if (area) tick(area);
});

// Where a phone shows a table's values one below the other, each has its column's name beside it.
function label(root) {
  for (const table of root.querySelectorAll("table.stacked:not(.named, .settings)")) {
    const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0]?.rows ?? []) {
      [...row.cells].forEach((cell, n) => {
        const speaks = cell.querySelector(".desk-button, .desk-state, .desk-far");
        if (cell.tagName === "TD" && cell.colSpan === 1 && names[n] && !speaks) cell.dataset.column = names[n];
      });
    }
  }
}
document.addEventListener("DOMContentLoaded", () => label(document));
document.addEventListener("htmx:afterSettle", () => label(document));

// Usual preprocessing, filled in by a click; the numbers stay to be changed.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-presets]").forEach((one) => { one.hidden = false; }));
document.addEventListener("click", ({ target }) => {
  const preset = target.closest("[data-preset]")?.dataset.preset.split("|");
  preset && ["resize", "crop", "mean", "std"].forEach((name, n) => { document.getElementById(`id_${name}`).value = preset[n]; });
});
