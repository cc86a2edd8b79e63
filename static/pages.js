// One page after the other without leaving the document: a form is sent in the background, and the page that comes back
// takes the place of this one. Without this script browsers send forms and load pages themselves, to the same effect.
//
// A script that has something to do on each page registers it:
//
//     pages.each((main, signal) => { … });
//
// It is called once for the page that was loaded and once for each that takes its place. Listeners on anything outside
// `main` are added with `{ signal }`, and end with the page. A page that needs a script or a style which is not here is
// loaded by the browser instead, and so is whatever is not a page of this kind.
const pages = (() => {
  const starts = [];
  let page = new AbortController();
  let busy = false;
  let pointer = false;

  // One address, many pages: how far one of them was scrolled means nothing for the next.
  history.scrollRestoration = "manual";

  function each(start) {
    starts.push(start);
    start(document.querySelector("main"), page.signal);
  }

  // --- the next page in the place of this one ------------------------------------------------------------------------

  const PARTS = ["header", "main"];
  const needs = (of) => [...of.querySelectorAll("script, link[rel=stylesheet]")].map((one) => one.src || one.href);
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
    for (const part of PARTS) document.querySelector(part).replaceWith(document.importNode(next.querySelector(part), true));
    scrollTo(0, 0);
    const main = document.querySelector("main");
    lead(main);
    for (const start of starts) start(main, page.signal);
  }

  // --- what a screen reader hears, and where the keyboard is ----------------------------------------------------------

  const voice = document.createElement("p");
  voice.className = "unseen";
  voice.setAttribute("role", "status");
  document.body.append(voice);

  // The keyboard goes on from the heading, which is read out then; the rest is said. A pointer stays where it is, and
  // nothing moves.
  function lead(main) {
    const heading = main.querySelector("h1");
    const parts = [document.querySelector("header .count"), pointer ? heading : null, main.querySelector(".verdict")];
    voice.textContent = parts.map((part) => part?.textContent.trim()).filter(Boolean).join(". ");
    if (pointer) return;
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  // Buttons that wait keep the focus, so they are not disabled; they say that they do nothing now.
  function wait(form, waiting) {
    form.classList.toggle("sent", waiting);
    for (const button of form.querySelectorAll("button")) {
      if (waiting) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  }

  // What the browser does with a form of these fields: it shows whatever the server answers.
  function submit(body) {
    const form = document.createElement("form");
    form.method = "post";
    form.hidden = true;
    for (const [name, value] of new URLSearchParams(body)) {
      const field = document.createElement("input");
      [field.type, field.name, field.value] = ["hidden", name, value];
      form.append(field);
    }
    document.body.append(form);
    form.submit();
  }

  function follow(name, body, { ok, text }) {
    const next = read(text);
    // Not from this program: the answer stays kept, and is sent again by the next page that is.
    if (!isOurs(next)) return submit(body);
    outbox.forget(name);
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

  document.addEventListener("click", (event) => (pointer = event.detail > 0), { capture: true });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    wait(form, true);
    const fields = new URLSearchParams(new FormData(form));
    if (event.submitter?.name) fields.set(event.submitter.name, event.submitter.value);
    const [name, body] = [fields.get("trial") ?? "", fields.toString()];
    follow(name, body, await outbox.deliver(name, body));
  });

  // What an earlier page could not deliver goes first: it leads to where this participant really is.
  async function catchUp() {
    const left = outbox.kept();
    if (!left.length) return;
    busy = true;
    const form = document.querySelector("main form");
    if (form) wait(form, true);
    let last;
    for (const [name, body] of left) {
      last = await outbox.deliver(name, body);
      // Whatever it was that answered: this page has just come from the server, and asks what is still to be asked.
      outbox.forget(name);
    }
    const next = read(last.text);
    if (isOurs(next) && fits(next)) show(next);
    else if (isOurs(next)) return location.reload();
    if (form) wait(form, false);
    busy = false;
  }

  // A picture wider than the window is scrolled, by keyboard too.
  each((main) => {
    for (const place of main.querySelectorAll(".stimulus")) if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
  });

  document.addEventListener("DOMContentLoaded", catchUp);

  // Back from a later page: what the browser kept is an old page, the server knows the current one.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  return { each };
})();
