// What a trial page gains by JavaScript: answers by key, the response time from the moment the picture is painted,
// the next picture loaded ahead, and one answer sent however often a button is pressed.
const form = document.querySelector("form.trial");
const buttons = [...form.querySelectorAll("button[data-key]")];
const keys = form.querySelector(".keys");
const byKey = keys.querySelector("input");
const KEYS_OFF = "quorum.keys-off";

let paintedAt = null;
let broken = false;
let sent = false;

// --- the picture -----------------------------------------------------------------------------------------------------

const nextFrame = () => new Promise(requestAnimationFrame);

async function watchPictures() {
  const pictures = [...form.querySelectorAll("img")];
  try {
    await Promise.all(pictures.map((picture) => picture.decode()));
  } catch {
    // An answer to a picture that was not there would be worth nothing.
    broken = true;
    document.querySelector("#broken").hidden = false;
    return;
  }
  // A callback runs before its frame is painted; in the one after it, the picture is on the screen.
  await nextFrame();
  await nextFrame();
  paintedAt = performance.now();
  form.classList.add("painted");
  for (const url of form.dataset.ahead.split(" ").filter(Boolean)) new Image().src = url;
}

// --- answering -------------------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  if (sent || broken) return event.preventDefault();
  sent = true;
  form.classList.add("sent");
  // Sending twice does no harm, being stuck would: if the page is still here after this, it may be sent again.
  setTimeout(() => {
    sent = false;
    form.classList.remove("sent");
  }, 8000);
  if (paintedAt !== null) form.elements.response_ms.value = Math.round(performance.now() - paintedAt);
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !byKey.checked || paintedAt === null) return;
  const button = buttons.find((button) => button.dataset.key === event.key.toLowerCase());
  if (!button) return;
  event.preventDefault();
  button.focus();
  button.click();
});

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
byKey.addEventListener("change", rememberKeys);
rememberKeys();
keys.hidden = false;

// Back from a later page: what the browser kept is an old trial, the server knows the current one.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

watchPictures();
