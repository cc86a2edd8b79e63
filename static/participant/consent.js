// Remembers in this browser that a study was begun, so that opening its link again leads back instead of enrolling
// the same person twice. Without storage (some frames, private windows) the page works the same, and forgets.
(() => {
  const form = document.querySelector("form");
  const begun = document.querySelector("#begun");
  if (!form || !begun) return;
  const key = `quorum.${form.dataset.study}`;

  function remembered() {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  }

  function showBegun() {
    const page = remembered();
    if (!page) return;
    begun.querySelector("a").href = page;
    begun.hidden = false;
  }

  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    // Loading that was stopped leaves this page; sent again it enrols the same participant.
    setTimeout(() => (sent = false), 5000);
    try {
      localStorage.setItem(key, form.dataset.ownPage);
    } catch {}
  });

  // Back from the next page: the browser may show this page as it was left.
  window.addEventListener("pageshow", () => {
    sent = false;
    showBegun();
  });
})();
