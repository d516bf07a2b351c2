// A slider and its number follow each other; the number is what is sent. Without this file there
// are the numbers and the button that works them out.

const show = () => {
  document.querySelectorAll("input[data-slides][hidden]").forEach((range) => {
    range.hidden = false;
  });
};
show();
document.addEventListener("htmx:load", show);

document.addEventListener("input", ({ target }) => {
  if (target.matches("input[data-slides]")) {
    document.getElementById(target.dataset.slides).value = target.value;
  } else if (target.id) {
    const range = document.querySelector(`input[data-slides="${CSS.escape(target.id)}"]`);
    if (range && Number(target.value)) range.value = target.value;
  }
});

// Beside the other numbers of the page, where the button alone would open a page of its own.
document.addEventListener("submit", (event) => {
  if (!event.submitter?.matches("[data-work-out]")) return;
  event.preventDefault();
  htmx.trigger(event.target, "work-out");
}, true);
