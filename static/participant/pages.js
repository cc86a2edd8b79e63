// One page after the other without leaving the document: a form is sent in the background, and the page that comes back
// takes the place of this one. Without this script browsers send forms and load pages themselves, to the same effect;
// so they do where anything it needs is missing, and where anything in it throws.
//
// A script that has something to do on each page registers it:
//
//     pages.each((main, signal) => { … });
//
// It is called once for the page that was loaded and once for each that takes its place. Listeners on anything outside
// `main` are added by `pages.listen(signal, target, type, listener)`, and end with the page. A page that needs a script
// or a style which is not here is loaded by the browser instead, and so is whatever is not a page of this kind.
window.pages = (() => {
  const wanted = ["AbortController", "DOMParser", "FormData", "URLSearchParams", "Promise"];
  if (!wanted.every((name) => typeof window[name] === "function")) return undefined;

  const starts = [];
  const PLAINLY = "quorum.plainly";
  let page = new AbortController();
  let busy = false;
  let plainly = !window.outbox || remembered();

  // --- what is done on each page -------------------------------------------------------------------------------------

  // Told where errors are told; nothing else stops for it.
  function report(error) {
    setTimeout(() => {
      throw error;
    });
  }

  function begin(start) {
    try {
      start(document.querySelector("main"), page.signal);
    } catch (error) {
      report(error);
    }
  }

  function each(start) {
    starts.push(start);
    begin(start);
  }

  // Browsers of 2020 do not know a listener's own `signal`.
  function listen(signal, target, type, listener) {
    target.addEventListener(type, listener);
    signal.addEventListener("abort", () => target.removeEventListener(type, listener));
  }

  // --- the next page in the place of this one ------------------------------------------------------------------------

  const PARTS = ["header", "main"];
  const needs = (of) => Array.from(of.querySelectorAll("script, link[rel=stylesheet]"), (one) => one.src || one.href);
  // The parsed page has the address of this one, so that what is relative in it means the same.
  const read = (text) => new DOMParser().parseFromString(text, "text/html");
  const isOurs = (next) => Boolean(next.querySelector("meta[name=application-name][content=Quorum]"));
  const fits = (next) => {
    const here = new Set(needs(document));
    return PARTS.every((part) => next.querySelector(part)) && needs(next).every((one) => here.has(one));
  };

  function show(next) {
    page.abort();
    page = new AbortController();
    document.title = next.title;
    document.documentElement.lang = next.documentElement.lang;
    for (const part of PARTS) {
      const old = document.querySelector(part);
      old.parentNode.replaceChild(document.importNode(next.querySelector(part), true), old);
    }
    window.scrollTo(0, 0);
    lead(document.querySelector("main"));
    starts.forEach(begin);
  }

  // --- what a screen reader hears, and where the keyboard is ----------------------------------------------------------

  // The button that was pressed last, and whether by a pointer.
  let pressed = null;
  let pointer = false;

  const voice = document.createElement("p");
  voice.className = "unseen";
  voice.setAttribute("role", "status");
  document.body.appendChild(voice);

  // The keyboard goes on from the heading, which is read out then; the rest is said. A pointer stays where it is, and
  // nothing moves.
  function lead(main) {
    const heading = main.querySelector("h1");
    const parts = [document.querySelector("header .count"), pointer ? heading : null, main.querySelector(".verdict")];
    voice.textContent = parts.map((part) => (part ? part.textContent.trim() : "")).filter(Boolean).join(". ");
    if (pointer || !heading) return;
    heading.setAttribute("tabindex", "-1");
    heading.focus({ preventScroll: true });
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  // Buttons that wait keep the focus, so they are not disabled; they say that they do nothing now.
  function wait(form, waiting) {
    form.classList.toggle("sent", waiting);
    for (const button of Array.from(form.querySelectorAll("button"))) {
      if (waiting) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  }

  // What the browser does with a form of these fields: it shows whatever the server answers.
  function submit(body) {
    const form = document.createElement("form");
    form.method = "post";
    form.hidden = true;
    for (const [name, value] of Array.from(new URLSearchParams(body))) {
      const field = document.createElement("input");
      [field.type, field.name, field.value] = ["hidden", name, value];
      form.appendChild(field);
    }
    document.body.appendChild(form);
    form.submit();
  }

  function remembered() {
    try {
      return sessionStorage.getItem(PLAINLY) !== null;
    } catch {
      return false;
    }
  }

  // From now on the browser sends the forms, this one first.
  function giveUp(error, name, body) {
    report(error);
    plainly = true;
    try {
      sessionStorage.setItem(PLAINLY, "1");
    } catch {}
    window.outbox.forget(name);
    submit(body);
  }

  function follow(name, body, { ok, text }) {
    const next = read(text);
    // Not from this program: the answer stays kept, and is sent again by the next page that is.
    if (!isOurs(next)) return submit(body);
    window.outbox.forget(name);
    if (fits(next)) {
      show(next);
      busy = false;
    } else if (ok) {
      // An entry of its own, as after any form: Back leads to this address again, and not out of the study.
      history.pushState(null, "");
      location.reload();
    } else {
      submit(body);
    }
  }

  async function send(name, body) {
    let reply;
    try {
      reply = await window.outbox.deliver(name, body);
    } catch (error) {
      return giveUp(error, name, body);
    }
    try {
      follow(name, body, reply);
    } catch (error) {
      // The server has it; what could not be shown, it shows.
      report(error);
      location.reload();
    }
  }

  // The fields as the browser would send them; null where it alone knows which button was pressed.
  function fieldsOf(form, submitter) {
    const fields = new URLSearchParams();
    for (const [name, value] of Array.from(new FormData(form))) fields.append(name, value);
    const button = submitter || (pressed && pressed.form === form ? pressed : null);
    if (!button && form.querySelector("button[name]")) return null;
    if (button && button.name) fields.set(button.name, button.value);
    return fields;
  }

  document.addEventListener(
    "click",
    (event) => {
      pointer = event.detail > 0;
      pressed = event.target.closest ? event.target.closest("button") : null;
    },
    true,
  );

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("action")) return;
    if (busy) return event.preventDefault();
    if (plainly) return;
    let name, body;
    try {
      const fields = fieldsOf(form, event.submitter);
      if (!fields) return;
      [name, body] = [fields.get("trial") || "", fields.toString()];
      wait(form, true);
    } catch (error) {
      // Nothing is prevented yet: the browser sends it.
      return report(error);
    }
    event.preventDefault();
    busy = true;
    send(name, body);
  });

  // What an earlier page could not deliver goes first: it leads to where this participant really is.
  async function catchUp() {
    const left = plainly ? [] : window.outbox.kept();
    if (!left.length) return;
    busy = true;
    const form = document.querySelector("main form");
    if (form) wait(form, true);
    let last;
    for (const [name, body] of left) {
      try {
        last = await window.outbox.deliver(name, body);
      } catch (error) {
        return giveUp(error, name, body);
      }
      // Whatever it was that answered: this page has just come from the server, and asks what is still to be asked.
      window.outbox.forget(name);
    }
    try {
      const next = read(last.text);
      if (isOurs(next) && fits(next)) show(next);
      else if (isOurs(next)) return location.reload();
    } catch (error) {
      // Its answer is delivered; should it stand here for another trial, the server says so.
      report(error);
    }
    if (form) wait(form, false);
    busy = false;
  }

  // --- pictures ------------------------------------------------------------------------------------------------------

  // The size of a picture goes by the window: its sources say how. Browsers before 2023 do not read it from there, and
  // what is judged has to look the same in all of them.
  const SIZED_BY_SOURCE = typeof HTMLSourceElement === "function" && "width" in HTMLSourceElement.prototype;

  function size(picture) {
    const image = picture.querySelector("img");
    const smallest = image.dataset.smallest || `${image.getAttribute("width")} ${image.getAttribute("height")}`;
    image.dataset.smallest = smallest;
    const source = Array.from(picture.querySelectorAll("source")).find((one) => window.matchMedia(one.media).matches);
    [image.width, image.height] = source
      ? [source.getAttribute("width"), source.getAttribute("height")]
      : smallest.split(" ");
  }

  each((main, signal) => {
    const pictures = SIZED_BY_SOURCE ? [] : Array.from(main.querySelectorAll("picture"));
    const sizes = () => pictures.forEach(size);
    sizes();
    listen(signal, window, "resize", sizes);
    // A picture wider than the window is scrolled, by keyboard too.
    for (const place of Array.from(main.querySelectorAll(".stimulus"))) {
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
    }
  });

  // Who waits for a place looks again by themselves, as browsers do without this script.
  each((main, signal) => {
    const waiting = main.querySelector("[data-refresh]");
    if (!waiting) return;
    const timer = setTimeout(() => location.reload(), 1000 * Number(waiting.dataset.refresh));
    signal.addEventListener("abort", () => clearTimeout(timer));
  });

  // One address, many pages: how far one of them was scrolled means nothing for the next.
  if ("scrollRestoration" in history) history.scrollRestoration = "manual";

  document.addEventListener("DOMContentLoaded", catchUp);

  // Back from a later page: what the browser kept is an old page, the server knows the current one.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  return { each, listen };
})();
