/* Draws the table of each figure as a chart. The table stays below, folded; it is all that the page needs without script. */
(() => {
  "use strict";

  const [, GROUP] = document.documentElement.dataset.numberFormat || "1,234.56";
  const COLOURS = ["--accent", "--chart-second"];
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  const probe = document.createElement("span");
  const charts = [];

  /* A custom property may be a light-dark() pair, so it is resolved as the colour of an element. */
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };

  const axisNumber = (value) => String(value).replace("-", "−").replace(/\B(?=(\d{3})+(?!\d))/g, GROUP === " " ? "\u00a0" : GROUP);

  /* The columns with values are the series; a cell without a value is a gap. */
  const readTable = (table) => {
    const rows = Array.from(table.tBodies[0].rows);
    const heads = Array.from(table.tHead.rows[0].cells);
    const positions = heads.map((head, position) => position).filter((position) => heads[position].dataset.series !== undefined
      || rows.some((row) => row.cells[position]?.dataset.value !== undefined));
    return {
      rows,
      labels: rows.map((row) => row.cells[0].dataset.short || row.cells[0].textContent.trim()),
      series: positions.map((position) => ({
        label: heads[position].textContent.trim(),
        cells: rows.map((row) => row.cells[position]),
      })),
    };
  };

  const value = (cell) => (cell.dataset.value === undefined || cell.dataset.value === "" ? null : Number(cell.dataset.value));

  /* Set the colours of a chart, or of its settings before it is made. */
  const paint = (chart) => {
    const ink = colour("--ink-soft");
    chart.data.datasets.forEach((series, position) => {
      const fill = colour(COLOURS[position % COLOURS.length]);
      Object.assign(series, { backgroundColor: fill, borderColor: fill });
    });
    Object.values(chart.options.scales).forEach((scale) => {
      scale.ticks.color = ink;
      scale.grid.color = colour("--line");
    });
    chart.options.plugins.legend.labels.color = ink;
    Object.assign(chart.options.plugins.tooltip, {
      backgroundColor: colour("--paper"),
      titleColor: colour("--ink"),
      bodyColor: colour("--ink"),
      borderColor: colour("--line-strong"),
      borderWidth: 1,
    });
  };

  const draw = (figure) => {
    const table = figure.querySelector("table");
    const { labels, series } = readTable(table);
    const [kind, lying] = figure.dataset.chart === "ranking" ? ["bar", true] : [figure.dataset.chart, false];
    const place = document.createElement("div");
    const canvas = document.createElement("canvas");
    place.className = "chart-place";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", figure.dataset.summary);
    place.append(canvas);
    (figure.querySelector(".chart-note") || figure.querySelector("figcaption")).after(place);
    figure.querySelector("details").open = false;
    const cellAt = (item) => series[item.datasetIndex].cells[item.dataIndex ?? item.index];
    const linkAt = (item) => cellAt(item).querySelector("a");
    const numbers = { beginAtZero: true, ticks: { callback: axisNumber, maxTicksLimit: 6 }, grid: {} };
    const names = { ticks: { autoSkip: !lying, maxRotation: 0 }, grid: { display: false } };
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    const settings = {
      type: kind,
      data: {
        labels,
        datasets: series.map(({ label, cells }) => ({
          label, data: cells.map(value), borderWidth: kind === "line" ? 2 : 0, borderRadius: 3, maxBarThickness: 28, tension: 0,
          spanGaps: false,
        })),
      },
      options: {
        indexAxis: lying ? "y" : "x",
        animation: stillness.matches ? false : { duration: 250 },
        maintainAspectRatio: false,
        interaction: { mode: "index", axis: lying ? "y" : "x", intersect: false },
        scales: lying ? { x: numbers, y: names } : { x: names, y: numbers },
        plugins: {
          colors: { enabled: false },
          legend: { display: series.length > 1, position: "bottom", labels: { boxWidth: 12, boxHeight: 12 } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${cellAt(item).textContent.trim()}` } },
        },
        onHover: (event, items) => { canvas.style.cursor = items.some(linkAt) ? "pointer" : ""; },
        onClick: (event) => {
          const [item] = event.chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, true);
          if (item) linkAt(item)?.click();
        },
      },
    };
    paint(settings);
    charts.push(new Chart(canvas, settings));
  };

  const repaint = () => charts.forEach((chart) => { paint(chart); chart.update("none"); });

  addEventListener("DOMContentLoaded", () => {
    probe.hidden = true;
    document.body.append(probe);
    document.querySelectorAll("figure[data-chart]").forEach(draw);
    new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  });
})();
