/* The search palette: results below the search field while the person types (the combobox of the ARIA patterns). Without it, the field is a form. */
(() => {
  "use strict";

  const { all } = window.billing;
  const setUp = () => {
    const field = document.querySelector("[data-search]");
    if (!field) return;
    const list = Object.assign(document.createElement("div"), { id: "search-options", className: "palette", role: "listbox", ariaLabel: field.dataset.resultsLabel, hidden: true });
    field.form.append(list);
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) field.setAttribute(name, value);

    let timer = 0, request = null, before = null;
    const options = () => all("[role=option]", list);
    const active = () => list.querySelector("[aria-selected=true]");
    const abort = () => { clearTimeout(timer); if (request) request.abort(); request = null; };
    const close = () => {
      abort();
      list.hidden = true;
      field.setAttribute("aria-expanded", "false");
      field.removeAttribute("aria-activedescendant");
    };
    const activate = (option) => {
      if (active()) active().setAttribute("aria-selected", "false");
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      field.setAttribute("aria-activedescendant", option.id);
    };
    const search = async () => {
      abort();
      const text = field.value.trim();
      if (!text) return close();
      request = new AbortController();
      try {
        const answer = await fetch(`${field.form.action}?${new URLSearchParams({ q: text, palette: 1 })}`, { credentials: "same-origin", signal: request.signal });
        if (!answer.ok || answer.redirected || document.activeElement !== field) return close();
        const part = new DOMParser().parseFromString(await answer.text(), "text/html");
        list.replaceChildren(...part.body.children);
        field.removeAttribute("aria-activedescendant");
        list.hidden = !options().length;
        field.setAttribute("aria-expanded", String(!list.hidden));
      } catch (error) {
        if (error.name !== "AbortError") close(); /* the server is away: the field is a plain one */
      }
    };

    field.addEventListener("focus", (event) => { before = event.relatedTarget; });
    field.addEventListener("input", () => { abort(); timer = setTimeout(search, 120); });
    field.addEventListener("blur", close);
    list.addEventListener("mousedown", (event) => event.preventDefault()); /* keep the focus, so that the click arrives */
    field.addEventListener("keydown", (event) => {
      const found = list.hidden ? [] : options(), index = found.indexOf(active());
      if (event.key === "ArrowDown" && list.hidden) { event.preventDefault(); search(); }
      else if (event.key === "ArrowDown" && found.length) { event.preventDefault(); activate(found[(index + 1) % found.length]); }
      else if (event.key === "ArrowUp" && found.length) { event.preventDefault(); activate(found[(index <= 0 ? found.length : index) - 1]); }
      else if (event.key === "Enter" && index >= 0) { event.preventDefault(); location.assign(found[index].href); }
      else if (event.key === "Escape") {
        event.preventDefault(); /* the first one closes the results and keeps the text */
        if (!list.hidden) close(); else { field.blur(); if (before && before.isConnected) before.focus(); }
      }
    });
  };
  setUp();
})();
