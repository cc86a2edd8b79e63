// Adds a button that copies the completion code; where the browser refuses, the code is selected and the button says so.
(() => {
  const copy = document.querySelector(".copy");
  if (!copy) return;
  const button = copy.querySelector("button");
  const code = document.querySelector("#code");

  function select() {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  // The way before there was a clipboard to write to; in a frame that may not, it is the only one.
  function byCommand() {
    select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    }
  }

  const say = (done) => (button.textContent = done ? button.dataset.done : button.dataset.byHand);

  button.addEventListener("click", () => {
    if (!navigator.clipboard || !navigator.clipboard.writeText) return say(byCommand());
    navigator.clipboard.writeText(code.textContent.trim()).then(
      () => say(true),
      () => say(byCommand()),
    );
  });
  copy.hidden = false;
})();
