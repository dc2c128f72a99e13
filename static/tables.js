/* Lists: filters apply as they change. Without this file, their button does the same. */
(() => {
  "use strict";

  const TYPING_PAUSE = 400; /* ms after the last key */
  const form = document.querySelector("form[data-filters]");
  const closeMenus = (except) => document.querySelectorAll("details[data-menu][open]").forEach((menu) => { if (menu !== except) menu.open = false; });
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details[data-menu]")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details[data-menu][open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  if (!form || form.method !== "get") return;

  form.querySelectorAll("[data-filter-button]").forEach((button) => { button.hidden = true; });
  const status = document.createElement("p");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  form.append(status);

  const query = () => {
    const values = [...new FormData(form)].filter(([, value]) => value !== "");
    return new URLSearchParams(values).toString();
  };
  const urlOf = (text) => form.action.split("?")[0] + (text ? `?${text}` : "");
  let timer = 0, request = null, shown = query();

  /* Everything in main but the form is replaced, so that the field in use keeps its focus, its caret and its text. */
  const replace = (page, text) => {
    const newForm = page.querySelector("form[data-filters]");
    const main = document.getElementById("main"), newMain = page.getElementById("main");
    if (!newForm || form.parentElement !== main || newForm.parentElement !== newMain) return false;
    const siblings = Array.from(newMain.children), place = siblings.indexOf(newForm);
    Array.from(main.children).forEach((element) => { if (element !== form) element.remove(); });
    form.before(...siblings.slice(0, place));
    form.after(...siblings.slice(place + 1));
    form.querySelectorAll("[data-menu]").forEach((menu, index) => {
      const newMenu = newForm.querySelectorAll("[data-menu]")[index];
      if (newMenu && !menu.contains(document.activeElement)) menu.replaceWith(newMenu);
    });
    document.title = page.title;
    history.replaceState(null, "", urlOf(text));
    document.dispatchEvent(new Event("list-replaced"));
    const texts = main.querySelectorAll(".list tfoot th, [data-list-summary], .empty-state h2");
    status.textContent = Array.from(texts, (element) => element.textContent.trim().replace(/\s+/g, " ")).join(". ");
    return true;
  };
  const apply = async () => {
    clearTimeout(timer);
    const text = query();
    if (text === shown) return;
    shown = text;
    if (request) request.abort();
    request = new AbortController();
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(urlOf(text), { credentials: "same-origin", signal: request.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.redirected || !answer.ok || !replace(page, text)) location.assign(urlOf(text));
    } catch (error) {
      if (error.name !== "AbortError") location.assign(urlOf(text));
    }
    form.removeAttribute("aria-busy");
  };

  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  form.addEventListener("change", apply);
  form.addEventListener("input", (event) => {
    /* A day or a customer is applied when it is complete: a part of it is an error. */
    if (event.target.matches("[data-day], [data-customer-search], select")) return;
    clearTimeout(timer);
    timer = setTimeout(apply, TYPING_PAUSE);
  });
})();
