/* Shows the OpenAPI document with swagger-ui. Nothing is asked of another host; a token is kept by this page only. */
addEventListener("DOMContentLoaded", () => {
  "use strict";

  const root = document.documentElement;
  const followTheme = () => root.classList.toggle("dark-mode", root.dataset.bsTheme === "dark");
  new MutationObserver(followTheme).observe(root, { attributeFilter: ["data-bs-theme"] });
  followTheme();

  // The page has its title; of the document's only what it says is shown.
  const withoutTitle = ({ React, getComponent, specSelectors }) => {
    const words = () => React.createElement(getComponent("Markdown", true), { source: specSelectors.info().get("description") });
    return { wrapComponents: { OAS31Info: () => words } };
  };

  const place = document.getElementById("api-docs");
  SwaggerUIBundle({
    domNode: place,
    url: place.dataset.document,
    validatorUrl: null, // it would send the document elsewhere
    persistAuthorization: false,
    tryItOutEnabled: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    deepLinking: true,
    displayRequestDuration: true,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [withoutTitle],
  });
});
