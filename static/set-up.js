/* Propose the time zone of the browser where an organisation has none yet. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const select = document.querySelector("select[name=time_zone]");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (select && select.value === "UTC" && [...select.options].some((option) => option.value === zone)) select.value = zone;
});
