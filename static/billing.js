/* Enhances pages; every page works without it. Loaded in the head, so that the theme is set before the first paint. */
(() => {
  "use strict";

  const loadSetting = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const saveSetting = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window: the setting is not saved */ } };
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  /* Theme: that of the signed-in person, or the last one in this browser, or that of the system. */
  const root = document.documentElement;
  const systemTheme = matchMedia("(prefers-color-scheme: dark)");
  const chosenTheme = () => root.dataset.theme === "system" ? null : root.dataset.theme || loadSetting("theme");
  const applyTheme = () => { root.dataset.bsTheme = chosenTheme() || (systemTheme.matches ? "dark" : "light"); };
  if (root.dataset.theme) saveSetting("theme", chosenTheme() || "");
  applyTheme();
  systemTheme.addEventListener("change", applyTheme);

  const setUpTheme = () => all("[data-theme-toggle]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const theme = root.dataset.theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
      saveSetting("theme", theme);
      applyTheme();
      const body = new FormData();
      body.set("theme", theme);
      body.set("csrf_token", document.querySelector("[name=csrf_token]").value);
      fetch(button.dataset.themeToggle, { method: "POST", body, credentials: "same-origin", redirect: "manual", keepalive: true }).catch(() => { /* the next page has the earlier theme */ });
    });
  });

  /* Single-key shortcuts; they can be switched off (WCAG 2.1.4). */
  const shortcutsOn = () => loadSetting("shortcuts") !== "off";
  const setUpShortcuts = () => {
    const dialog = document.getElementById("shortcuts");
    const search = document.querySelector("[data-search]");
    if (!dialog) return;
    const showHints = () => all("[data-with-shortcuts]").forEach((hint) => { hint.hidden = !shortcutsOn(); });
    const toggle = dialog.querySelector("[data-shortcuts-switch]");
    toggle.checked = shortcutsOn();
    toggle.addEventListener("change", () => { saveSetting("shortcuts", toggle.checked ? "on" : "off"); showHints(); });
    all("[data-help]").forEach((link) => link.addEventListener("click", (event) => { event.preventDefault(); dialog.showModal(); }));
    let goPressed = -Infinity; /* when G was pressed: the next key chooses a page of the menu */
    showHints();
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
      if (typing || dialog.open || event.ctrlKey || event.metaKey || event.altKey || !shortcutsOn()) return;
      if (event.key === "/" && search) { event.preventDefault(); search.focus(); search.select(); }
      if (event.key === "?") { event.preventDefault(); dialog.showModal(); }
      if (event.key !== "g" && event.timeStamp - goPressed < 1500) {
        const page = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
        if (page) { event.preventDefault(); location.assign(page.href); }
      }
      goPressed = event.key === "g" ? event.timeStamp : -Infinity;
    });
  };

  /* A POST form is sent once; after the Back button it can be sent again. */
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

  /* Ask before a changed form is left. A form with errors already has unsaved input. */
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
      await navigator.clipboard.writeText(button.dataset.copy || button.previousElementSibling.textContent);
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  });

  const setUpPrint = () => all("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });

  /* Close a menu with Escape, and when the focus or a click leaves it. */
  const setUpMenus = () => all("details[data-menu]").forEach((menu) => {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
    menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  });

  /* YYYY-MM-DD for a day that is typed as it is shown (22 Nov 2026) or in numbers, year first or in the organisation's order; "" for other text. */
  const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
  const parseDay = (typed) => {
    const [, namedDay, name, namedYear] = /^(\d{1,2}) ([a-z]{3}) (\d{4})$/.exec(typed.trim().toLowerCase()) || [];
    if (MONTHS.includes(name)) return `${namedYear}-${String(MONTHS.indexOf(name) + 1).padStart(2, "0")}-${namedDay.padStart(2, "0")}`;
    const [, first, , second, third] = /^(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})$/.exec(typed.trim()) || [];
    const order = first && first.length === 4 ? "year_first" : document.body.dataset.dateOrder;
    const [year, month, day] = { year_first: [first, second, third], day_first: [third, second, first], month_first: [third, first, second] }[order] || [];
    return first && year.length === 4 && day.length < 3 ? `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : "";
  };

  /* The list price of a service on a day: [first day, price or null, whether it includes tax]. Other days are left to the server, unless there is one price only. */
  const listPriceOn = (service, currency, typedDay) => {
    const prices = service && service.prices[currency] || [], day = parseDay(typedDay);
    if (!day) return prices.length === 1 ? prices[0] : undefined;
    return prices.filter(([firstDay]) => firstDay <= day).at(-1);
  };

  /* Customer fields: search while the person types, choose with the arrow keys (the combobox of the ARIA patterns). A text area has a customer on each line. */
  const currencies = new Map(); /* of the customers found so far, by what names them, in lower case */
  const findCustomers = async (parameters) => {
    const answer = await fetch(`${document.body.dataset.customerSearch}?${new URLSearchParams(parameters)}`, { credentials: "same-origin" });
    const customers = answer.ok && !answer.redirected ? await answer.json() : [];
    customers.forEach(({ reference, currency }) => currencies.set(reference.toLowerCase(), currency));
    if (parameters.q && customers.length === 1) currencies.set(parameters.q.trim().toLowerCase(), customers[0].currency); /* a part of the name that one customer has */
    document.dispatchEvent(new Event("customers-found"));
    return customers;
  };
  const setUpCustomerSearch = () => {
    const fields = "input[data-customer-search], textarea[data-customer-search]";
    if (!document.querySelector(fields)) return;
    const list = document.createElement("ul");
    Object.assign(list, { id: "customer-options", className: "options", role: "listbox", ariaLabel: document.body.dataset.customersLabel, hidden: true });
    document.body.append(list);
    let field = null, timer = 0;
    const hasLines = (input) => input.tagName === "TEXTAREA"; /* it stays a text box: ARIA allows it no other role */
    const expand = (expanded) => { if (!hasLines(field)) field.setAttribute("aria-expanded", String(expanded)); };
    const describe = () => all(fields).forEach((input) => {
      const combobox = hasLines(input) ? {} : { role: "combobox", "aria-expanded": "false" };
      for (const [name, value] of Object.entries({ ...combobox, "aria-autocomplete": "list", "aria-controls": list.id })) input.setAttribute(name, value);
    });
    /* Where the name begins and ends in the text: the line with the cursor, or the whole field. */
    const namePlace = (input) => {
      if (!hasLines(input)) return [0, input.value.length];
      const first = input.value.lastIndexOf("\n", input.selectionStart - 1) + 1, end = input.value.indexOf("\n", input.selectionStart);
      return [first, end < 0 ? input.value.length : end];
    };
    const typedName = (input) => input.value.slice(...namePlace(input));
    const active = () => list.querySelector("[aria-selected=true]");
    const close = () => {
      clearTimeout(timer);
      list.hidden = true;
      if (field) { expand(false); field.removeAttribute("aria-activedescendant"); }
    };
    const activate = (option) => {
      all("[aria-selected=true]", list).forEach((other) => other.setAttribute("aria-selected", "false"));
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      field.setAttribute("aria-activedescendant", option.id);
    };
    const choose = (option) => {
      const [first, end] = namePlace(field);
      const ending = hasLines(field) && end === field.value.length ? "\n" : "";
      field.setRangeText(option.dataset.reference + ending, first, end, "end");
      close();
      field.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "chosen" }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const show = (customers) => {
      list.replaceChildren(...customers.map(({ reference, name, currency }, index) => {
        const option = document.createElement("li");
        Object.assign(option, { id: `customer-option-${index}`, role: "option", ariaSelected: "false" });
        option.dataset.reference = reference;
        const detail = document.createElement("small");
        detail.textContent = `${reference} · ${currency}`;
        option.append(name, " ", detail);
        return option;
      }));
      const { left, bottom, width } = field.getBoundingClientRect();
      Object.assign(list.style, { left: `${left}px`, top: `${bottom}px`, minWidth: `${width}px`, maxWidth: `calc(100vw - ${left}px - .5rem)` });
      list.hidden = !customers.length;
      expand(!list.hidden);
    };
    const search = async () => {
      const typed = typedName(field), searched = field;
      if (hasLines(field) && !typed.trim()) return close();
      try {
        const customers = await findCustomers({ q: typed });
        if (searched === document.activeElement && typedName(searched) === typed) show(customers);
      } catch { /* the server is away: the field is a plain one */ }
    };
    document.addEventListener("focusin", (event) => { if (event.target.matches(fields)) { describe(); field = event.target; } });
    document.addEventListener("focusout", (event) => { if (event.target === field) close(); });
    document.addEventListener("input", (event) => {
      if (event.target !== field || event.detail === "chosen") return;
      clearTimeout(timer);
      timer = setTimeout(search, 150);
    });
    document.addEventListener("change", ({ target }) => {
      if (target.matches(fields) && !hasLines(target) && target.value.trim() && !currencies.has(target.value.trim().toLowerCase())) findCustomers({ q: target.value }).catch(() => {});
    });
    document.addEventListener("keydown", (event) => {
      if (event.target !== field) return;
      const options = Array.from(list.children), index = options.indexOf(active());
      const moves = { ArrowDown: (index + 1) % options.length, ArrowUp: (index <= 0 ? options.length : index) - 1 };
      if (list.hidden) {
        if (event.key === "ArrowDown" && !hasLines(field)) { event.preventDefault(); search(); }
      } else if (event.key in moves) {
        event.preventDefault();
        activate(options[moves[event.key]]);
      } else if (event.key === "Escape" || event.key === "Enter" && index >= 0) {
        event.preventDefault();
        event.stopPropagation();
        if (event.key === "Enter") choose(options[index]); else close();
      }
    }, true);
    list.addEventListener("mousedown", (event) => { event.preventDefault(); const option = event.target.closest("li"); if (option) choose(option); });
    addEventListener("scroll", (event) => { if (event.target !== list) close(); }, { capture: true, passive: true });
    describe();
  };

  /* Charge form: show the currency and unit, and fill in the list price of the day. It reads data-services {code: {unit, prices: {currency: [[first day, price, includes tax]]}}}, and data-currency or data-customers {reference: currency}; the search adds customers. */
  const setUpPrices = () => all("form[data-services]").forEach((form) => {
    const services = JSON.parse(form.dataset.services);
    Object.entries(JSON.parse(form.dataset.customers || "{}")).forEach(([reference, currency]) => currencies.set(reference.toLowerCase(), currency));
    const field = (name) => form.elements[name] || form.elements[`${name}_id`];
    const [service, customer, day, price, inclusive] = [field("service"), field("customer"), field("day"), field("unit_price"), field("tax_included")];
    if (!service || !price) return;
    const showText = (id, text) => { const element = document.getElementById(id); if (element) { element.textContent = text || ""; element.hidden = !text; } };
    let filledPrice = null;
    const fill = () => {
      const selectedService = services[service.value];
      const currency = customer && currencies.get(customer.value.trim().toLowerCase()) || form.dataset.currency;
      showText(`${price.id}-suffix`, currency);
      const quantity = field("quantity");
      if (quantity) showText(`${quantity.id}-suffix`, selectedService && selectedService.unit);
      const [, listPrice, includesTax] = listPriceOn(selectedService, currency, day ? day.value : "") || [];
      if (price.value === "" || price.value === filledPrice) { price.value = listPrice || ""; filledPrice = price.value; if (inclusive && selectedService) inclusive.checked = Boolean(includesTax); }
    };
    [service, customer, day].forEach((element) => element && element.addEventListener("change", fill));
    document.addEventListener("customers-found", fill);
    fill();
  });

  /* Parse an exact decimal into a BigInt of 10^-12; null for text that the server refuses, `blank` for "". `isAllowedMark` decides whether a currency sign or code may be written with the number. See domain/amount_input.py. */
  const GAP = "[ \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000'\\u2019]";
  const MARK = "[^0-9\\s.,'\\u2019+\\-\\u2212]+(?:\\.(?=\\s|$))?";
  const AMOUNT_INPUT = new RegExp(`^(?:([-\\u2212])\\s*)?(?:(${MARK})\\s*)?(?:([-\\u2212])\\s*)?(?:([0-9.,](?:${GAP}?[0-9.,])*)\\s*)?(${MARK})?$`);
  /* The organisation's number format, such as 1,234.56: the sign between thousands and the decimal sign. */
  const [, GROUP, , , , DECIMAL] = document.documentElement.dataset.numberFormat || "1,234.56";
  const THOUSANDS = DECIMAL === "." ? "," : "\\.";
  const UNAMBIGUOUS = new RegExp(`^(?:[0-9]*|[1-9][0-9]{0,2}(?:${THOUSANDS}[0-9]{3}(?=[.,])(?:${THOUSANDS}[0-9]{3})*|(?:${GAP}[0-9]{3})+))(?:\\${DECIMAL}[0-9]+)?$`);
  const PLAIN = /^(?![1-9][0-9]{0,2}\.[0-9]{3}$)[0-9]*\.[0-9]+$/; /* in every format; 1.234 can be thousands */
  const SCIENTIFIC = /^([-\u2212])?([0-9])(?:[.,]([0-9]+))?[Ee]([+-]?[0-9]{1,3})$/;
  const negate = (minus, number) => !minus ? number : number ? -number : null; /* −0 is refused */
  const parseScientific = ([, minus, whole, decimals = "", power]) => {
    const shift = 12 - decimals.length + Number(power);
    if (Number(power) > decimals.length || shift < 0) return null;
    return negate(minus, BigInt(`${whole}${decimals}`) * 10n ** BigInt(shift));
  };
  const parseExact = (typed, blank, isAllowedMark = () => false) => {
    const text = typed.trim();
    if (!text) return blank;
    const scientific = SCIENTIFIC.exec(text);
    if (scientific) return parseScientific(scientific);
    const [, minus, before, innerMinus, digits = "", after] = text.length <= 60 && AMOUNT_INPUT.exec(text) || [];
    const mark = before || after;
    const isPlain = DECIMAL === "," && PLAIN.test(digits);
    if (!isPlain && !UNAMBIGUOUS.test(digits) || minus && innerMinus || before && after || mark && !isAllowedMark(mark)) return null;
    if (before && digits.startsWith(".") && isAllowedMark(`${before}.`)) return null; /* Rs.5 */
    const [wholes, decimals = ""] = digits.split(isPlain ? "." : DECIMAL);
    const parts = /^0*(\d{0,18})\.(\d{0,12})0*$/.exec(`${wholes.replace(/[^0-9]/g, "")}.${decimals}`);
    return parts && digits ? negate(minus || innerMinus, BigInt(`${parts[1]}${parts[2].padEnd(12, "0")}`)) : null;
  };
  const ONE = 10n ** 12n;
  const formatExact = (amount, places = 2) => {
    const digits = String(amount < 0n ? -amount : amount).padStart(13, "0");
    const whole = digits.slice(0, -12).replace(/\B(?=(\d{3})+$)/g, GROUP === " " ? "\u00a0" : GROUP);
    const decimals = digits.slice(-12).replace(/0+$/, "").padEnd(places, "0");
    return `${amount < 0n ? "-" : ""}${whole}${decimals && DECIMAL}${decimals}`;
  };

  /* Whether a currency sign or code may be written with an amount. It reads data-signs {sign: [currency]}. */
  const SIGN_VARIANTS = { "\uff04": "$", "\ufe69": "$", "\uffe1": "\u00a3", "\uffe5": "\u00a5", "\uffe6": "\u20a9" };
  const readMarks = (form) => {
    const signs = new Map(Object.entries(JSON.parse(form.dataset.signs)));
    return (currency) => (mark) => mark.toUpperCase() === currency || (signs.get(mark.replace(/./gu, (sign) => SIGN_VARIANTS[sign] || sign).toLowerCase()) || []).includes(currency);
  };

  /* Payment form: the totals below the invoices follow the amounts. It reads data-totals (the currency), data-digits, and data-received where the form has no amount. */
  const setUpTotals = () => all("form[data-totals]").forEach((form) => {
    const currency = form.dataset.totals, isMark = readMarks(form)(currency);
    const read = (input) => parseExact(input.value, 0n, isMark);
    const element = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text });
    const show = (name, amount) => all(`[data-total="${name}"]`, form).forEach((output) => {
      const shown = element("data", "money", amount === null ? "–" : `${formatExact(amount, Number(form.dataset.digits)).replace("-", "\u2212")} `);
      if (amount !== null) shown.append(element("span", "currency", currency));
      output.replaceChildren(shown);
    });
    const readReceived = () => form.dataset.received ? BigInt(form.dataset.received) : read(form.elements.amount);
    const readParts = () => all("input[name^=part_]", form).map(read);
    const digits = Number(form.dataset.digits);
    /* The tick of an invoice fills in what is open and left, or clears the amount; an amount ticks its invoice. */
    const partOf = (tick) => form.elements[tick.name.replace("pay_", "part_")];
    const ticks = all("input[name^=pay_]", form);
    ticks.forEach((tick) => {
      tick.addEventListener("input", () => {
        const part = partOf(tick), open = BigInt(tick.dataset.open) * 10n ** BigInt(12 - digits);
        part.value = "";
        const received = readReceived(), parts = readParts();
        if (received === null || parts.includes(null)) { tick.checked = false; return; }
        const left = received === 0n ? open : received - parts.reduce((sum, amount) => sum + amount, 0n);
        tick.checked = tick.checked && left > 0n;
        if (tick.checked) part.value = formatExact(left < open ? left : open, digits);
      });
    });
    const update = (event) => {
      const received = readReceived(), parts = readParts();
      if (!(event && ticks.includes(event.target))) ticks.forEach((tick) => { tick.checked = partOf(tick).value.trim() !== ""; });
      const allocated = parts.includes(null) ? null : parts.reduce((sum, part) => sum + part, 0n);
      show("received", received);
      show("allocated", allocated);
      show("left", received === null || allocated === null ? null : received - allocated);
    };
    form.addEventListener("input", update);
    addEventListener("pageshow", update); /* after the Back button the browser restores the input */
    update();
  });

  /* Split text that was copied from a spreadsheet into rows of cells, as domain/clipboard.py does; the reasons are there. */
  const parseRows = (copied) => {
    let text = copied.replaceAll("\r\n", "\r");
    const hasBoth = text.includes("\r") && text.includes("\n");
    if (!hasBoth) text = text.replaceAll("\r", "\n");
    const quoted = /"([^"]*(?:""[^"]*)*)"(?=[\t\r\n]|$)/y, plain = /[^\t\r\n]*/y;
    const needsQuotes = (content) => {
      const [hasBreak, hasTab] = [content.includes("\n"), content.includes("\t")];
      return !content.includes("\r") && (hasBreak || hasTab) && (hasBoth || hasBreak !== hasTab);
    };
    const lines = [[]];
    for (let position = 0; position <= text.length; position += 1) {
      quoted.lastIndex = plain.lastIndex = position;
      const [, content] = quoted.exec(text) || [];
      const inQuotes = content !== undefined && needsQuotes(content);
      const cell = inQuotes ? content.replaceAll('""', '"') : plain.exec(text)[0];
      lines.at(-1).push(cell.replace(/\s+/g, " ").trim());
      position = inQuotes ? quoted.lastIndex : position + cell.length;
      if (position < text.length && text[position] !== "\t") lines.push([]);
    }
    if (lines.length > 1 && /[\r\n]$/.test(text)) lines.pop(); /* the line break after the last row */
    return lines;
  };

  /* The grid of many charges: pasting fills cells to the right and below, Enter moves down, and count and sums are shown. */
  const setUpGrid = () => all("form[data-grid]").forEach((form) => {
    const prices = new Map(Object.entries(JSON.parse(form.dataset.prices)));
    Object.entries(JSON.parse(form.dataset.customers)).forEach(([reference, currency]) => currencies.set(reference.toLowerCase(), currency));
    const isMarkOf = readMarks(form);
    /* Arrange copied lines with a header by its names, as web/charges/grid.py does; null if the grid lacks a column. */
    const headings = new Map(Object.entries(JSON.parse(form.dataset.headings)));
    const arrangeByHeader = (lines) => {
      const columns = lines[0].map((cell) => headings.get(cell.slice(0, 80).toLowerCase().normalize("NFKD").replace(/[^a-z0-9]/g, "")));
      if (columns.filter((column) => column !== undefined).length < 2) return lines;
      const lacks = (column, index) => lines[0][index] && (!(column >= 0) || columns.indexOf(column) < index);
      if (columns.some(lacks)) return null;
      const width = Math.max(...headings.values()) + 1;
      return lines.slice(1).map((values) => Array.from({ length: width }, (_, index) => values[columns.indexOf(index)] || ""));
    };
    const body = form.querySelector("tbody");
    const sumOutput = form.querySelector("[data-grid-sum]");
    const rows = () => Array.from(body.rows);
    const cells = (row) => all("input:not([type=hidden])", row);
    const addRow = () => {
      const lastRow = rows().at(-1), index = body.rows.length;
      if (index >= Number(form.dataset.grid)) return null;
      const row = lastRow.cloneNode(true);
      all(".field-error", row).forEach((error) => error.remove());
      all(".has-error", row).forEach((field) => field.classList.remove("has-error"));
      all("[name], [for]", row).forEach((element) => {
        for (const name of ["name", "id", "for"]) if (element.hasAttribute(name)) element.setAttribute(name, element.getAttribute(name).replace(/^rows-\d+-/, `rows-${index}-`));
        if (element.tagName === "LABEL") element.textContent = element.textContent.replace(/\d+$/, index + 1);
        element.removeAttribute("aria-invalid");
        element.removeAttribute("aria-describedby");
      });
      const key = crypto.getRandomValues(new Uint8Array(16));
      key[6] = key[6] & 0x0f | 0x40;
      key[8] = key[8] & 0x3f | 0x80;
      row.querySelector("input[type=hidden]").value = Array.from(key, (byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
      cells(row).forEach((cell) => { cell.value = ""; });
      row.querySelector("span").textContent = index + 1;
      body.append(row);
      return row;
    };
    const cellPosition = (cell) => { const row = cell.closest("tr"); return [rows().indexOf(row), cells(row).indexOf(cell)]; };
    /* Customers that were typed or pasted are looked up by reference, each once. */
    const searched = new Set(), unknown = new Set();
    let lookUpTimer = 0;
    const lookUp = () => {
      clearTimeout(lookUpTimer);
      if (unknown.size) lookUpTimer = setTimeout(() => {
        const references = [...unknown].slice(0, 200);
        unknown.clear();
        references.forEach((reference) => searched.add(reference));
        findCustomers(references.map((reference) => ["reference", reference])).catch(() => references.forEach((reference) => searched.delete(reference)));
      }, 300);
    };
    const showSum = () => {
      const sums = new Map();
      unknown.clear();
      let count = 0, uncounted = 0;
      rows().forEach((row) => {
        const [customer, service, quantity, price, day] = cells(row).map((cell) => cell.value.trim());
        if (!cells(row).some((cell) => cell.value.trim())) return;
        count += 1;
        const reference = customer || form.elements.customer.value.trim();
        const currency = currencies.get(reference.toLowerCase());
        if (reference && !currency && !searched.has(reference)) unknown.add(reference);
        const [, listPrice] = listPriceOn(prices.get(service), currency, day || form.elements.day.value) || [];
        const [exactQuantity, exactPrice] = [parseExact(quantity, ONE), parseExact(price || listPrice || "", null, isMarkOf(currency))];
        if (!currency || exactQuantity === null || exactPrice === null) { uncounted += 1; return; }
        sums.set(currency, (sums.get(currency) || 0n) + exactQuantity * exactPrice / ONE);
      });
      const sumsText = [...sums].map(([currency, sum]) => `${formatExact(sum)} ${currency}`).join(", ");
      const { one, many, missing } = sumOutput.dataset;
      const rowsText = (count === 1 ? one : many).replace("{count}", count) + (sumsText && `: ${sumsText}`);
      sumOutput.textContent = count ? `${uncounted ? missing.replace("{rows}", rowsText).replace("{count}", uncounted) : rowsText}.` : "";
      lookUp();
    };
    body.addEventListener("paste", (event) => {
      const copied = event.clipboardData.getData("text/plain");
      let lines = parseRows(copied);
      const isOneCell = lines.length < 2 && lines[0].length < 2;
      if (!event.target.matches("input") || isOneCell && (lines[0][0] || "") === copied.replace(/\s+/g, " ").trim()) return;
      event.preventDefault();
      if (isOneCell) { /* a quoted cell: insert it without the quotes */
        const { selectionStart, selectionEnd } = event.target;
        event.target.setRangeText(lines[0][0], selectionStart, selectionEnd, "end");
        form.dispatchEvent(new Event("input", { bubbles: true }));
        return;
      }
      const arranged = arrangeByHeader(lines);
      const position = cellPosition(event.target), top = position[0], left = arranged === lines ? position[1] : 0;
      if (!arranged) { /* the server names the columns that the grid lacks */
        const pasted = form.elements.pasted;
        pasted.value = [pasted.value, copied].filter(Boolean).join("\n");
        pasted.closest("details").open = true;
        pasted.focus();
        return;
      }
      lines = arranged;
      const remaining = lines.filter((values, index) => {
        const row = rows()[top + index] || addRow();
        if (!row) return true;
        const targets = cells(row).slice(left);
        if (values.length > targets.length) values.push(values.splice(targets.length - 1).join(" ")); /* surplus cells go into the last one */
        values.forEach((value, column) => { targets[column].value = value; });
        return false;
      });
      if (remaining.length) { /* the grid is full: keep the lines in the field for pasted lines */
        const pasted = form.elements.pasted;
        pasted.value = [pasted.value, ...remaining.map((values) => "\t".repeat(left) + values.join("\t"))].filter(Boolean).join("\n");
        pasted.closest("details").open = true;
      }
      form.dispatchEvent(new Event("input", { bubbles: true }));
    });
    body.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("input")) return;
      event.preventDefault();
      const [index, column] = cellPosition(event.target);
      const next = rows()[index + 1] || addRow();
      if (next) cells(next)[column].focus();
    });
    form.addEventListener("input", showSum);
    document.addEventListener("customers-found", showSum);
    showSum();
  });

  /* A table region scrolls and is a Tab stop only if its table is too wide; otherwise its head sticks to the page. */
  const setUpRegions = () => {
    const regions = all(".table-region");
    const show = () => regions.forEach((region) => {
      const fits = region.scrollWidth <= region.clientWidth;
      region.tabIndex = fits ? -1 : 0;
      region.classList.toggle("fits", fits);
    });
    const watcher = new ResizeObserver(show);
    regions.forEach((region) => { watcher.observe(region); watcher.observe(region.firstElementChild); });
    document.addEventListener("list-replaced", () => { watcher.disconnect(); setUpRegions(); }, { once: true });
  };

  /* Reload a live region every second until it is no longer marked as live. */
  const setUpLive = () => {
    if (!document.querySelector("[data-live]")) return;
    const refresh = async () => {
      const region = document.querySelector("[data-live]");
      if (!region) return;
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        const newRegion = all("main > div", next).find((div) => div.querySelector("h1, section"));
        if (!answer.ok || answer.redirected || !newRegion) { location.reload(); return; }
        region.replaceWith(newRegion);
      } catch { /* the server is restarting: try again */ }
      setTimeout(refresh, 1000);
    };
    setTimeout(refresh, 1000);
  };

  /* Focus the error summary if the browser's autofocus did not. */
  addEventListener("load", () => {
    const summary = document.querySelector("[data-focus]");
    if (summary && document.activeElement !== summary) summary.focus();
  });

  /* For the files that enhance some pages. */
  window.billing = Object.freeze({ all, formatExact, shortcutsOn });

  document.addEventListener("DOMContentLoaded", () => {
    [setUpTheme, setUpShortcuts, setUpSubmitGuard, setUpUnsavedWarning, setUpCopy, setUpPrint, setUpMenus, setUpCustomerSearch, setUpPrices, setUpTotals, setUpGrid, setUpRegions, setUpLive].forEach((setUp) => setUp());
  });
})();
