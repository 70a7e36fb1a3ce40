// Keys of pages with rows: j and k move, Enter opens, n takes the next call.
import { isTyping } from "./app.js";

const rows = () => Array.from(document.querySelectorAll("[data-row]"));
const current = () => document.activeElement?.closest("[data-row]") ?? null;

const move = (step) => {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].querySelector("a.open").focus();
};

const send = (form) => form?.requestSubmit();

const actions = {
  j: () => move(1),
  k: () => move(-1),
  n: () => send(document.querySelector("[data-next]")),
  c: () => send(current()?.querySelector("[data-claim]")),
  r: () => send(current()?.querySelector("[data-release]")),
  x: () => current()?.querySelector("input[type=checkbox]")?.click(),
  f: () => document.querySelector("#filters select")?.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isText = isTyping(event.target) && event.target.type !== "checkbox";
  if (isText || !Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
});
