// Shows each time by this browser's clock. Without it, times stand as the server wrote them, with the name of their zone.
(() => {
  const form = { year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  for (const time of Array.from(document.querySelectorAll("time[datetime]"))) {
    try {
      time.textContent = new Date(time.getAttribute("datetime")).toLocaleString(document.documentElement.lang, form);
    } catch {}
  }
})();
