// Remembers in this browser that a study was begun, so that opening its link again leads back instead of enrolling
// the same person twice. Without storage (some frames, private windows) the page works the same, and forgets.
const form = document.querySelector("form");
const key = `quorum.${form.dataset.study}`;

function remembered() {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function showBegun() {
  const begun = document.querySelector("#begun");
  const page = remembered();
  if (!page) return;
  begun.querySelector("a").href = page;
  begun.hidden = false;
}

let sent = false;
form.addEventListener("submit", (event) => {
  if (sent) return event.preventDefault();
  sent = true;
  try {
    localStorage.setItem(key, form.dataset.ownPage);
  } catch {}
});

// Back from the next page: the browser may show this page as it was left.
addEventListener("pageshow", () => {
  sent = false;
  showBegun();
});
