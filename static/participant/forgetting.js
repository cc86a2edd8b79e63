// Who is done, or has withdrawn, is forgotten by this browser too: that the study was begun here, by which address, and
// what was not sent yet.
(() => {
  try {
    const page = location.pathname.replace(/withdraw\/$/, "");
    const { study } = document.querySelector("main [data-study]").dataset;
    for (const name of Object.keys(localStorage)) {
      if (name === `quorum.${study}` || name.startsWith(`quorum.kept ${page} `)) localStorage.removeItem(name);
    }
  } catch {}
})();
