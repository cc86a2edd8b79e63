// Any image of a round can be enlarged, by pointer and by keyboard; arrow keys lead from one to the next.
// Without this script an image opens in a tab of its own.
pages.each((main, signal) => {
  const views = [...main.querySelectorAll(".view")];
  const dialog = main.querySelector(".enlarged");
  if (!dialog) return;
  const LARGEST_ZOOM = 10;
  const LARGEST_SIDE = 512;
  const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -3, ArrowDown: 3 };

  let current = 0;

  // --- in the round --------------------------------------------------------------------------------------------------

  // Whole multiples, as many as there is room for; a picture larger than its place is made smaller, and can be enlarged.
  function fit() {
    for (const view of views) {
      const picture = view.querySelector("img");
      const zoom = Math.floor(view.clientWidth / picture.getAttribute("width"));
      picture.style.width = zoom ? `${zoom * picture.getAttribute("width")}px` : "";
    }
  }

  addEventListener("resize", fit, { signal });
  fit();

  // --- enlarged ------------------------------------------------------------------------------------------------------

  function show(index) {
    current = (index + views.length) % views.length;
    const small = views[current].querySelector("img");
    const [width, height] = [small.naturalWidth, small.naturalHeight];
    // Whole multiples only: what people see are the classifier's pixels.
    const room = Math.min(innerWidth - 64, innerHeight - 140, LARGEST_SIDE) / Math.max(width, height);
    const zoom = Math.max(1, Math.min(LARGEST_ZOOM, Math.floor(room)));
    const large = new Image(zoom * width, zoom * height);
    large.src = small.src;
    large.alt = views[current].dataset.name;
    dialog.querySelector("img")?.remove();
    dialog.append(large);
    dialog.querySelector(".name").textContent = views[current].dataset.name;
    if (!dialog.open) dialog.showModal();
  }

  for (const [index, view] of views.entries()) {
    view.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(index);
    });
    view.addEventListener("keydown", (event) => {
      const next = views[index + STEPS[event.key]];
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
  }

  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => views[current].focus());
  dialog.addEventListener("keydown", (event) => {
    // A letter answers on the page, not here, where the groups are out of sight.
    event.stopPropagation();
    if (!STEPS[event.key]) return;
    event.preventDefault();
    show(current + STEPS[event.key]);
  });
});
