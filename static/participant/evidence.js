// How an answer was given, where the design has it recorded and people agreed: by which device, by an event of the
// browser's or of a script's, how the pointer came there, and whether the page was in sight. Nothing of what was typed.
//
// It only looks on: without this script, or where it fails, a page is answered all the same.
if (window.pages) (() => {
  const { each, listen } = window.pages;
  const LONGEST = 2000;
  const FRAMES = 20;
  // Where the pointer was last, on whatever page of this document.
  let last = null;
  let hertz = null;

  // How often the screen is redrawn: the median of some frames, measured once.
  function measureFrames() {
    const times = [];
    const next = (now) => {
      times.push(now);
      if (times.length <= FRAMES) return requestAnimationFrame(next);
      const each = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
      const middle = each[Math.floor(each.length / 2)];
      if (middle > 0) hertz = Math.round(1000 / middle);
    };
    requestAnimationFrame(next);
  }

  const setup = () => ({
    webdriver: navigator.webdriver === true,
    width: window.innerWidth,
    height: window.innerHeight,
    ratio: Math.round(100 * (window.devicePixelRatio || 1)) / 100,
    hertz,
    touch_points: navigator.maxTouchPoints || 0,
  });

  // Whether somebody has just pressed something, by the browser's word; browsers that do not say are believed to.
  const active = () => !navigator.userActivation || navigator.userActivation.isActive;

  each((main, signal) => {
    const field = main.querySelector("form.trial input[name=evidence]");
    if (!field) return;
    const { form } = field;
    const began = performance.now();
    const seen = { moves: 0, distance: 0, firstMove: null, keys: 0, pastes: 0, input: false };
    const start = last;
    let press = null;
    let key = null;
    let given = { by: "action", trusted: true, off: null, pressedAt: null };

    const round = (number) => Math.round(number);
    const hundredths = (number) => Math.round(100 * number) / 100;

    function onMove(event) {
      if (event.pointerType === "touch" || !event.isTrusted) return;
      const here = { x: event.clientX, y: event.clientY };
      seen.moves += 1;
      if (seen.firstMove === null) seen.firstMove = round(event.timeStamp ? performance.now() - began : 0);
      if (last) seen.distance += Math.sqrt((here.x - last.x) ** 2 + (here.y - last.y) ** 2);
      last = here;
    }

    function onDown(event) {
      press = { by: event.pointerType, trusted: event.isTrusted };
      seen.input = seen.input || event.isTrusted;
    }

    function onKey(event) {
      seen.keys += 1;
      seen.input = seen.input || event.isTrusted;
      key = { trusted: event.isTrusted };
      // What is pressed by this key is pressed before the next task; Enter and Space press as they go down or up.
      setTimeout(() => (key = null));
    }

    // A click with a place came from a pointer; one without came from a key, a label, or an action of assistive
    // technology.
    function onClick(event) {
      const button = event.target.closest ? event.target.closest("button, label, input") : null;
      if (!button || !form.contains(button)) return;
      const pointed = event.detail > 0 && press !== null;
      const by = pointed ? press.by || "mouse" : key ? "key" : "action";
      const box = button.getBoundingClientRect();
      const off = pointed && box.width && box.height
        ? [hundredths((event.clientX - box.left) / box.width - 0.5), hundredths((event.clientY - box.top) / box.height - 0.5)]
        : null;
      const trusted = event.isTrusted || (key !== null && key.trusted);
      given = { by, trusted, off, pressedAt: pointed ? { x: event.clientX, y: event.clientY } : null };
    }

    const onPaste = () => (seen.pastes += 1);

    listen(signal, document, "pointermove", onMove);
    for (const [type, listener] of [["pointerdown", onDown], ["click", onClick], ["paste", onPaste]]) {
      document.addEventListener(type, listener, true);
      signal.addEventListener("abort", () => document.removeEventListener(type, listener, true));
    }
    for (const type of ["keydown", "keyup"]) {
      document.addEventListener(type, onKey, true);
      signal.addEventListener("abort", () => document.removeEventListener(type, onKey, true));
    }

    form.addEventListener("submit", () => {
      const net = start && given.pressedAt ? Math.sqrt((given.pressedAt.x - start.x) ** 2 + (given.pressedAt.y - start.y) ** 2) : null;
      if (given.pressedAt) last = given.pressedAt;
      const told = {
        by: given.by,
        trusted: given.trusted,
        input: seen.input || active(),
        off: given.off,
        moves: seen.moves,
        distance: round(seen.distance),
        net: net === null ? null : round(net),
        straight: net !== null && seen.distance > 0 ? hundredths(Math.min(1, net / seen.distance)) : null,
        first_ms: seen.firstMove,
        keys: seen.keys,
        pastes: seen.pastes,
        focus: document.hasFocus(),
        visible: !document.hidden,
        setup: setup(),
      };
      const text = JSON.stringify(told);
      if (text.length <= LONGEST) field.value = text;
    });
  });

  measureFrames();
})();
