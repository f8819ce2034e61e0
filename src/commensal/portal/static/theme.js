// Runs before the page is painted: marks that scripts run, and keeps the colours the reader chose.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.remove("no-js");
  root.classList.add("js");
  try {
    var chosen = localStorage.getItem("commensal-theme");
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  } catch (error) {
    // Storage may be switched off; the system's colours are used then.
  }
})();
