// Any image of a round can be enlarged, by pointer and by keyboard; arrow keys lead from one to the next.
// Without this script an image opens in a tab of its own.
if (window.pages) window.pages.each((main, signal) => {
  const views = Array.from(main.querySelectorAll(".view"));
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
      view.classList.remove("fitted");
      view.style.height = "";
    }
    for (const view of views) {
      const picture = view.querySelector("img");
      const [width, height] = ["width", "height"].map((name) => Number(picture.getAttribute(name)));
      const side = Math.max(width, height);
      const zoom = Math.floor(view.clientWidth / side);
      picture.style.width = zoom ? `${zoom * width}px` : "";
      picture.style.height = zoom ? `${zoom * height}px` : "";
      // The place is square, and no larger than the picture.
      view.classList.toggle("fitted", zoom > 0);
      view.style.height = zoom ? `${zoom * side}px` : "";
    }
  }

  window.pages.listen(signal, window, "resize", fit);
  // WebKit runs scripts before the styles are there.
  window.pages.listen(signal, window, "load", fit);
  fit();

  // --- enlarged ------------------------------------------------------------------------------------------------------

  // Browsers before 2022 have no dialogs: there it is opened by its attribute, and looks the same.
  const isDialog = typeof dialog.showModal === "function";

  function open() {
    if (dialog.hasAttribute("open")) return;
    if (isDialog) return dialog.showModal();
    dialog.setAttribute("open", "");
    dialog.querySelector("button").focus();
  }

  function close() {
    if (isDialog) return dialog.close();
    dialog.removeAttribute("open");
    onClose();
  }

  const onClose = () => views[current].focus();

  function show(index) {
    current = (index + views.length) % views.length;
    const small = views[current].querySelector("img");
    const [width, height] = [small.naturalWidth, small.naturalHeight];
    // Whole multiples only: what people see are the classifier's pixels.
    const room = Math.min(window.innerWidth - 64, window.innerHeight - 140, LARGEST_SIDE) / Math.max(width, height);
    const zoom = Math.max(1, Math.min(LARGEST_ZOOM, Math.floor(room)));
    const large = new Image(zoom * width, zoom * height);
    large.src = small.src;
    large.alt = views[current].dataset.name;
    const before = dialog.querySelector("img");
    if (before) dialog.removeChild(before);
    dialog.appendChild(large);
    dialog.querySelector(".name").textContent = views[current].dataset.name;
    open();
  }

  views.forEach((view, index) => {
    view.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      // Where it cannot be enlarged here, the link opens it.
      show(index);
      event.preventDefault();
    });
    view.addEventListener("keydown", (event) => {
      const next = views[index + STEPS[event.key]];
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
  });

  dialog.addEventListener("click", close);
  dialog.addEventListener("close", onClose);
  dialog.addEventListener("keydown", (event) => {
    // A letter answers on the page, not here, where the groups are out of sight.
    event.stopPropagation();
    if (!isDialog && event.key === "Escape") close();
    // There is one button here: with nothing else to go to, the keyboard stays.
    if (!isDialog && event.key === "Tab") event.preventDefault();
    if (!STEPS[event.key]) return;
    event.preventDefault();
    show(current + STEPS[event.key]);
  });
});
