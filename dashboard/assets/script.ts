/**
 * The script of all pages: live updates, keyboard shortcuts, selection. Pages work without it. It
 * must not contain backslashes or template literals, since it is inside one.
 */
export const SCRIPT = `
"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const PARTS = ["nav", "status", "live"];

  // Times in the local zone.
  const localTimes = (within) => {
    if (root.dataset.zone !== "local") return;
    for (const time of within.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const isToday = at.toDateString() === new Date().toDateString();
      const pad = (n) => String(n).padStart(2, "0");
      const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(pad).join(":");
      const day = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join("-");
      time.textContent = isToday ? clock : day + " " + clock;
    }
  };

  // Updates do not touch an open menu and its input.
  const morphing = {
    morphStyle: "innerHTML",
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (old) => !(old.matches && old.matches("details[open]")),
      beforeNodeRemoved: (old) => !(old.querySelector && old.querySelector("details[open]")),
    },
  };
  const apply = (parts) => {
    for (const id of PARTS) {
      const part = byId(id);
      if (!part || parts[id] === undefined) continue;
      const template = document.createElement("template");
      template.innerHTML = parts[id];
      localTimes(template.content);
      const left = [];
      for (const one of [part, ...part.querySelectorAll(".scroll")]) left.push([one, one.scrollLeft, one.scrollTop]);
      Idiomorph.morph(part, template.content.childNodes.length ? [...template.content.childNodes] : "", morphing);
      for (const [one, x, y] of left) { one.scrollLeft = x; one.scrollTop = y; }
    }
    document.body.classList.toggle("stale", !!parts.stale);
  };

  // Live updates, while the page is visible and not on hold.
  const url = document.body.dataset.events;
  const hold = byId("hold");
  let source, timer, wait = 500, held = false;
  const lost = (isLost) => { const note = byId("lost"); if (note) note.hidden = !isLost; };
  const close = () => { clearTimeout(timer); if (source) source.close(); source = undefined; };
  const open = () => {
    close();
    if (!url || held || document.hidden) return;
    source = new EventSource(url);
    source.addEventListener("open", () => { wait = 500; lost(false); root.dataset.live = "on"; });
    source.addEventListener("update", (event) => {
      apply(JSON.parse(event.data));
      root.dataset.updates = String(Number(root.dataset.updates || 0) + 1);
    });
    source.addEventListener("bye", open);
    source.addEventListener("error", () => {
      close();
      root.dataset.live = "off";
      lost(true);
      timer = setTimeout(open, wait * (.5 + Math.random()));
      wait = Math.min(2 * wait, 30000);
    });
  };
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  if (hold && url) {
    hold.hidden = false;
    hold.addEventListener("click", () => {
      held = !held;
      hold.setAttribute("aria-pressed", String(held));
      hold.textContent = held ? "Go on" : "Hold";
      held ? close() : open();
    });
  }

  // Selection of messages.
  const boxes = () => [...document.querySelectorAll("input[name=key]")];
  const counted = () => {
    const chosen = byId("chosen");
    if (!chosen) return;
    const n = boxes().filter((box) => box.checked).length;
    chosen.textContent = n + " selected";
    for (const button of document.querySelectorAll("[data-chosen]")) button.disabled = n === 0;
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
    counted();
  });
  for (const one of document.querySelectorAll("[data-script]")) one.hidden = false;
  for (const one of document.querySelectorAll("[data-plain]")) one.hidden = true;

  // Keyboard shortcuts.
  const rows = () => [...document.querySelectorAll("tr[data-row]")];
  let current = -1;
  const move = (step) => {
    const all = rows();
    if (all.length === 0) return;
    if (all[current]) all[current].removeAttribute("aria-selected");
    current = Math.max(0, Math.min(all.length - 1, current + step));
    all[current].setAttribute("aria-selected", "true");
    all[current].scrollIntoView({ block: "nearest" });
    const link = all[current].querySelector("a");
    if (link) link.focus({ preventScroll: true });
  };
  const PLACES = { q: "", r: "running", d: "dead", w: "workers", s: "schedules", o: "operations" };
  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    x: () => { const box = rows()[current] && rows()[current].querySelector("input[name=key]"); if (box) { box.checked = !box.checked; counted(); } },
    e: () => { const button = byId("requeue"); if (button && !button.disabled) button.click(); },
    "/": () => byId("find").focus(),
    "?": () => byId("keys").showModal(),
  };
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const { key } = event;
    if (before === "g" && PLACES[key] !== undefined) location.href = document.body.dataset.root + PLACES[key];
    else if (before !== "g" && KEYS[key]) { event.preventDefault(); KEYS[key](); }
    before = key === "g" ? "g" : "";
  });

  localTimes(document);
  counted();
  open();
})();
`;
