// What a form sends is kept until the server has answered it: in memory, and in the browser's storage so that a crash
// or a reload does not lose it. It is sent as often as it takes; the server stores it once.
const outbox = (() => {
  const { dataset } = document.currentScript;
  const PLACE = `quorum.kept ${location.pathname} `;
  const TIMEOUT_MS = 15_000;
  const PATIENCE_MS = 4_000;
  const LONGEST_PAUSE_MS = 15_000;
  // The server is away, starting again, or asks for a pause.
  const LATER = new Set([408, 425, 429, 502, 503, 504]);
  // A server whose database is starting again answers 500, and so does one with a mistake in it.
  const OUR_MISTAKE = 500;
  const PATIENCE_WITH_MISTAKES = 6;

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
  document.body.append(note);

  function say() {
    if (note.firstChild) return;
    const [text, button] = [document.createElement("p"), document.createElement("button")];
    text.textContent = dataset.kept;
    button.textContent = dataset.again;
    button.type = "button";
    button.className = "button quiet";
    note.append(text, button);
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  // Until the time is over, the connection is back, somebody looks at the page again, or asks for it.
  function pause(milliseconds) {
    return new Promise((resolve) => {
      const over = new AbortController();
      const end = () => {
        clearTimeout(timer);
        over.abort();
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      addEventListener("online", end, over);
      document.addEventListener("visibilitychange", () => document.hidden || end(), over);
      note.addEventListener("click", (event) => event.target.matches("button") && end(), over);
    });
  }

  async function post(body) {
    try {
      const response = await fetch(location.pathname, {
        method: "POST",
        headers: { "X-Quorum-Page": "next" },
        body: new URLSearchParams(body),
        // Whoever closes the page right after an answer has given it. Browsers do so much for short ones only.
        keepalive: body.length < 30_000,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: response.status, ok: response.ok, text: await response.text() };
    } catch {
      return null;
    }
  }

  const warn = (event) => event.preventDefault();

  // The server's reply to a body, whatever it takes. What was sent stays kept until `forget(name)`.
  async function deliver(name, body) {
    if (!keep(name, body)) addEventListener("beforeunload", warn);
    const slow = setTimeout(say, PATIENCE_MS);
    let reply;
    for (let tries = 1; ; tries++) {
      reply = await post(body);
      const mistake = reply?.status === OUR_MISTAKE && tries < PATIENCE_WITH_MISTAKES;
      if (reply && !LATER.has(reply.status) && !mistake) break;
      say();
      // Longer each time, and not all at the same moment when a server is back.
      await pause(Math.min(500 * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2));
    }
    clearTimeout(slow);
    note.replaceChildren();
    removeEventListener("beforeunload", warn);
    return reply;
  }

  return { deliver, forget, kept };
})();
