// What every page has: the list of keys, and notices for requests that failed.

const keys = document.getElementById("keys");

export const isTyping = (target) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

export const notice = (text, kind = "bad") => {
  const place = document.getElementById("notices");
  const line = document.createElement("p");
  line.className = `notice ${kind}`;
  line.textContent = text;
  place.replaceChildren(line);
};

for (const button of document.querySelectorAll("[data-keys-open]")) {
  button.addEventListener("click", () => keys?.showModal());
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || isTyping(event.target) || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (keys && !keys.open) keys.showModal();
});

// A failed request leaves the page as it is, and says why.
document.body.addEventListener("htmx:responseError", (event) => {
  const answer = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  notice(answer.body.textContent.trim() || "That did not work. Load the page again.");
});
document.body.addEventListener("htmx:sendError", () => {
  notice("The console cannot be reached. Nothing was changed.");
});
