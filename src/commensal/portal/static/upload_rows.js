// One line of the list of uploads: what it is, how far it is, what can be done.
window.commensalUploadRows = (function () {
  "use strict";

  const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

  const size = (bytes) => {
    if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
    let power = 0;
    let value = bytes;
    while (value >= 999.5 && power < UNITS.length - 1) {
      value /= 1000;
      power += 1;
    }
    return `${Number(value.toPrecision(3))} ${UNITS[power]}`;
  };

  const element = (tag, words, kind) => {
    const made = document.createElement(tag);
    if (words) made.textContent = words;
    if (kind) made.className = kind;
    return made;
  };

  const button = (words, about, act, kind = "") => {
    const made = element("button", words, `button small ${kind}`.trim());
    made.type = "button";
    made.append(element("span", ` ${about}`, "visually-hidden"));
    made.addEventListener("click", act);
    return made;
  };

  const WORDS = {
    naming: () => "Waiting for the server",
    clash: (item) => `A file is already there (${item.taken.size === null ? "size unknown" : size(item.taken.size)}, changed ${item.taken.updated.slice(0, 10)})`,
    waiting: () => "Waiting for its turn",
    sending: (item) => `${size(item.sent)} of ${size(item.size)}`,
    broken: (item) => `${item.words} Trying again at ${size(item.sent)} of ${size(item.size)}.`,
    verifying: () => "All sent; the server is checking it",
    pausing: (item) => `Pausing at ${size(item.sent)} of ${size(item.size)}`,
    paused: (item) => `Paused at ${size(item.sent)} of ${size(item.size)}`,
    done: (item) => `Uploaded, ${size(item.size)}`,
    failed: (item) => item.words,
  };

  // `acts` has a function for each thing that can be done with an item.
  const make = (item, acts) => {
    const line = element("li");
    const name = element("div", "", "upload-name");
    const words = element("div", "", "upload-words");
    const buttons = element("div", "", "upload-acts");
    const meter = document.createElement("progress");
    meter.max = 1000;
    line.append(name, buttons, words, meter);
    let shown = "";

    const choices = () => {
      const about = item.path;
      const remove = button("Remove", about, () => acts.remove(item), "quiet");
      switch (item.state) {
        case "clash": {
          const both = [button("Keep both", about, () => acts.both(item)), button("Skip", about, () => acts.remove(item), "quiet")];
          return acts.mayReplace ? [button("Replace", about, () => acts.replace(item)), ...both] : both;
        }
        case "waiting":
        case "sending":
        case "broken":
          return [button("Pause", about, () => acts.pause(item)), remove];
        case "paused":
          return [button("Resume", about, () => acts.resume(item), "primary"), remove];
        case "failed":
          return item.file && !item.hopeless ? [button("Try again", about, () => acts.resume(item)), remove] : [remove];
        default:
          return [];
      }
    };

    const update = () => {
      const stateful = `${item.state} ${item.path} ${Boolean(item.hopeless)}`;
      if (stateful !== shown) {
        const held = buttons.contains(document.activeElement);
        shown = stateful;
        line.dataset.state = item.state;
        const label = document.createElement("bdi");
        label.textContent = item.path;
        if (item.state === "done" && item.page) {
          const link = element("a");
          link.href = item.page;
          link.append(label);
          name.replaceChildren(link);
        } else name.replaceChildren(label);
        buttons.replaceChildren(...choices());
        meter.hidden = !["sending", "broken", "paused", "pausing", "verifying"].includes(item.state);
        meter.setAttribute("aria-label", `Progress of ${item.path}`);
        words.className = "upload-words" + (item.state === "failed" ? " bad" : item.state === "done" ? " good" : "");
        // A button that went away with its state leaves the focus to its successor.
        const next = buttons.querySelector("button") || name.querySelector("a");
        if (held && next) next.focus();
      }
      words.textContent = WORDS[item.state](item);
      if (item.state === "verifying") meter.removeAttribute("value");
      else meter.value = item.size ? Math.floor((1000 * item.sent) / item.size) : 0;
    };

    update();
    return { line, update };
  };

  return { make, size, element, button };
})();
