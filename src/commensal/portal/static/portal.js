// Small helpers of the portal. Pages work without them; they add tabs, copying, saving and notices.
(function () {
  "use strict";

  const announce = (text) => {
    const box = document.getElementById("announce");
    if (box) {
      box.textContent = "";
      window.setTimeout(() => { box.textContent = text; }, 30);
    }
  };

  const toast = (text, kind) => {
    const box = document.querySelector(".toasts");
    if (!box) return;
    const item = document.createElement("div");
    item.className = kind === "bad" ? "toast bad" : "toast";
    const words = document.createElement("span");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Dismiss");
    item.append(words, close);
    box.append(item);
    expire(item);
  };

  const expire = (item) => {
    const seconds = 6 + Math.min(10, item.textContent.length / 18);
    let timer = window.setTimeout(() => item.remove(), seconds * 1000);
    item.addEventListener("mouseenter", () => window.clearTimeout(timer));
    item.addEventListener("focusin", () => window.clearTimeout(timer));
    item.addEventListener("mouseleave", () => { timer = window.setTimeout(() => item.remove(), 3000); });
  };

  // --- copying and saving -----------------------------------------------------------------------
  const writeClipboard = async (text) => {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return;
    }
    // Plain http on another machine: browsers offer only the old command there.
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("aria-hidden", "true");
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("copy refused");
  };

  const textOf = (button) => {
    const target = document.getElementById(button.dataset.from || "");
    return button.dataset.text || (target ? target.textContent : "");
  };

  const copy = async (button) => {
    const label = button.querySelector("[data-word]");
    try {
      await writeClipboard(textOf(button));
      announce("Copied to the clipboard");
      if (label) {
        const before = label.textContent;
        label.textContent = "copied";
        window.setTimeout(() => { label.textContent = before; }, 1800);
      } else {
        toast("Copied to the clipboard");
      }
    } catch {
      toast("The browser refused to copy. Select the text and copy it by hand.", "bad");
    }
  };

  const save = (button) => {
    const file = new Blob([textOf(button)], { type: button.dataset.type || "application/json" });
    const address = URL.createObjectURL(file);
    const link = document.createElement("a");
    link.href = address;
    link.download = button.dataset.name || "credentials.json";
    document.body.append(link);
    link.click();
    link.remove();
    window.setTimeout(() => URL.revokeObjectURL(address), 10000);
    announce("Saved as " + link.download);
  };

  // --- colours ------------------------------------------------------------------------------------
  const switchTheme = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("commensal-theme", root.dataset.theme);
    } catch {
      // Not kept, but the page has changed.
    }
    announce(dark ? "Light colours" : "Dark colours");
  };

  // --- tabs (the WAI-ARIA pattern; without scripts all panels are simply shown) --------------------
  const showTab = (list, tab, focus) => {
    for (const other of list.querySelectorAll("[role=tab]")) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      const panel = document.getElementById(other.getAttribute("aria-controls"));
      if (panel) panel.hidden = !chosen;
    }
    if (focus) tab.focus();
  };

  const makeTabs = (box) => {
    const panels = [...box.querySelectorAll("[data-tab]")];
    if (panels.length < 2 || box.classList.contains("tabbed")) return;
    const list = document.createElement("div");
    list.className = "tabs";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", box.dataset.tabs);
    for (const panel of panels) {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.className = "tab";
      tab.id = "tab-" + panel.id;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      const dot = document.createElement("span");
      dot.className = "dot " + (panel.dataset.colour || "");
      tab.append(dot, document.createTextNode(panel.dataset.tab));
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      list.append(tab);
    }
    list.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) showTab(list, tab, false);
    });
    list.addEventListener("keydown", (event) => {
      const tabs = [...list.querySelectorAll("[role=tab]")];
      const at = tabs.indexOf(document.activeElement);
      const step = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (at >= 0 && step !== undefined) {
        event.preventDefault();
        showTab(list, tabs[(step + tabs.length) % tabs.length], true);
      }
    });
    box.prepend(list);
    box.classList.add("tabbed");
    showTab(list, list.querySelector("[role=tab]"), false);
  };

  // --- one place for all events --------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) {
      if (button.dataset.do === "copy") void copy(button);
      if (button.dataset.do === "save") save(button);
      if (button.dataset.do === "theme") switchTheme();
      if (button.dataset.do === "close") {
        const confirm = button.closest("details");
        if (confirm) {
          confirm.open = false;
          confirm.querySelector("summary").focus();
        }
        const panel = button.closest("[data-closes]");
        if (panel) panel.remove();
      }
    }
    if (event.target.closest(".toast button")) event.target.closest(".toast").remove();
    for (const open of document.querySelectorAll("details.menu[open], details.chooser[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = event.target.closest("details.menu[open], details.chooser[open], details.confirm[open]");
      if (open) {
        open.open = false;
        open.querySelector("summary").focus();
      }
      return;
    }
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const field = document.querySelector("main input[type=search]");
      if (field) {
        event.preventDefault();
        field.focus();
        field.select();
      }
    }
  });

  // A question that has just been opened takes the focus, so that Enter answers it.
  document.addEventListener("toggle", (event) => {
    const box = event.target;
    if (box.matches && box.matches("details.confirm") && box.open) {
      const button = box.querySelector("button[type=submit]");
      if (button) button.focus();
    }
  }, true);

  const prepare = (root) => {
    for (const box of root.querySelectorAll("[data-tabs]")) makeTabs(box);
    for (const box of root.querySelectorAll(".table-box, .code pre")) {
      if (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    }
    for (const item of root.querySelectorAll(".toast")) expire(item);
    for (const tab of root.querySelectorAll(".tabs > .tab[aria-current]")) tab.parentElement.scrollLeft = tab.offsetLeft - 24;
    const first = root.querySelector("[data-focus]");
    if (first) first.focus();
  };

  document.addEventListener("DOMContentLoaded", () => prepare(document));
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt !== document.body) prepare(event.detail.elt.parentElement || event.detail.elt);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    // The event names the part that was replaced; what it says now stands in its successor.
    const results = event.detail.target && document.getElementById(event.detail.target.id);
    if (results && results.dataset.announce) announce(results.dataset.announce);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // Refusals are pages too: show what the server says instead of nothing.
    const status = event.detail.xhr.status;
    if (status === 401) {
      window.location.reload();
    } else if (status >= 400 && status < 600) {
      const note = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector("[data-error]");
      toast(note ? note.textContent.trim() : "The server could not do this (" + status + ").", "bad");
    }
  });
  document.addEventListener("htmx:sendError", () => toast("The server did not answer. Check the connection and try again.", "bad"));
})();
