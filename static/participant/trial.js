// What a trial gains by JavaScript: answers by key, the response time from the moment the picture is painted, how large
// the picture was shown, how long the page was left meanwhile, and the next picture loaded and decoded ahead. Without
// this script, or where it fails, the buttons answer all the same.
if (window.pages) window.pages.each((main, signal) => {
  const form = main.querySelector("form.trial");
  if (!form) return;
  const { listen } = window.pages;
  const broken = form.querySelector("#broken");
  let paintedAt = null;
  let elsewhere = null;
  let failed = false;

  // --- the pictures --------------------------------------------------------------------------------------------------

  // Nobody judges a picture faster: what is pressed before was meant for the page before, or is a key that bounces.
  const TOO_SOON_MS = 150;
  // Nor does an answer count that comes sooner than the design allows: so it is not taken before, up to half a second.
  const SOONEST_MS = Math.max(TOO_SOON_MS, Math.min(Number(form.dataset.soonest) || 0, 500));
  const PATIENCE_MS = 5000;

  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const isThere = (picture) => picture.complete && picture.naturalWidth > 0;

  function loaded(picture) {
    return new Promise((resolve, reject) => {
      if (isThere(picture)) return resolve();
      picture.addEventListener("load", resolve);
      picture.addEventListener("error", reject);
    });
  }

  // Decoded, or at least there: a browser may refuse to decode what it shows, or never say that it has.
  function ready(picture) {
    if (!picture.decode) return loaded(picture);
    return new Promise((resolve, reject) => {
      pause(PATIENCE_MS).then(() => isThere(picture) && resolve());
      picture.decode().then(resolve, (error) => (isThere(picture) ? resolve() : reject(error)));
    });
  }

  async function decoded() {
    const pictures = Array.from(form.querySelectorAll("img"));
    for (let wait = 1000; !signal.aborted; wait = Math.min(2 * wait, 16000)) {
      try {
        await Promise.all(pictures.map(ready));
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

  // Scripts may run before the styles are there, and the pictures take their sizes from them.
  function styled() {
    if (document.readyState === "complete") return undefined;
    const loaded = new Promise((resolve) => listen(signal, window, "load", resolve));
    return Promise.race([loaded, pause(PATIENCE_MS)]);
  }

  async function watchPictures() {
    await decoded();
    await styled();
    // A frame's callback runs just before it is painted; the task after it, when the picture is on the screen.
    await nextFrame();
    await pause(0);
    if (signal.aborted) return;
    paintedAt = performance.now();
    elsewhere = watchAttention();
    form.dataset.ahead.split(" ").filter(Boolean).forEach(loadAhead);
    await pause(SOONEST_MS);
    // For styles and tests: from now on this trial can be answered.
    form.classList.add("painted");
  }

  const tooSoon = () => !failed && (paintedAt === null || performance.now() - paintedAt < SOONEST_MS);

  // Held as long as this page, so that the browser keeps what it has loaded and decoded.
  const ahead = [];

  function loadAhead(url) {
    const picture = new Image();
    picture.src = url;
    if (picture.decode) picture.decode().catch(() => {});
    ahead.push(picture);
  }

  // --- how large they were shown -------------------------------------------------------------------------------------

  // In CSS pixels: the picture that is asked about, which is the first, and the smallest beside it.
  function sizes() {
    const all = Array.from(form.querySelectorAll("img"), (picture) => picture.getBoundingClientRect());
    // What is folded up has no size.
    const boxes = all.filter((box) => box.width > 0);
    if (!boxes.length) return {};
    const hundredths = (number) => Math.round(100 * number) / 100;
    return {
      shown_width: hundredths(boxes[0].width),
      shown_height: hundredths(boxes[0].height),
      smallest_width: hundredths(Math.min(...boxes.map((box) => box.width))),
      pixel_ratio: hundredths(window.devicePixelRatio || 1),
      // By two fingers; zooming by the browser's menu changes the ratio.
      zoom: hundredths(window.visualViewport ? window.visualViewport.scale : 1),
    };
  }

  // --- translated ----------------------------------------------------------------------------------------------------

  // A page asks not to be translated, and a reader may have it translated all the same: then the words are others.
  // Chrome marks the page, Edge its texts; others set its language alone, and all wrap words in elements of their own.
  function isTranslated() {
    const page = document.documentElement;
    const changed = page.lang && form.dataset.language && page.lang.toLowerCase() !== form.dataset.language.toLowerCase();
    return changed || /\btranslated-(ltr|rtl)\b/.test(page.className) || document.querySelector("font, [_msttexthash]") !== null;
  }

  // --- attention -----------------------------------------------------------------------------------------------------

  function watchAttention() {
    let [total, hidden, blurred, since] = [0, 0, 0, null];
    const look = () => {
      const [now, away] = [performance.now(), document.hidden || !document.hasFocus()];
      if (away && since === null) since = now;
      else if (!away && since !== null) [total, since] = [total + now - since, null];
    };
    const onVisibility = () => {
      if (document.hidden) hidden += 1;
      look();
    };
    const onBlur = () => {
      blurred += 1;
      look();
    };
    listen(signal, document, "visibilitychange", onVisibility);
    listen(signal, window, "blur", onBlur);
    listen(signal, window, "focus", look);
    look();
    return (now) => ({
      away_ms: Math.round(total + (since === null ? 0 : now - since)),
      hidden_count: hidden,
      blur_count: blurred,
    });
  }

  // --- answering -----------------------------------------------------------------------------------------------------

  // A page that does not ask for a measurement has no field for it.
  function fill(measured) {
    for (const [name, value] of Object.entries(measured)) {
      const field = form.querySelector(`input[name=${name}]`);
      if (field) field.value = value;
    }
  }

  form.addEventListener("submit", (event) => {
    if (!broken.hidden || tooSoon()) return event.preventDefault();
    if (failed) return;
    const now = performance.now();
    fill({ response_ms: Math.round(now - paintedAt), ...elsewhere(now) });
    fill({ translated: isTranslated() ? 1 : 0 });
    fill(sizes());
  });

  const KEYS_OFF = "quorum.keys-off";
  const buttons = Array.from(form.querySelectorAll("[data-key]"));
  const keys = form.querySelector(".keys");
  const byKey = keys.querySelector("input");
  // When each key went down last. One that bounces goes down many times a second, and is one press.
  const downAt = {};

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !byKey.checked) return;
    const key = (event.key || "").toLowerCase();
    const [now, before] = [performance.now(), downAt[key]];
    downAt[key] = now;
    if (event.repeat) return;
    const button = buttons.find((button) => button.dataset.key === key);
    if (!button || tooSoon() || now - before < TOO_SOON_MS) return;
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
  listen(signal, document, "keydown", onKey);
  byKey.addEventListener("change", rememberKeys);
  rememberKeys();
  keys.hidden = false;
  watchPictures().catch((error) => {
    // Then the page is answered as without this script.
    failed = true;
    throw error;
  });
});
