// What the page does by itself: ages and countdowns tick, silence is said, the theme is kept.
// Instants are in the server's monotonic seconds; the offset to this browser's clock comes with each pulse.
(() => {
  "use strict";
  const SILENT_MS = 4000;
  const THEME_KEY = "msc-theme";
  const root = document.documentElement;
  let offset = null;
  let beatAt = null;
  let valuesFrom = "";
  let listening = null;

  // Where private browsing keeps no storage, the theme lasts as long as the page.
  const kept = {
    get: () => { try { return localStorage.getItem(THEME_KEY); } catch { return null; } },
    set: (theme) => { try { localStorage.setItem(THEME_KEY, theme); } catch { /* it is on all the same */ } },
  };

  const now = () => (offset === null ? null : offset + performance.now() / 1000);

  // The same words as on the server.
  function span(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (great, ofGreat, small, ofSmall) => `${great} ${ofGreat}` + (small ? ` ${small} ${ofSmall}` : "");
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
    return two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
  }

  function countdown(seconds) {
    const s = Math.ceil(seconds);
    if (s <= 0) return "due";
    const pad = (n) => String(n).padStart(2, "0");
    const [hours, minutes, rest] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
    return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${pad(minutes)}:${pad(rest)}`;
  }

  function tickOne(element) {
    const at = now();
    if (at === null) return;
    const { until, since } = element.dataset;
    const text = until !== undefined ? countdown(Number(until) - at) : span(at - Number(since));
    if (element.textContent !== text) element.textContent = text;
  }

  function tick() {
    document.querySelectorAll("[data-until],[data-since]").forEach(tickOne);
    listen();
    say();
  }

  function listen() {
    if (!window.socket || listening === window.socket) return;
    listening = window.socket;
    for (const event of ["connect", "disconnect"]) listening.on(event, say);
  }

  function say() {
    const banner = document.getElementById("connection");
    const words = banner?.querySelector("span");
    if (!words || beatAt === null) return;
    const cut = Boolean(window.socket) && !window.socket.connected;
    const silent = performance.now() - beatAt > SILENT_MS;
    const trouble = cut || silent;
    root.classList.toggle("stale", trouble);
    const what = cut ? "Connection lost" : "No new values arrive";
    const text = trouble ? `${what}: values are from ${valuesFrom} UTC. The page comes back by itself.` : "";
    if (words.textContent !== text) words.textContent = text;
    banner.hidden = !trouble;
  }

  function beat(monotonic, at) {
    const found = monotonic - performance.now() / 1000;
    // The pulse that was shortest on its way knows best; after a leap of either clock the new one counts.
    offset = offset === null || Math.abs(found - offset) > 5 ? found : Math.max(offset, found);
    beatAt = performance.now();
    valuesFrom = at;
    tick();
  }

  // A colour of the style sheet in the theme that is on, as canvases need it.
  const probe = document.createElement("span");
  function colour(name) {
    if (!probe.isConnected) {
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  function setTheme(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    window.dispatchEvent(new Event("msc-theme"));
  }

  function bindTheme(select) {
    select.value = root.dataset.theme ?? "system";
    select.addEventListener("change", () => {
      kept.set(select.value);
      setTheme(select.value);
    });
  }

  // Makes one element like another and keeps what is alike: focus, open details and scroll positions stay.
  function morph(from, to) {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    attributes(from, to);
    if (from.dataset.until !== undefined || from.dataset.since !== undefined) tickOne(from);
    else children(from, to);
  }

  function attributes(from, to) {
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !(name === "open" && from.tagName === "DETAILS")) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }

  function children(from, to) {
    const keyed = new Map([...from.children].filter((c) => c.dataset.key).map((c) => [c.dataset.key, c]));
    let cursor = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const key = wanted.dataset?.key;
      const match = key ? keyed.get(key) : alike(cursor, wanted) ? cursor : null;
      if (!match) {
        from.insertBefore(wanted, cursor);
        continue;
      }
      if (match === cursor) cursor = cursor.nextSibling;
      else from.insertBefore(match, cursor);
      morph(match, wanted);
    }
    while (cursor) {
      const next = cursor.nextSibling;
      cursor.remove();
      cursor = next;
    }
  }

  const alike = (node, wanted) => node && node.nodeName === wanted.nodeName && !node.dataset?.key;

  function show(element, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    children(element, template.content);
    element.querySelectorAll("[data-until],[data-since]").forEach(tickOne);
  }

  // A button beside an override chooses what the operator's form is to do.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-operate]");
    if (!button) return;
    const detail = { action: button.dataset.operate, target: button.dataset.target ?? "" };
    window.dispatchEvent(new CustomEvent("msc-operate", { detail }));
  });

  setTheme(kept.get());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(root.dataset.theme));
  document.addEventListener("visibilitychange", tick);
  setInterval(tick, 1000);
  window.msc = { beat, bindTheme, colour, show };
})();
