// Search over the routes, copy buttons, and opening the route that the address names.
(() => {
  const field = document.getElementById("search");
  const routes = [...document.querySelectorAll(".docs-route")];
  const found = document.getElementById("found");
  const texts = routes.map((route) => route.textContent.toLowerCase());
  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    routes.forEach((route, at) => {
      const fits = words.every((word) => texts[at].includes(word));
      route.hidden = !fits;
      if (fits) shown += 1;
    });
    found.textContent = words.length ? `${shown} of ${routes.length} routes` : `${routes.length} routes`;
  };
  if (field) {
    field.addEventListener("input", search);
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && document.activeElement !== field) {
        event.preventDefault();
        field.focus();
      }
    });
    search();
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
