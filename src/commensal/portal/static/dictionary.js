// The dictionary's pages: lists that narrow as one types; in the graph, zoom and the links of what is pointed at.
(function () {
  "use strict";

  const narrow = (field) => {
    const list = document.getElementById(field.dataset.filter);
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const item of list.children) {
      const name = item.dataset.name.toLowerCase();
      item.hidden = !words.every((word) => name.includes(word));
      if (!item.hidden) left += 1;
    }
    const nothing = list.closest("section").querySelector("[data-nothing]");
    if (nothing) nothing.hidden = left > 0;
  };

  const picture = (box) => {
    const svg = box.querySelector("svg");
    const scroll = box.querySelector(".picture-scroll");
    const natural = Number(svg.dataset.width);
    let scale = 1;
    const set = (next) => {
      scale = Math.min(2.5, Math.max(0.25, next));
      svg.setAttribute("width", String(natural * scale));
      svg.setAttribute("height", String((svg.viewBox.baseVal.height * natural * scale) / svg.viewBox.baseVal.width));
    };
    const fit = () => set(Math.min(1, (scroll.clientWidth - 4) / natural));
    box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-zoom]");
      if (button) ({ in: () => set(scale * 1.25), out: () => set(scale / 1.25), fit })[button.dataset.zoom]();
    });
    const mark = (name) => {
      svg.classList.toggle("marking", Boolean(name));
      const near = new Set([name]);
      for (const curve of svg.querySelectorAll(".curve[data-from]")) {
        const on = curve.dataset.from === name || curve.dataset.to === name;
        curve.classList.toggle("on", on);
        if (on) near.add(curve.dataset.from).add(curve.dataset.to);
      }
      for (const type of svg.querySelectorAll(".type-box")) type.classList.toggle("on", near.has(type.dataset.type));
    };
    for (const type of svg.querySelectorAll(".type-box")) {
      type.addEventListener("mouseenter", () => mark(type.dataset.type));
      type.addEventListener("mouseleave", () => mark(""));
      type.addEventListener("focus", () => mark(type.dataset.type));
      type.addEventListener("blur", () => mark(""));
    }
    // Wide pictures begin so that all of it is seen, as long as its words can still be read.
    if (natural > scroll.clientWidth) set(Math.max(0.72, (scroll.clientWidth - 4) / natural));
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const field of document.querySelectorAll("[data-filter]")) field.addEventListener("input", () => narrow(field));
    for (const box of document.querySelectorAll("[data-picture]")) picture(box);
  });
})();
