/* The API reference: find a call, and try one. It calls no other host; only this page holds the token. */
document.addEventListener("DOMContentLoaded", () => {
  "use strict";

  const { all } = window.billing;

  /* Show the rows that contain all words, and the groups that have such a row. */
  const filter = document.querySelector("[data-call-filter]");
  if (filter) {
    const groups = [];
    all("[data-call-group], [data-call]").forEach((row) => {
      if (row.matches("[data-call-group]")) groups.push({ row, calls: [] });
      else groups.at(-1).calls.push(row);
    });
    const textOf = (row) => row.textContent.toLowerCase().replace(/\s+/g, " ");
    const count = filter.querySelector("[data-call-count]");
    const show = () => {
      const words = filter.querySelector("input").value.toLowerCase().split(/\s+/);
      let shown = 0;
      groups.forEach(({ row, calls }) => {
        const matches = calls.filter((call) => {
          const text = textOf(row) + textOf(call);
          call.hidden = !words.every((word) => text.includes(word));
          return !call.hidden;
        });
        row.hidden = matches.length === 0;
        shown += matches.length;
      });
      count.textContent = (shown === 1 ? count.dataset.one : count.dataset.many).replace("{count}", shown);
    };
    filter.hidden = false;
    filter.addEventListener("input", show);
    filter.addEventListener("submit", (event) => event.preventDefault());
    show();
  }

  const tokens = all("[data-place=token]");
  tokens.forEach((field) => field.addEventListener("input", () => tokens.forEach((other) => { other.value = field.value; })));

  const readAnswer = async (answer) => {
    const type = answer.headers.get("Content-Type") || "";
    if (!/json|text|xml|csv/.test(type)) return `${type}, ${(await answer.blob()).size} bytes`;
    const text = await answer.text();
    return type.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text.slice(0, 100000);
  };

  const send = async (form) => {
    const fields = all("[data-place]", form);
    const headers = new Headers(), query = new URLSearchParams();
    let path = form.dataset.path, body;
    fields.forEach(({ value, dataset: { name, place } }) => {
      if (place === "body") { body = value; headers.set("Content-Type", "application/json"); }
      else if (!value.trim()) return;
      else if (place === "token") headers.set("Authorization", `Bearer ${value.trim()}`);
      else if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value.trim()));
      else if (place === "header") headers.set(name, value.trim());
      else query.set(name, value.trim());
    });
    const url = query.size ? `${path}?${query}` : path;
    const answer = await fetch(url, { method: form.dataset.method, headers, body, credentials: "omit" });
    return [`${answer.status} ${answer.statusText}`, await readAnswer(answer)];
  };

  all("[data-try]").forEach((part) => {
    const form = part.querySelector("form"), button = form.querySelector("[type=submit]");
    const place = form.querySelector("[data-answer]");
    part.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      let status, content;
      try { [status, content] = await send(form); } catch (error) { [status, content] = [form.dataset.noAnswer, error.message]; }
      const heading = document.createElement("p"), pre = document.createElement("pre");
      heading.textContent = status;
      pre.className = "preformatted";
      pre.tabIndex = 0;
      pre.textContent = content;
      place.replaceChildren(heading, pre);
      button.disabled = false;
    });
  });

  /* The page scrolled to its anchor before the forms above it were shown. */
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
});
