/* Makes pages quicker; every page works without it. Loaded in the head so that the theme stands before the first paint. */
(() => {
  "use strict";

  const remembered = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window: not remembered */ } };
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  /* Theme: the person's choice, else the system's. */
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const applyTheme = () => { root.dataset.bsTheme = remembered("theme") || (system.matches ? "dark" : "light"); };
  applyTheme();
  system.addEventListener("change", applyTheme);

  const setUpTheme = () => all("[data-theme-toggle]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      remember("theme", root.dataset.bsTheme === "dark" ? "light" : "dark");
      applyTheme();
    });
  });

  /* Single-key shortcuts; they can be switched off (WCAG 2.1.4). */
  const shortcutsOn = () => remembered("shortcuts") !== "off";
  const setUpShortcuts = () => {
    const dialog = document.getElementById("shortcuts");
    const search = document.querySelector("[data-search]");
    if (!dialog) return;
    const showHints = () => all("[data-with-shortcuts]").forEach((hint) => { hint.hidden = !shortcutsOn(); });
    const toggle = dialog.querySelector("[data-shortcuts-switch]");
    toggle.checked = shortcutsOn();
    toggle.addEventListener("change", () => { remember("shortcuts", toggle.checked ? "on" : "off"); showHints(); });
    all("[data-help]").forEach((button) => { button.hidden = false; button.addEventListener("click", () => dialog.showModal()); });
    showHints();
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, textarea, select, [contenteditable]");
      if (typing || dialog.open || event.ctrlKey || event.metaKey || event.altKey || !shortcutsOn()) return;
      if (event.key === "/" && search) { event.preventDefault(); search.focus(); search.select(); }
      if (event.key === "?") { event.preventDefault(); dialog.showModal(); }
    });
  };

  /* A POST form is sent once; the Back button makes it usable again. */
  const setUpSubmitGuard = () => {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.method !== "post" || event.defaultPrevented) return;
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "true";
      setTimeout(() => all("button[type=submit]", form).forEach((button) => { button.disabled = true; }));
    });
    addEventListener("pageshow", () => all("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      all("button[type=submit]", form).forEach((button) => { button.disabled = false; });
    }));
  };

  /* Leaving a changed form asks first. A form that came back with errors already holds unsaved input. */
  const setUpUnsavedWarning = () => {
    let changed = all("form[data-warn-unsaved] [aria-invalid]").length > 0;
    document.addEventListener("input", (event) => { if (event.target.closest("form[data-warn-unsaved]")) changed = true; });
    document.addEventListener("submit", (event) => { if (event.target.matches("[data-warn-unsaved]")) changed = false; });
    document.addEventListener("click", (event) => { if (event.target.closest("[data-cancel]")) changed = false; });
    addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  };

  const setUpCopy = () => all("[data-copy]").forEach((button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  });

  const setUpPrint = () => all("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });

  /* Tick all, tick a range with Shift, and a live count. */
  const setUpSelection = () => all("table[data-selectable]").forEach((table) => {
    const boxes = all("tbody td.select input[type=checkbox]", table);
    const every = table.querySelector("[data-select-all]");
    const counts = all("[data-selected-count]", table.closest("form") || document);
    let last = null;
    const show = () => {
      const ticked = boxes.filter((box) => box.checked).length;
      every.checked = boxes.length > 0 && ticked === boxes.length;
      every.indeterminate = ticked > 0 && ticked < boxes.length;
      counts.forEach((count) => { count.textContent = `${ticked} of ${boxes.length} ${count.dataset.noun || ""} selected`; });
    };
    every.hidden = false;
    every.addEventListener("change", () => { boxes.forEach((box) => { box.checked = every.checked; }); show(); });
    boxes.forEach((box, index) => box.addEventListener("click", (event) => {
      if (event.shiftKey && last !== null) boxes.slice(Math.min(last, index), Math.max(last, index) + 1).forEach((other) => { other.checked = box.checked; });
      last = index;
      show();
    }));
    addEventListener("pageshow", show);
    show();
  });

  /* Charge form: data-services {id: {unit, prices: {currency: price}, inclusive: [currency]}}, and data-currency or data-customers {id: currency}. */
  const setUpPrices = () => all("form[data-services]").forEach((form) => {
    const services = JSON.parse(form.dataset.services);
    const customers = JSON.parse(form.dataset.customers || "{}");
    const named = (name) => form.elements[name] || form.elements[`${name}_id`];
    const [service, customer, price, inclusive] = [named("service"), named("customer"), named("unit_price"), named("tax_included")];
    if (!service || !price) return;
    const write = (id, text) => { const place = document.getElementById(id); if (place) { place.textContent = text || ""; place.hidden = !text; } };
    /* A customer is typed: by the reference, or by a part of the name that only one of those offered has. */
    const reference = () => {
      const typed = customer ? customer.value.trim().toLowerCase() : "";
      if (!typed || customer.value in customers || !customer.list) return typed && customer.value;
      const meant = [...customer.list.options].filter((option) => option.text.toLowerCase().includes(typed));
      return meant.length === 1 ? meant[0].value : "";
    };
    let filled = null;
    const fill = () => {
      const chosen = services[service.value];
      const currency = customers[reference()] || form.dataset.currency;
      write(`${price.id}-suffix`, currency);
      const quantity = named("quantity");
      if (quantity) write(`${quantity.id}-suffix`, chosen && chosen.unit);
      const known = chosen && chosen.prices[currency];
      if (price.value === "" || price.value === filled) { price.value = known || ""; filled = price.value; if (inclusive && chosen) inclusive.checked = chosen.inclusive.includes(currency); }
    };
    [service, customer].forEach((element) => element && element.addEventListener("change", fill));
    fill();
  });

  /* Exact decimals as whole numbers of 10^-12; null is what the server refuses, "" counts as `blank`. `belongs` tells whether a sign or code may stand beside the number. See domain/typed.py. */
  const GAP = "[ \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000'\\u2019]";
  const MARK = "[^0-9\\s.,'\\u2019+\\-\\u2212]+(?:\\.(?=\\s|$))?";
  const TYPED = new RegExp(`^(?:([-\\u2212])\\s*)?(?:(${MARK})\\s*)?(?:([-\\u2212])\\s*)?(?:([0-9.,](?:${GAP}?[0-9.,])*)\\s*)?(${MARK})?$`);
  const UNAMBIGUOUS = new RegExp(`^(?:[0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3}(?=[.,])(?:,[0-9]{3})*|(?:${GAP}[0-9]{3})+))(?:\\.[0-9]+)?$`);
  const exactly = (typed, blank, belongs = () => false) => {
    const text = typed.trim();
    if (!text) return blank;
    const [, minus, before, inner, digits = "", after] = text.length <= 60 && TYPED.exec(text) || [];
    const mark = before || after;
    if (!UNAMBIGUOUS.test(digits) || minus && inner || before && after || mark && !belongs(mark)) return null;
    if (before && digits.startsWith(".") && belongs(`${before}.`)) return null; /* Rs.5 */
    const parts = /^0*(\d{0,18})\.?(\d{0,12})$/.exec(digits.replace(/[^0-9.]/g, ""));
    return parts && digits ? BigInt(`${minus || inner ? "-" : ""}${parts[1]}${parts[2].padEnd(12, "0")}`) : null;
  };
  const ONE = 10n ** 12n;
  const written = (amount) => {
    const digits = String(amount < 0n ? -amount : amount).padStart(13, "0");
    const whole = digits.slice(0, -12).replace(/\B(?=(\d{3})+$)/g, ",");
    return `${amount < 0n ? "-" : ""}${whole}.${digits.slice(-12).replace(/0{1,10}$/, "")}`;
  };

  /* The rows of cells that were copied from a spreadsheet; domain/clipboard.py does the same and says why. */
  const cellsOf = (copied) => {
    let text = copied.replaceAll("\r\n", "\r");
    const hasBoth = text.includes("\r") && text.includes("\n");
    if (!hasBoth) text = text.replaceAll("\r", "\n");
    const quoted = /"([^"]*(?:""[^"]*)*)"(?=[\t\r\n]|$)/y, plain = /[^\t\r\n]*/y;
    const needsQuotes = (content) => {
      const [hasBreak, hasTab] = [content.includes("\n"), content.includes("\t")];
      return !content.includes("\r") && (hasBreak || hasTab) && (hasBoth || hasBreak !== hasTab);
    };
    const lines = [[]];
    for (let place = 0; place <= text.length; place += 1) {
      quoted.lastIndex = plain.lastIndex = place;
      const [, content] = quoted.exec(text) || [];
      const inQuotes = content !== undefined && needsQuotes(content);
      const cell = inQuotes ? content.replaceAll('""', '"') : plain.exec(text)[0];
      lines.at(-1).push(cell.replace(/\s+/g, " ").trim());
      place = inQuotes ? quoted.lastIndex : place + cell.length;
      if (place < text.length && text[place] !== "\t") lines.push([]);
    }
    if (lines.length > 1 && /[\r\n]$/.test(text)) lines.pop(); /* behind the end of the last row */
    return lines;
  };

  /* The grid of many charges: paste fills cells to the right and below, Enter goes down, count and sums are kept. */
  const setUpGrid = () => all("form[data-grid]").forEach((form) => {
    const prices = new Map(Object.entries(JSON.parse(form.dataset.prices)));
    const customers = new Map(Object.entries(JSON.parse(form.dataset.customers)).map(([reference, currency]) => [reference.toLowerCase(), currency]));
    const signs = new Map(Object.entries(JSON.parse(form.dataset.signs)));
    const same = { "\uff04": "$", "\ufe69": "$", "\uffe1": "\u00a3", "\uffe5": "\u00a5", "\uffe6": "\u20a9" };
    const belongsTo = (currency) => (mark) => mark.toUpperCase() === currency || (signs.get(mark.replace(/./gu, (sign) => same[sign] || sign).toLowerCase()) || []).includes(currency);
    const body = form.querySelector("tbody");
    const shown = form.querySelector("[data-grid-sum]");
    const rows = () => Array.from(body.rows);
    const cells = (row) => all("input:not([type=hidden])", row);
    const addRow = () => {
      const last = rows().at(-1), place = body.rows.length;
      if (place >= Number(form.dataset.grid)) return null;
      const row = last.cloneNode(true);
      all(".field-error", row).forEach((error) => error.remove());
      all(".has-error", row).forEach((field) => field.classList.remove("has-error"));
      all("[name], [for]", row).forEach((element) => {
        for (const name of ["name", "id", "for"]) if (element.hasAttribute(name)) element.setAttribute(name, element.getAttribute(name).replace(/^rows-\d+-/, `rows-${place}-`));
        if (element.tagName === "LABEL") element.textContent = element.textContent.replace(/\d+$/, place + 1);
        element.removeAttribute("aria-invalid");
        element.removeAttribute("aria-describedby");
      });
      const key = crypto.getRandomValues(new Uint8Array(16));
      key[6] = key[6] & 0x0f | 0x40;
      key[8] = key[8] & 0x3f | 0x80;
      row.querySelector("input[type=hidden]").value = Array.from(key, (byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
      cells(row).forEach((cell) => { cell.value = ""; });
      row.querySelector("span").textContent = place + 1;
      body.append(row);
      return row;
    };
    const at = (cell) => { const row = cell.closest("tr"); return [rows().indexOf(row), cells(row).indexOf(cell)]; };
    const total = () => {
      const sums = new Map();
      let count = 0, unread = 0;
      rows().forEach((row) => {
        const [customer, service, quantity, price] = cells(row).map((cell) => cell.value.trim());
        if (!cells(row).some((cell) => cell.value.trim())) return;
        count += 1;
        const currency = customers.get((customer || form.elements.customer.value.trim()).toLowerCase());
        const known = prices.get(service)?.prices[currency];
        const [many, each] = [exactly(quantity, ONE), exactly(price || known || "", null, belongsTo(currency))];
        if (!currency || many === null || each === null) { unread += 1; return; }
        sums.set(currency, (sums.get(currency) || 0n) + many * each / ONE);
      });
      const said = [...sums].map(([currency, sum]) => `${written(sum)} ${currency}`).join(", ");
      shown.textContent = count ? `${count} ${count === 1 ? "row" : "rows"}${said && `: ${said}`}${unread ? `, ${unread} not counted yet` : ""}.` : "";
    };
    body.addEventListener("paste", (event) => {
      const copied = event.clipboardData.getData("text/plain"), lines = cellsOf(copied);
      const isOneCell = lines.length < 2 && lines[0].length < 2;
      if (!event.target.matches("input") || isOneCell && (lines[0][0] || "") === copied.replace(/\s+/g, " ").trim()) return;
      event.preventDefault();
      if (isOneCell) { /* its quotes are taken off */
        const { selectionStart, selectionEnd } = event.target;
        event.target.setRangeText(lines[0][0], selectionStart, selectionEnd, "end");
        form.dispatchEvent(new Event("input", { bubbles: true }));
        return;
      }
      const [top, left] = at(event.target);
      const rest = lines.filter((values, place) => {
        const row = rows()[top + place] || addRow();
        if (!row) return true;
        const places = cells(row).slice(left);
        if (values.length > places.length) values.push(values.splice(places.length - 1).join(" ")); /* what is too much stays with the last */
        values.forEach((value, column) => { places[column].value = value; });
        return false;
      });
      if (rest.length) { /* no row is left: they wait where lines can be pasted, too */
        const pasted = form.elements.pasted;
        pasted.value = [pasted.value, ...rest.map((values) => "\t".repeat(left) + values.join("\t"))].filter(Boolean).join("\n");
        pasted.closest("details").open = true;
      }
      form.dispatchEvent(new Event("input", { bubbles: true }));
    });
    body.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("input")) return;
      event.preventDefault();
      const [place, column] = at(event.target);
      const next = rows()[place + 1] || addRow();
      if (next) cells(next)[column].focus();
    });
    form.addEventListener("input", total);
    total();
  });

  /* A table region scrolls, and is a Tab stop, only where its table is too wide; else its head sticks to the page. */
  const setUpRegions = () => {
    const regions = all(".table-region");
    const show = () => regions.forEach((region) => {
      const fits = region.scrollWidth <= region.clientWidth;
      region.tabIndex = fits ? -1 : 0;
      region.classList.toggle("fits", fits);
    });
    const watcher = new ResizeObserver(show);
    regions.forEach((region) => { watcher.observe(region); watcher.observe(region.firstElementChild); });
  };

  /* A region that changes by itself is read again until it says that it is done. */
  const setUpLive = () => {
    if (!document.querySelector("[data-live]")) return;
    const again = async () => {
      const region = document.querySelector("[data-live]");
      if (!region) return;
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = all("main > div", next).find((div) => div.querySelector("h1, section"));
        if (!answer.ok || answer.redirected || !fresh) { location.reload(); return; }
        region.replaceWith(fresh);
      } catch { /* the server is being restarted: ask again */ }
      setTimeout(again, 1000);
    };
    setTimeout(again, 1000);
  };

  /* The error summary takes the focus, where the browser's own autofocus did not. */
  addEventListener("load", () => {
    const summary = document.querySelector("[data-focus]");
    if (summary && document.activeElement !== summary) summary.focus();
  });

  document.addEventListener("DOMContentLoaded", () => {
    [setUpTheme, setUpShortcuts, setUpSubmitGuard, setUpUnsavedWarning, setUpCopy, setUpPrint, setUpSelection, setUpPrices, setUpGrid, setUpRegions, setUpLive].forEach((setUp) => setUp());
  });
})();
