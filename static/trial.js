// What a trial gains by JavaScript: answers by key, the response time from the moment the picture is painted, how long
// somebody was elsewhere meanwhile, and the next picture loaded and decoded ahead.
pages.each((main, signal) => {
  const form = main.querySelector("form.trial");
  if (!form) return;
  const broken = form.querySelector("#broken");
  let paintedAt = null;
  let elsewhere = null;

  // --- the pictures --------------------------------------------------------------------------------------------------

  const nextFrame = () => new Promise(requestAnimationFrame);
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  async function decoded() {
    const pictures = [...form.querySelectorAll("img")];
    for (let wait = 1000; !signal.aborted; wait = Math.min(2 * wait, 16_000)) {
      try {
        await Promise.all(pictures.map((picture) => picture.decode()));
        broken.hidden = true;
        return;
      } catch {
        // An answer to a picture that was not there would be worth nothing.
        broken.hidden = false;
        await pause(wait);
        for (const picture of pictures) if (!picture.naturalWidth) picture.src = picture.getAttribute("src");
      }
    }
  }

  async function watchPictures() {
    await decoded();
    // A frame's callback runs just before it is painted; the task after it, when the picture is on the screen.
    await nextFrame();
    await pause(0);
    if (signal.aborted) return;
    paintedAt = performance.now();
    elsewhere = watchAttention();
    form.classList.add("painted");
    for (const url of form.dataset.ahead.split(" ").filter(Boolean)) loadAhead(url);
  }

  // Held as long as this page, so that the browser keeps what it has loaded and decoded.
  const ahead = [];

  function loadAhead(url) {
    const picture = new Image();
    picture.src = url;
    picture.decode().catch(() => {});
    ahead.push(picture);
  }

  // --- where somebody looks ------------------------------------------------------------------------------------------

  function watchAttention() {
    let [total, hidden, blurred, since] = [0, 0, 0, null];
    const look = () => {
      const [now, away] = [performance.now(), document.hidden || !document.hasFocus()];
      if (away) since ??= now;
      else if (since !== null) [total, since] = [total + now - since, null];
    };
    const onVisibility = () => {
      if (document.hidden) hidden += 1;
      look();
    };
    const onBlur = () => {
      blurred += 1;
      look();
    };
    document.addEventListener("visibilitychange", onVisibility, { signal });
    addEventListener("blur", onBlur, { signal });
    addEventListener("focus", look, { signal });
    look();
    return (now) => ({
      away_ms: Math.round(total + (since === null ? 0 : now - since)),
      hidden_count: hidden,
      blur_count: blurred,
    });
  }

  // --- answering -----------------------------------------------------------------------------------------------------

  form.addEventListener("submit", (event) => {
    if (!broken.hidden) return event.preventDefault();
    if (paintedAt === null) return;
    const now = performance.now();
    const measured = { response_ms: Math.round(now - paintedAt), ...elsewhere(now) };
    for (const [name, value] of Object.entries(measured)) form.elements[name].value = value;
  });

  const KEYS_OFF = "quorum.keys-off";
  const buttons = [...form.querySelectorAll("button[data-key]")];
  const keys = form.querySelector(".keys");
  const byKey = keys.querySelector("input");

  function onKey(event) {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !byKey.checked || paintedAt === null) return;
    const button = buttons.find((button) => button.dataset.key === event.key.toLowerCase());
    if (!button) return;
    event.preventDefault();
    button.focus();
    button.click();
  }

  // Single keys get in the way of some assistive technology: they can be turned off, and stay off.
  function rememberKeys() {
    form.classList.toggle("by-key", byKey.checked);
    for (const button of buttons) {
      if (byKey.checked) button.setAttribute("aria-keyshortcuts", button.dataset.key);
      else button.removeAttribute("aria-keyshortcuts");
    }
    try {
      if (byKey.checked) localStorage.removeItem(KEYS_OFF);
      else localStorage.setItem(KEYS_OFF, "1");
    } catch {}
  }

  try {
    byKey.checked = localStorage.getItem(KEYS_OFF) === null;
  } catch {}
  document.addEventListener("keydown", onKey, { signal });
  byKey.addEventListener("change", rememberKeys);
  rememberKeys();
  keys.hidden = false;
  watchPictures();
});
