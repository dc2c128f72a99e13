/* The forms that credit lines: what is entered ticks its line, and the server computes the totals while one types. */
"use strict";

(() => {
  const form = document.querySelector("form[data-credit]");
  if (!form) return;

  form.addEventListener("input", (event) => {
    const row = event.target.closest("tr");
    const box = row && row.querySelector("input[type=checkbox]");
    if (box && event.target !== box) box.checked = true;
  });

  const totals = form.querySelector("[data-credit-totals]");
  if (!totals) return;
  let timer = 0, latest = 0;
  const recalculate = async () => {
    const request = latest += 1;
    const fields = new FormData(form);
    fields.set("then", "totals");
    try {
      const answer = await fetch(form.action || location.href, { method: "POST", body: new URLSearchParams(fields), credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const shown = page.querySelector("[data-credit-totals]");
      if (request !== latest || !shown) return;
      totals.replaceChildren(...shown.childNodes);
      const nets = page.querySelectorAll("[data-line-net]");
      form.querySelectorAll("[data-line-net]").forEach((net, row) => net.replaceChildren(...(nets[row]?.childNodes ?? [])));
    } catch { /* the button "Recalculate" remains, and the confirmation shows the totals */ }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(recalculate, 300); });
})();
