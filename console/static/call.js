// The page of a call: player, markers, transcript, verdicts, keys.

import { isTyping, notice } from "./app.js";
import { Transport } from "./transport.js";
import { drawLanes } from "./waves.js";

const page = document.getElementById("call");
const duration = Number(page.dataset.duration);
const byId = (id) => document.getElementById(id);

const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

// --- sound -------------------------------------------------------------------------------------

const sounds = Array.from(document.querySelectorAll("[data-sound]"), (row) => ({
  src: row.dataset.sound,
  start: Number(row.dataset.start),
  duration: Number(row.dataset.duration),
}));
const transport = new Transport(sounds, duration);
const playButton = byId("play");
playButton.disabled = sounds.length === 0;
playButton.addEventListener("click", () => transport.toggle());
transport.addEventListener("state", () => {
  playButton.querySelector("[data-label]").textContent = transport.playing ? "Pause" : "Play";
  playButton.querySelector("[aria-hidden]").textContent = transport.playing ? "❚❚" : "▶";
});
transport.addEventListener("broken", () => {
  notice("A recording cannot be played. It may have been replaced: load the page again.");
});
const play = () => {
  if (sounds.length) transport.toggle();
  else notice("There is no sound to play.");
};
for (const button of document.querySelectorAll("[data-jump]")) {
  button.addEventListener("click", () => transport.seek(transport.position + Number(button.dataset.jump)));
}
const rate = byId("rate");
rate.addEventListener("change", () => transport.setRate(Number(rate.value)));
const changeRate = (step) => {
  rate.selectedIndex = Math.min(rate.options.length - 1, Math.max(0, rate.selectedIndex + step));
  transport.setRate(Number(rate.value));
};

// --- where we are ------------------------------------------------------------------------------

const wide = byId("wide");
const strips = byId("strips");
const playhead = byId("playhead");
const seek = byId("seek");
const time = byId("time");
const lines = Array.from(document.querySelectorAll("#lines > li"), (item) => ({
  item,
  start: Number(item.dataset.start),
  end: Number(item.dataset.end),
}));
const list = byId("lines");
let current = null;
let leftAloneUntil = 0; // who scrolls by hand is not carried away at once

const share = (seconds) => (duration > 0 ? Math.min(1, Math.max(0, seconds / duration)) : 0);

const lineAt = (seconds) => {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].start <= seconds + 0.05) low = middle + 1;
    else high = middle;
  }
  return low ? lines[low - 1] : null;
};

const scrollTo = (item) => {
  if (!list || performance.now() < leftAloneUntil) return;
  const top = item.offsetTop - list.clientHeight / 3;
  if (item.offsetTop < list.scrollTop || item.offsetTop + item.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTo({ top: Math.max(0, top) });
  }
};

const show = () => {
  const at = transport.position;
  time.textContent = clock(at);
  playhead.style.left = `${share(at) * 100}%`;
  if (document.activeElement !== seek || transport.playing) seek.value = String(at);
  seek.setAttribute("aria-valuetext", clock(at));
  if (transport.playing && strips.scrollWidth > strips.clientWidth) {
    const x = share(at) * wide.clientWidth;
    if (x < strips.scrollLeft || x > strips.scrollLeft + strips.clientWidth - 40) {
      strips.scrollLeft = x - strips.clientWidth / 4;
    }
  }
  const line = lineAt(at);
  if (line === current) return;
  current?.item.removeAttribute("aria-current");
  current = line;
  if (!line) return;
  line.item.setAttribute("aria-current", "true");
  scrollTo(line.item);
};
transport.addEventListener("time", show);
seek.addEventListener("input", () => transport.seek(Number(seek.value)));
for (const kind of ["wheel", "touchmove"]) {
  list?.addEventListener(kind, () => { leftAloneUntil = performance.now() + 4000; }, { passive: true });
}

const player = page.querySelector(".player");
new ResizeObserver(() => {
  const height = getComputedStyle(player).position === "sticky" ? player.offsetHeight : 0;
  page.style.setProperty("--player", `${height}px`);
}).observe(document.documentElement);

let isDragging = false;
const seekByPointer = (event) => {
  const box = wide.getBoundingClientRect();
  transport.seek(((event.clientX - box.left) / box.width) * duration);
};
wide.addEventListener("pointerdown", (event) => {
  if (event.target.closest("button") || event.button !== 0) return;
  isDragging = true;
  wide.setPointerCapture(event.pointerId);
  seekByPointer(event);
});
wide.addEventListener("pointermove", (event) => { if (isDragging) seekByPointer(event); });
for (const kind of ["pointerup", "pointercancel"]) wide.addEventListener(kind, () => { isDragging = false; });

byId("zoom").addEventListener("change", (event) => {
  wide.style.width = `${Number(event.target.value) * 100}%`;
  strips.scrollLeft = share(transport.position) * wide.clientWidth - strips.clientWidth / 2;
});

// Who clicks with a mouse is not at a button afterwards: the space bar plays again.
page.addEventListener("click", (event) => {
  if (event.detail > 0) event.target.closest("button, summary")?.blur();
});
document.addEventListener("click", (event) => {
  const to = event.target.closest("[data-seek]");
  if (to) {
    transport.seek(Number(to.dataset.seek));
    return;
  }
  const line = event.target.closest("#lines > li");
  if (line && !event.target.closest("a") && !String(getSelection())) {
    transport.seek(Number(line.dataset.start));
  }
});

// --- flags -------------------------------------------------------------------------------------

const flags = Array.from(document.querySelectorAll("[data-flag]"));
const markers = new Map(
  Array.from(document.querySelectorAll("[data-marker]"), (marker) => [marker.dataset.marker, marker]),
);
// Markers stand where their flag begins, or as near to that as they find room.
const MARKER_PX = 28;
const placeMarkers = () => {
  for (const lane of wide.querySelectorAll(".lane")) {
    const own = Array.from(lane.querySelectorAll("[data-marker]"));
    const places = [];
    for (const marker of own) {
      const x = share(Number(marker.dataset.start)) * lane.clientWidth;
      places.push(Math.max(x, MARKER_PX / 2, places.length ? places.at(-1) + MARKER_PX : 0));
    }
    let most = lane.clientWidth - MARKER_PX / 2;
    for (let at = places.length - 1; at >= 0; at -= 1) {
      places[at] = Math.max(MARKER_PX / 2, Math.min(places[at], most));
      most = places[at] - MARKER_PX;
    }
    own.forEach((marker, at) => { marker.style.left = `${places[at]}px`; });
  }
};
new ResizeObserver(placeMarkers).observe(wide);

for (const marker of markers.values()) {
  marker.addEventListener("click", () => choose(flagBy(marker.dataset.marker), { seeks: true, scrolls: true }));
}
const flagBy = (number) => flags.find((flag) => flag.dataset.flag === number);
let chosen = null;

const choose = (flag, { seeks = false, scrolls = false } = {}) => {
  if (!flag) return;
  chosen = flag;
  const { flag: number, start } = flag.dataset;
  for (const each of flags) each.open = each === flag;
  for (const [key, marker] of markers) {
    if (key === number) marker.setAttribute("aria-current", "true");
    else marker.removeAttribute("aria-current");
  }
  for (const mark of document.querySelectorAll("mark")) {
    mark.classList.toggle("chosen", mark.dataset.flags.split(" ").includes(number));
  }
  // A second before, so that one hears how it came to that.
  if (seeks) transport.seek(Math.max(0, Number(start) - 1));
  if (scrolls) {
    flag.scrollIntoView({ block: "nearest" });
    const line = list?.querySelector(`[data-flag-ref="${number}"]`)?.closest("li");
    if (line) {
      leftAloneUntil = 0;
      scrollTo(line);
    }
  }
};
const step = (by) => {
  if (!flags.length) return;
  const at = chosen ? flags.indexOf(chosen) : by > 0 ? -1 : flags.length;
  const next = flags[Math.min(flags.length - 1, Math.max(0, at + by))];
  choose(next, { seeks: true, scrolls: true });
};
for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}
for (const flag of flags) {
  flag.addEventListener("toggle", () => { if (flag.open && chosen !== flag) choose(flag); });
}
document.addEventListener("click", (event) => {
  const reference = event.target.closest("[data-flag-ref]");
  if (!reference) return;
  event.preventDefault();
  choose(flagBy(reference.dataset.flagRef), { seeks: true, scrolls: true });
});

// --- verdicts ----------------------------------------------------------------------------------

const decide = async (form, button) => {
  const body = new URLSearchParams(new FormData(form));
  body.set("decision", button.value);
  const buttons = Array.from(form.querySelectorAll("[name=decision]"));
  for (const each of buttons) each.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
    if (!answer.ok) {
      const said = new DOMParser().parseFromString(await answer.text(), "text/html");
      notice(said.querySelector("main")?.textContent.trim() || "The verdict was not taken. Load the page again.");
      return;
    }
    for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
    const words = button.value.replace("_", " ");
    const tag = document.createElement("span");
    tag.className = `tag ${button.value}`;
    tag.textContent = words;
    form.closest("[data-flag]").querySelector("[data-decided]").replaceChildren(tag);
    form.elements.form_id.value = crypto.randomUUID().replaceAll("-", "");
    const isDone = answer.headers.get("x-earmark-call-done") === "yes";
    const said = `Flag ${form.closest("[data-flag]").dataset.flag}: ${words}.`;
    notice(isDone ? `${said} Everything on this call is decided; n leads to the next one.` : said, "good");
    if (isDone) {
      void window.htmx?.ajax("GET", `/calls/${encodeURIComponent(page.dataset.room)}/claim`, {
        target: "#claim",
        swap: "outerHTML",
      });
    }
  } catch {
    notice("The console cannot be reached. Nothing was changed.");
  } finally {
    for (const each of buttons) each.disabled = false;
  }
};
for (const form of document.querySelectorAll("[data-verdict]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter) void decide(form, event.submitter);
  });
}
const decideByKey = (key) => {
  const button = chosen?.querySelectorAll("[data-verdict] [name=decision]")[Number(key) - 1];
  if (button && !button.disabled) button.click();
};

// --- unmasking ---------------------------------------------------------------------------------

const unmask = byId("unmask");
const openUnmask = () => {
  if (unmask) {
    unmask.showModal();
    byId("reason").focus();
  } else {
    page.querySelector("form[action$='/cover'] button")?.focus();
  }
};
byId("unmask-open")?.addEventListener("click", openUnmask);
unmask?.querySelector("[data-close]").addEventListener("click", () => unmask.close());

// --- keys --------------------------------------------------------------------------------------

const KEYS = {
  " ": play,
  ArrowLeft: () => transport.seek(transport.position - 5),
  ArrowRight: () => transport.seek(transport.position + 5),
  j: () => step(1),
  k: () => step(-1),
  1: () => decideByKey("1"),
  2: () => decideByKey("2"),
  3: () => decideByKey("3"),
  e: () => chosen?.querySelector("textarea")?.focus(),
  c: () => byId("claim")?.querySelector("form[action$='/claim'] button")?.click(),
  u: openUnmask,
  "<": () => changeRate(-1),
  ">": () => changeRate(1),
  n: () => byId("next-call")?.click(),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target instanceof HTMLTextAreaElement && !event.target.closest("dialog")) {
    event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isSlider = event.target === seek;
  if (isTyping(event.target) && !isSlider) return;
  // On a button, the space bar is the button's; on the slider, the arrows are the slider's.
  if (event.key === " " && event.target.closest("button, summary, a")) return;
  if (isSlider && event.key.startsWith("Arrow")) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- begin -------------------------------------------------------------------------------------

const wantedFlag = /^#flag-(\d+)$/.exec(location.hash);
const wantedTime = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
if (wantedFlag) choose(flagBy(wantedFlag[1]), { seeks: true, scrolls: true });
else if (flags.length) choose(flags[0]);
if (wantedTime) transport.seek(Number(wantedTime[1]));
show();
drawLanes(page).catch(() => notice("The lanes cannot be drawn now."));
page.dataset.ready = "true";
