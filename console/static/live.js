// Keeps the live page up to date by server-sent events.

import {isTyping} from "./app.js";

const RETRY_MS = 15_000;
const alerts = document.getElementById("live-alerts");
const calls = document.getElementById("live-calls");
const none = document.getElementById("live-none");
const state = document.getElementById("live-state");
const pause = document.getElementById("live-pause");
const max = Number(alerts.dataset.max);
let seen = alerts.dataset.cursor;
let source = null;
let later = 0;

const say = (text, kind) => {
  if (state.textContent !== text) state.textContent = text;
  state.className = `pulse ${kind}`;
};

const parsed = (markup) => new DOMParser().parseFromString(markup, "text/html").body;

const onHit = (event) => {
  seen = event.lastEventId;
  const line = parsed(`<ol>${event.data}</ol>`).querySelector("li");
  if (!line || document.getElementById(line.id)) return;
  line.classList.add("fresh");
  alerts.prepend(line);
  none.hidden = true;
  while (alerts.children.length > max) alerts.lastElementChild.remove();
};

const onCalls = (event) => {
  seen = event.lastEventId;
  // The place that has the keyboard stays as it is until the keyboard has left.
  if (calls.contains(document.activeElement)) return;
  calls.replaceChildren(...parsed(event.data).childNodes);
};

const close = () => {
  window.clearTimeout(later);
  source?.close();
  source = null;
};

const open = () => {
  close();
  source = new EventSource(`/live/stream?after=${encodeURIComponent(seen)}`);
  source.addEventListener("open", () => say("up to date", "open"));
  source.addEventListener("hit", onHit);
  source.addEventListener("calls", onCalls);
  source.addEventListener("still", (event) => { seen = event.lastEventId; });
  source.addEventListener("reload", () => window.location.reload());
  source.addEventListener("ended", () => {
    close();
    pause.hidden = true;
    say("your session is over; sign in again", "lost");
  });
  source.addEventListener("error", () => {
    if (source?.readyState === EventSource.CLOSED) {
      close();
      later = window.setTimeout(open, RETRY_MS);
    }
    say("no connection; trying again", "lost");
  });
};

const toggle = () => {
  if (pause.hidden) return;
  const isPaused = pause.textContent === "Pause";
  pause.textContent = isPaused ? "Go on" : "Pause";
  if (isPaused) {
    close();
    say("paused", "");
  } else {
    open();
  }
};

pause.hidden = false;
pause.addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  if (event.key === "p" && !isTyping(event.target) && !event.ctrlKey && !event.metaKey) toggle();
});
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
open();
