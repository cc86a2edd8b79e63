// What a form sends is kept until the server has answered it: in memory, and in the browser's storage so that a crash
// or a reload does not lose it. It is sent as often as it takes; the server stores it once.
//
// Nothing but a request that gets no reply is taken for a lost connection. Whatever else throws here is handed on, and
// pages.js then lets the browser send the form itself. Where something is missing there is no outbox at all.
window.outbox = (() => {
  const wanted = ["fetch", "Request", "URLSearchParams", "Promise"];
  if (!wanted.every((name) => typeof window[name] === "function")) return undefined;

  const { dataset } = document.currentScript;
  const PLACE = `quorum.kept ${location.pathname} `;
  const TIMEOUT_MS = 15000;
  const PATIENCE_MS = 4000;
  const LONGEST_PAUSE_MS = 15000;
  // The server is away, starting again, or asks for a pause.
  const LATER = new Set([408, 425, 429, 502, 503, 504]);
  // A server whose database is starting again answers 500, and so does one with a mistake in it.
  const OUR_MISTAKE = 500;
  const PATIENCE_WITH_MISTAKES = 6;
  // After so many requests without a reply we ask whether it is the connection at all.
  const PATIENCE_WITH_FETCH = 5;
  // What is longer, browsers do not send once the page is closed.
  const LONGEST_TO_OUTLIVE_ITS_PAGE = 30000;

  // --- keeping -------------------------------------------------------------------------------------------------------

  function keep(name, body) {
    try {
      localStorage.setItem(PLACE + name, body);
      return true;
    } catch {
      return false;
    }
  }

  function forget(name) {
    try {
      localStorage.removeItem(PLACE + name);
    } catch {}
  }

  // Names and bodies that an earlier page at this address could not deliver.
  function kept() {
    try {
      const names = Object.keys(localStorage).filter((name) => name.startsWith(PLACE));
      return names.map((name) => [name.slice(PLACE.length), localStorage.getItem(name)]);
    } catch {
      return [];
    }
  }

  // --- saying so -----------------------------------------------------------------------------------------------------

  const note = document.createElement("div");
  note.className = "kept";
  note.setAttribute("role", "status");
  document.body.appendChild(note);

  function say() {
    if (note.firstChild) return;
    const [text, button] = [document.createElement("p"), document.createElement("button")];
    text.textContent = dataset.kept;
    button.textContent = dataset.again;
    button.type = "button";
    button.className = "button quiet";
    note.appendChild(text);
    note.appendChild(button);
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  // Until the time is over, the connection is back, the page is looked at again, or the button is pressed.
  function pause(milliseconds) {
    return new Promise((resolve) => {
      const seen = () => document.hidden || end();
      const pressed = (event) => event.target.tagName === "BUTTON" && end();
      function end() {
        clearTimeout(timer);
        window.removeEventListener("online", end);
        document.removeEventListener("visibilitychange", seen);
        note.removeEventListener("click", pressed);
        resolve();
      }
      const timer = setTimeout(end, milliseconds);
      window.addEventListener("online", end);
      document.addEventListener("visibilitychange", seen);
      note.addEventListener("click", pressed);
    });
  }

  // The server's reply; null where there was none in time. To make the request is ours: what is wrong with it throws.
  function post(body, first) {
    const stop = typeof AbortController === "function" ? new AbortController() : null;
    const options = {
      method: "POST",
      headers: {
        "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
        "X-Quorum-Page": "next",
      },
      body,
      // An answer is given, also where the page is closed right after it.
      keepalive: first && body.length < LONGEST_TO_OUTLIVE_ITS_PAGE,
    };
    if (stop) options.signal = stop.signal;
    const request = new Request(location.pathname, options);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(null);
        if (stop) stop.abort();
      }, TIMEOUT_MS);
      const end = (reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
      fetch(request)
        .then((response) => response.text().then((text) => end({ status: response.status, ok: response.ok, text })))
        .catch(() => end(null));
    });
  }

  // Whether this site answers when it is asked for a picture: then the connection is there.
  function reachable() {
    const icon = document.querySelector("link[rel=icon]");
    return new Promise((resolve) => {
      const picture = new Image();
      picture.onload = () => resolve(true);
      picture.onerror = () => resolve(false);
      setTimeout(() => resolve(false), TIMEOUT_MS);
      picture.src = `${icon.href}?${Date.now()}`;
    });
  }

  const warn = (event) => event.preventDefault();

  // The server's reply to a body, whatever it takes. What was sent stays kept until `forget(name)`.
  async function deliver(name, body) {
    if (!keep(name, body)) window.addEventListener("beforeunload", warn);
    const slow = setTimeout(say, PATIENCE_MS);
    let connected = false;
    try {
      for (let tries = 1; ; tries++) {
        const reply = await post(body, tries === 1);
        const mistake = reply && reply.status === OUR_MISTAKE && tries < PATIENCE_WITH_MISTAKES;
        if (reply && !LATER.has(reply.status) && !mistake) return reply;
        say();
        if (!reply && connected) throw new Error("This browser sends no forms in the background here.");
        connected = !reply && tries >= PATIENCE_WITH_FETCH && (await reachable());
        if (connected) continue;
        // Longer each time, and not all at the same moment when a server is back.
        await pause(Math.min(500 * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2));
      }
    } finally {
      clearTimeout(slow);
      note.textContent = "";
      window.removeEventListener("beforeunload", warn);
    }
  }

  return { deliver, forget, kept };
})();
