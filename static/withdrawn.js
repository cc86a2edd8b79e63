// Whoever has withdrawn is forgotten by this browser too: that the study was begun here, and what was not sent yet.
try {
  const page = location.pathname.replace(/withdraw\/$/, "");
  const study = document.querySelector("main [data-study]").dataset.study;
  for (const name of Object.keys(localStorage)) {
    if (name === `quorum.${study}` || name.startsWith(`quorum.kept ${page} `)) localStorage.removeItem(name);
  }
} catch {}
