/* Passkeys: a form with data-passkey="create" or "get" asks the device, and sends its answer. data-options holds the server's options. */
"use strict";

(() => {
  const parse = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" };

  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    const act = form.dataset.passkey;
    const [button, missing, failed] = ["button[type=button]", "[data-passkey-missing]", "[data-passkey-failed]"].map((part) => form.querySelector(part));
    if (!window.PublicKeyCredential || !PublicKeyCredential[parse[act]]) return;
    missing.hidden = true;
    button.hidden = false;
    /* Enter in a field asks the device as well. */
    form.addEventListener("submit", (event) => { event.preventDefault(); button.click(); });
    button.addEventListener("click", async () => {
      failed.hidden = true;
      button.disabled = true;
      try {
        const publicKey = PublicKeyCredential[parse[act]](JSON.parse(form.dataset.options));
        form.elements.credential.value = JSON.stringify(await navigator.credentials[act]({ publicKey }));
        form.submit();
      } catch {
        failed.hidden = false;
        button.disabled = false;
      }
    });
  });
})();
