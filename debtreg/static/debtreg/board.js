// The backlog board: a card is dragged to another iteration, or goes there by Shift and an arrow
// key. Both send the form in the card's menu. The board that comes back shows where the card is
// then, and the message above it says why it may have stayed; nothing moves before the server says.

const MOVED = "is-moving";
const OVER = "is-over";
let dragged = null;
let sent = null;

const move = (card, column) => {
  const form = card.querySelector("form[data-move]");
  const home = card.closest("[data-iteration]");
  if (!form || !column || column === home || sent) return;
  form.elements.iteration.value = column.dataset.iteration;
  card.classList.add(MOVED);
  sent = card.id;
  form.requestSubmit();
};

const columnOf = (event) => event.target.closest?.("[data-iteration]");

const leave = () => document.querySelectorAll(`.${OVER}`).forEach((each) => each.classList.remove(OVER));

document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".entry[draggable=true]");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.id);
  dragged.classList.add(MOVED);
});

document.addEventListener("dragover", (event) => {
  const column = dragged && columnOf(event);
  leave();
  if (!column) return;
  event.preventDefault();
  column.classList.add(OVER);
});

document.addEventListener("drop", (event) => {
  const column = dragged && columnOf(event);
  if (!column) return;
  event.preventDefault();
  move(dragged, column);
});

document.addEventListener("dragend", () => {
  leave();
  if (dragged && dragged.id !== sent) dragged.classList.remove(MOVED);
  dragged = null;
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const card = event.target.closest?.(".entry[draggable=true]");
  if (!step || !card || !event.shiftKey || event.target.matches("input, textarea, select")) return;
  event.preventDefault();
  const columns = [...document.querySelectorAll("[data-iteration]")];
  move(card, columns[columns.indexOf(card.closest("[data-iteration]")) + step]);
});

// The answer is here: go on from the card, wherever it is now. A refusal is shown as well.
document.addEventListener("htmx:afterSettle", () => {
  const card = sent && document.getElementById(sent);
  sent = null;
  if (!card) return;
  card.querySelector(".entry-title").focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest", inline: "nearest" });
  document.querySelector("#messages .notice-error")?.scrollIntoView({ block: "nearest" });
});

// There is no answer: app.js says so, and the card is where it was.
const stay = () => {
  const card = sent && document.getElementById(sent);
  sent = null;
  card?.classList.remove(MOVED);
  card?.querySelector("form[data-move]").reset();
};
document.addEventListener("htmx:sendError", stay);
document.addEventListener("htmx:timeout", stay);
