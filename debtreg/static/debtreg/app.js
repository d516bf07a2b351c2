// What HTML and htmx do not do by themselves. Every page works without this file too.

// A server that can't be reached: say so where messages go.
const say = (id) => {
  const messages = document.getElementById("messages");
  const template = document.getElementById(id);
  if (messages && template) {
    messages.replaceChildren(template.content.cloneNode(true));
    messages.scrollIntoView({ block: "nearest" });
  }
};
document.addEventListener("htmx:sendError", () => say("unreachable"));
document.addEventListener("htmx:timeout", () => say("unreachable"));
document.addEventListener("htmx:afterRequest", (event) => {
  // It answers again: what said otherwise goes away.
  if (event.detail.successful) document.querySelector("#messages [data-unreachable]")?.remove();
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// Copy what a button names: a new token.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = button.dataset.copied;
});

// Closed when a link in it was followed, and with the next page.
document.addEventListener("toggle", (event) => {
  const button = document.querySelector(`[popovertarget="${event.target.id}"]`);
  button?.setAttribute("aria-expanded", event.newState === "open");
}, true);

// The keys of a list, as its "Keys" says: what has the focus is the row that they are about.
const rowOf = (node) => node?.closest?.("[data-rows] > tr");
const linkOf = (row) => row?.querySelector("td.title a");
const move = (step) => {
  const rows = [...document.querySelectorAll("[data-rows] > tr")];
  const here = rows.indexOf(rowOf(document.activeElement));
  linkOf(rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step])?.focus();
};
const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  x: () => rowOf(document.activeElement)?.querySelector("input[name=pk]")?.click(),
  e: () => rowOf(document.activeElement)?.querySelector("details > summary")?.click(),
  "/": () => document.getElementById("id_q")?.focus(),
  "?": () => document.getElementById("keys")?.togglePopover(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  if (!document.querySelector("[data-rows]") || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

// One box ticks all of a page.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-all]")) return;
  document.querySelectorAll(`input[name=${event.target.dataset.all}]`).forEach((box) => {
    box.checked = event.target.checked;
  });
});
