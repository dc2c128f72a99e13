/* Shows the OpenAPI document with swagger-ui. It calls no other host; only this page holds the token. */
addEventListener("DOMContentLoaded", () => {
  "use strict";

  const root = document.documentElement;
  const followTheme = () => root.classList.toggle("dark-mode", root.dataset.bsTheme === "dark");
  new MutationObserver(followTheme).observe(root, { attributeFilter: ["data-bs-theme"] });
  followTheme();

  // The page has a heading of its own: of the document's information, only the description is shown.
  const withoutTitle = ({ React, getComponent, specSelectors }) => {
    const description = () => React.createElement(getComponent("Markdown", true), { source: specSelectors.info().get("description") });
    return { wrapComponents: { OAS31Info: () => description } };
  };

  const container = document.getElementById("api-docs");
  SwaggerUIBundle({
    domNode: container,
    url: container.dataset.document,
    validatorUrl: null, // it would send the document to another host
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
