/* Propose the time zone of the chosen country, or else that of the browser, until the person chooses one. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const country = document.querySelector("select[name=country]"), select = document.querySelector("select[name=time_zone]");
  if (!select) return;
  const propose = (zone) => { if ([...select.options].some((option) => option.value === zone)) select.value = zone; };
  const zones = JSON.parse(country?.form.dataset.timeZones || "{}");
  let isProposed = select.value === "";
  if (isProposed) propose(zones[country?.value] || Intl.DateTimeFormat().resolvedOptions().timeZone);
  select.addEventListener("change", () => { isProposed = false; });
  country?.addEventListener("change", () => { if (isProposed) propose(zones[country.value]); });
});
