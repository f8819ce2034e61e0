// Returns what keeps a page from being readable: for screen readers, by keyboard, on a phone. An empty list is good.
() => {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const start = (element) => element.outerHTML.slice(0, 90);
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  const text = (ids) => (ids || "").split(/\s+/).map((id) => document.getElementById(id)?.textContent || "").join("").trim();
  const name = (element) => (element.getAttribute("aria-label") || "").trim() || text(element.getAttribute("aria-labelledby")) || element.textContent.trim();
  const labelled = (field) => field.labels?.[0]?.textContent.trim() || field.getAttribute("aria-label") || field.getAttribute("aria-hidden") === "true";

  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push("id twice: " + id);
  for (const field of all("input:not([type=hidden]), select, textarea")) if (!labelled(field)) problems.push("no label: " + start(field));
  for (const thing of all("a[href], button, summary")) if (seen(thing) && !name(thing)) problems.push("no name: " + start(thing));
  for (const image of all("img:not([alt])")) problems.push("no alt: " + start(image));
  for (const image of all("svg:not([aria-hidden=true]):not([role=img]):not([role=graphics-document][aria-label])")) problems.push("unnamed picture: " + start(image));
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls"])
    for (const element of all(`[${attribute}]`))
      for (const id of element.getAttribute(attribute).split(/\s+/))
        if (!document.getElementById(id)) problems.push(attribute + " names nothing: " + id);

  if (all("h1").length !== 1) problems.push("h1: " + all("h1").length);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) problems.push("heading jumps to " + heading.tagName + ": " + heading.textContent);
    level = now;
  }
  for (const cell of all("th:not([scope])")) problems.push("th without scope: " + start(cell));
  for (const part of ["main", "header", "footer", "nav"]) if (!document.querySelector(part)) problems.push("no " + part);
  if (!document.documentElement.lang || !document.title.trim()) problems.push("no language or title");
  for (const element of all("[tabindex]")) if (element.tabIndex > 0) problems.push("order of Tab: " + start(element));

  const wide = document.documentElement.scrollWidth;
  if (wide > window.innerWidth) problems.push("wide: " + wide);
  if (window.innerWidth < 500)
    for (const target of all("main .button, main .chip, main .tab, main select, header .nav-button"))
      if (seen(target) && target.getBoundingClientRect().height < 32) problems.push("small: " + start(target));
  return problems;
}
