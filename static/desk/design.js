// What a design comes to, asked for after a pause in writing. Without this script the button "Work out" does the same.

const PAUSE = 500;

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form[data-consequences]");
  if (!form) return;
  const panel = form.querySelector(".desk-consequences");
  const said = panel.querySelector("[role=status]");
  let waiting;
  let asked;

  // What came puts itself in place of what is there; figures that did not come stay.
  function show(words) {
    const came = new DOMParser().parseFromString(words, "text/html");
    for (const part of came.querySelectorAll("[data-part]")) {
      panel.querySelector(`[data-part=${part.dataset.part}]`)?.replaceWith(document.importNode(part, true));
    }
    const told = panel.querySelector("[data-part=told]");
    const problem = panel.querySelector("[data-part=problem]").textContent.replace(/\s+/g, " ").trim();
    told?.classList.toggle("old", Boolean(problem));
    say(problem || told?.dataset.said || "");
  }

  // Heard once, however often the same figures come.
  function say(words) {
    if (said.textContent !== words) said.textContent = words;
  }

  async function workOut() {
    clearTimeout(waiting);
    asked?.abort();
    const mine = asked = new AbortController();
    panel.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.dataset.consequences, {
        method: "POST", body: new FormData(form), signal: mine.signal, redirect: "error",
      });
      if (response.status !== 200 && response.status !== 422) throw new Error(response.status);
      show(await response.text());
    } catch {
      if (mine.signal.aborted) return;
      say("The figures could not be worked out just now.");
    }
    panel.removeAttribute("aria-busy");
  }

  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(workOut, PAUSE);
  });
  form.querySelector("[name=work_out]").addEventListener("click", (event) => {
    event.preventDefault();
    workOut();
  });
  workOut();
});
