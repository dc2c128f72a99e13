/* Lists: count and sums of the selected rows, ranges with Shift, and keys that move between rows. Every list works without it. */
(() => {
  "use strict";

  const { all, formatExact, shortcutsOn } = window.billing;

  /* Exact amounts are added as whole numbers of 10⁻¹², never as floating-point numbers. */
  const PLACES = 12;
  const parsePlain = (text) => {
    const [whole, decimals = ""] = text.split(".");
    return BigInt(whole + decimals.padEnd(PLACES, "0"));
  };
  const readSums = (box) => Object.entries(JSON.parse(box.dataset.sums || "{}")).map(([currency, amount]) => [currency, parsePlain(amount)]);
  const readCount = (box) => Number(box.dataset.count || 1);

  const setUpSelection = (table) => {
    const form = table.closest("form");
    const boxes = all("tbody .select input[type=checkbox]", table);
    const rowBoxes = boxes.filter((box) => !isGroup(box));
    const selectAll = table.querySelector("[data-select-all]");
    const filterBox = form && form.querySelector("[data-select-filter]");
    const output = form && form.querySelector("[data-selection]");
    const oldOutputs = all("[data-selected-count]", form || document);
    const membersOf = (group) => boxes.filter((box) => box.dataset.group === group.value);
    const groupOf = (box) => box.dataset.group && boxes.find((group) => group.value === box.dataset.group);
    let lastIndex = null;

    function isGroup(box) { return boxes.some((member) => member.dataset.group === box.value); }

    const tally = () => {
      const counted = filterBox && filterBox.checked ? [filterBox] : boxes.filter((box) => {
        const group = groupOf(box);
        return box.checked && !(group && group.checked);
      });
      const sums = new Map();
      counted.flatMap(readSums).forEach(([currency, amount]) => sums.set(currency, (sums.get(currency) || 0n) + amount));
      return { count: counted.reduce((count, box) => count + readCount(box), 0), sums };
    };

    const describe = ({ count, sums }) => {
      const { none, one, many, oneSum, manySum } = output.dataset, digits = JSON.parse(output.dataset.digits);
      if (!count) return none;
      const amounts = [...sums].sort().map(([currency, sum]) => `${formatExact(sum, digits[currency] ?? 2).replace("-", "\u2212")} ${currency}`).join(", ");
      const text = amounts ? (count === 1 ? oneSum : manySum) : (count === 1 ? one : many);
      return text.replace("{count}", formatWhole(count)).replace("{sums}", amounts);
    };

    const show = () => {
      const checked = rowBoxes.filter((box) => box.checked).length;
      selectAll.checked = rowBoxes.length > 0 && checked === rowBoxes.length;
      selectAll.indeterminate = checked > 0 && checked < rowBoxes.length;
      const total = tally();
      if (output) output.textContent = describe(total);
      oldOutputs.forEach((old) => { old.textContent = old.dataset.some.replace("{count}", formatWhole(checked)).replace("{total}", formatWhole(rowBoxes.length)); });
      if (form) all(".selection-bar", form).forEach((bar) => bar.toggleAttribute("data-nothing-selected", !total.count));
      if (form) all("[data-act]", form).forEach((button) => {
        button.dataset.label = button.dataset.label || button.textContent;
        const { label, one, many } = button.dataset;
        button.textContent = total.count ? (total.count === 1 ? one : many).replace("{count}", formatWhole(total.count)) : label;
      });
    };

    /* A group is selected with all its rows, those on other pages included; without one of them it no longer is. */
    const follow = (box) => {
      if (isGroup(box)) membersOf(box).forEach((member) => { member.checked = box.checked; });
      const group = groupOf(box);
      if (group && !box.checked) group.checked = false;
      if (filterBox && !box.checked) filterBox.checked = false;
    };
    const change = (changed, checked) => {
      changed.forEach((box) => { box.checked = checked; follow(box); });
      show();
    };

    selectAll.hidden = false;
    selectAll.addEventListener("change", () => change(rowBoxes, selectAll.checked));
    if (filterBox) filterBox.addEventListener("change", () => change(boxes, filterBox.checked));
    boxes.forEach((box, index) => box.addEventListener("click", (event) => {
      if (event.shiftKey && lastIndex !== null) change(boxes.slice(Math.min(lastIndex, index), Math.max(lastIndex, index) + 1).filter((other) => !isGroup(other) || other === box), box.checked);
      else change([box], box.checked);
      lastIndex = index;
    }));
    addEventListener("pageshow", show); /* after the Back button the browser restores the boxes */
    show();
  };
  const formatWhole = (count) => formatExact(BigInt(count) * 10n ** BigInt(PLACES), 0);

  /* j and k move between rows, x selects, Enter opens. They act on the rows of the page's first list. */
  const findRows = () => all("main .table-region tbody tr").filter((row) => row.querySelector("a[href], .select input"));
  const setUpKeys = () => {
    const boxOf = (row) => row.querySelector(".select input[type=checkbox]");
    const linkOf = (row) => row.querySelector("td a[href], th a[href]");
    const currentRow = () => document.activeElement.closest("main .table-region tbody tr");
    const move = (step) => {
      const rows = findRows();
      if (!rows.length) return;
      const index = rows.indexOf(currentRow());
      const row = rows[index < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(index + step, 0), rows.length - 1)];
      (linkOf(row) || boxOf(row)).focus();
      row.scrollIntoView({ block: "nearest" });
    };
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || document.querySelector("dialog[open]")) return;
      const row = currentRow(), isBox = event.target.matches("input[type=checkbox]");
      if (event.key === "Enter" && row && isBox) { /* Enter would send the form */
        event.preventDefault();
        const link = linkOf(row);
        if (link) link.click();
        return;
      }
      const isTyping = event.target.closest("input, textarea, select, [contenteditable]") && !isBox;
      if (isTyping || !shortcutsOn()) return;
      if (event.key === "j") { event.preventDefault(); move(1); }
      if (event.key === "k") { event.preventDefault(); move(-1); }
      if (event.key === "x" && row && boxOf(row)) { event.preventDefault(); boxOf(row).click(); }
    });
  };

  const setUpLists = () => {
    all("table[data-selectable]").forEach(setUpSelection);
    all("[data-keys=lists]").forEach((keys) => { keys.hidden = !findRows().length && !keys.closest("main"); });
  };
  document.addEventListener("list-replaced", setUpLists); /* static/tables.js has applied other filters */
  document.addEventListener("DOMContentLoaded", () => { setUpLists(); setUpKeys(); });
})();
