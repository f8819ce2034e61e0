// Submitting records: choose, check (a dry run), submit; every error stands at its row and field.
(function () {
  "use strict";

  const ROWS = 50;
  const COLUMNS = 120;
  const MEDIA = { tsv: "text/tab-separated-values", csv: "text/csv", json: "application/json" };
  const { guess, read, element } = window.commensalTables;

  const start = (box) => {
    const find = (name) => box.querySelector(`[data-${name}]`);
    const { endpoint, here } = box.dataset;
    const largest = Number(box.dataset.largest);
    const types = new Set(box.dataset.types.split(" "));
    const door = window.commensalDoor.make(box.dataset.tokenPath, box.dataset.formToken);
    const file = box.querySelector("#f-file");
    const area = box.querySelector("#f-text");
    const format = box.querySelector("#f-format");
    const check = find("check");
    const write = find("write");
    const clear = find("clear");
    const outcome = find("outcome");
    const number = new Intl.NumberFormat("en").format;
    const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + "s"}`;

    let chosen = null; // {name, size, body, format, columns, rows}
    let faults = new Map(); // row -> [{column, words}], column -1: the row itself
    let doings = []; // what each row would do: create, update
    let view = { bad: false, page: 0 };
    let turn = 0;

    const step = (name) => {
      for (const one of box.querySelectorAll("[data-step]")) {
        if (one.dataset.step === name) one.setAttribute("aria-current", "step");
        else one.removeAttribute("aria-current");
      }
    };

    const say = (kind, head, lines, links, end) => {
      outcome.replaceChildren();
      if (!head) return;
      const note = element("div", "", "notice " + kind);
      if (kind === "bad") note.dataset.error = "";
      note.append(element("h3", head));
      if (lines && lines.length === 1 && !end) note.append(element("p", lines[0]));
      else if (lines && lines.length) {
        const list = element("ul");
        for (const line of lines.slice(0, 20)) list.append(element("li", line));
        if (lines.length > 20) list.append(element("li", `… and ${number(lines.length - 20)} more.`));
        note.append(list);
      }
      if (end) note.append(element("p", end));
      for (const [words, address] of links || []) {
        const line = element("p");
        const link = element("a", words);
        link.href = address;
        line.append(link);
        note.append(line);
      }
      outcome.append(note);
    };

    // --- the table of rows ------------------------------------------------------------------------
    const draw = () => {
      const preview = find("preview");
      preview.hidden = !chosen || !chosen.rows.length;
      if (preview.hidden) return;
      const numbers = view.bad ? [...faults.keys()].sort((a, b) => a - b) : chosen.rows.map((_, n) => n);
      const from = view.page * ROWS;
      const part = numbers.slice(from, from + ROWS);
      const columns = chosen.columns.slice(0, COLUMNS);
      find("preview-head").textContent = plural(chosen.rows.length, "row");
      const choice = find("choice");
      choice.hidden = faults.size === 0;
      for (const chip of choice.children) {
        const bad = chip.dataset.show === "bad";
        chip.replaceChildren(bad ? "Rows with errors " : "All rows ", element("span", number(bad ? faults.size : chosen.rows.length), "count"));
        if (bad === view.bad) chip.setAttribute("aria-current", "true");
        else chip.removeAttribute("aria-current");
      }
      const table = find("table");
      const head = element("tr");
      const corner = element("th", chosen.format === "json" ? "record" : "line", "pin");
      corner.scope = "col";
      head.append(corner);
      for (const name of columns) {
        const cell = element("th", name || "(no name)");
        cell.scope = "col";
        head.append(cell);
      }
      const body = element("tbody");
      for (const n of part) body.append(line(n, columns));
      const top = element("thead");
      top.append(head);
      const caption = element("caption", "The rows of " + chosen.name, "visually-hidden");
      table.replaceChildren(caption, top, body);
      pages(numbers.length, from, part.length);
      const scroll = table.parentElement;
      if (scroll.scrollWidth > scroll.clientWidth + 1 || scroll.scrollHeight > scroll.clientHeight + 1) scroll.tabIndex = 0;
      // On a narrow screen the first wrong cell may lie far to the right.
      const wrong = table.querySelector(".cell-bad");
      scroll.scrollLeft = wrong ? Math.max(0, wrong.offsetLeft + wrong.offsetWidth - scroll.clientWidth + 8) : 0;
    };

    const line = (n, columns) => {
      const row = chosen.rows[n];
      const wrong = faults.get(n) || [];
      const made = element("tr", "", wrong.length ? "row-bad" : "");
      const first = element("th", "", "pin");
      first.scope = "row";
      first.append(element("span", number(row.line), "line-number"));
      if (!wrong.length && doings[n]) first.append(" ", element("span", doings[n], "badge good"));
      for (const one of wrong.filter((fault) => fault.column < 0)) first.append(element("span", one.words, "cell-fault"));
      made.append(first);
      columns.forEach((_, at) => {
        const text = row.cells[at] === undefined ? "" : row.cells[at];
        const own = wrong.filter((fault) => fault.column === at);
        const cell = element("td", "", own.length ? "cell-bad" : text.length > 22 ? "mid" : "nowrap");
        if (text.length > 90) {
          const short = element("span", text.slice(0, 400), "clip");
          short.title = text.slice(0, 1000);
          cell.append(short);
        } else if (text) cell.append(own.length ? element("span", text, "cell-value") : text);
        else if (own.length) cell.append(element("span", "empty", "cell-value empty-value"));
        for (const one of own) cell.append(element("span", one.words, "cell-fault"));
        made.append(cell);
      });
      return made;
    };

    const pages = (total, from, count) => {
      const pager = find("pager");
      pager.replaceChildren(element("span", total ? `${number(from + 1)}–${number(from + count)} of ${plural(total, "row")}` : "No rows"));
      const push = element("span", "", "push");
      const button = (words, page) => {
        const made = element("button", words, "button small");
        made.type = "button";
        made.addEventListener("click", () => {
          view.page = page;
          draw();
          find("preview").scrollIntoView({ block: "start" });
        });
        push.append(made);
      };
      if (view.page > 0) button("Previous", view.page - 1);
      if (from + count < total) button("Next", view.page + 1);
      pager.append(push);
    };

    // --- choosing -----------------------------------------------------------------------------------
    const choose = async (blob, name) => {
      const mine = (turn += 1);
      faults = new Map();
      doings = [];
      view = { bad: false, page: 0 };
      chosen = null;
      say("");
      step("choose");
      write.disabled = check.disabled = true;
      write.classList.remove("primary");
      check.classList.add("primary");
      if (blob && blob.size > largest) {
        say("bad", "This file is too large for one request", [`It has ${number(Math.ceil(blob.size / 1e6))} MB, and at most ${number(Math.floor(largest / 1e6))} MB are taken at a time. Cut it into several files, or submit it with the Python client, which sends it in pieces.`]);
        blob = null;
      }
      clear.hidden = !blob;
      if (!blob || !blob.size) {
        draw();
        return;
      }
      const text = await blob.text();
      if (mine !== turn) return;
      const form = format.value || guess(name, text);
      try {
        chosen = { name, size: blob.size, body: blob, format: form, ...read(text, form) };
      } catch (error) {
        say("bad", "This is no JSON", [error.message]);
        draw();
        return;
      }
      if (!chosen.rows.length) say("warn", "There are no records in it", [chosen.columns.length && !chosen.columns.includes("type") ? "There is no column named type, which names the type of each record." : "Add rows below the header; each needs its type in the column type."]);
      check.disabled = false;
      draw();
    };

    const named = (name, size) => {
      box.querySelector("[data-file-name]").textContent = name || "Choose a file";
      box.querySelector("[data-file-about]").textContent = name ? `${number(Math.max(1, Math.round(size / 1000)))} kB` : "or drop it here";
      find("drop").classList.toggle("full", Boolean(name));
    };

    const again = () => {
      if (file.files.length) return choose(file.files[0], file.files[0].name);
      return choose(area.value.trim() ? new Blob([area.value]) : null, "pasted text");
    };

    file.addEventListener("change", () => {
      const one = file.files[0];
      if (one) area.value = "";
      named(one && one.name, one && one.size);
      void again();
    });
    let pause = 0;
    area.addEventListener("input", () => {
      if (file.files.length) {
        file.value = "";
        named("", 0);
      }
      window.clearTimeout(pause);
      pause = window.setTimeout(() => void again(), 250);
    });
    format.addEventListener("change", () => void again());
    clear.addEventListener("click", () => {
      file.value = area.value = "";
      named("", 0);
      void choose(null, "");
      file.focus();
    });
    const drop = find("drop");
    for (const kind of ["dragenter", "dragover"]) {
      drop.addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!event.dataTransfer.files.length) return;
      file.files = event.dataTransfer.files;
      file.dispatchEvent(new Event("change"));
    });

    // --- errors to their places ---------------------------------------------------------------------
    const place = (n, key, words) => {
      const at = chosen.columns.findIndex((name) => name.replace(/^\*/, "") === key || name.replace(/^\*/, "").split(".")[0] === key);
      const list = faults.get(n) || [];
      list.push({ column: at < COLUMNS ? at : -1, words: at < 0 && key && !words.includes(key) ? `${key}: ${words}` : words });
      faults.set(n, list);
    };

    const gather = (answer) => {
      faults = new Map();
      const names = new Set(chosen.columns.flatMap((name) => [name.replace(/^\*/, ""), name.replace(/^\*/, "").split(".")[0]]));
      (answer.entities || []).forEach((entity, n) => {
        for (const error of entity.errors || []) {
          // An error of several keys stands at the first that is a column; one of none at the first that it quotes.
          const keys = error.keys && error.keys.length ? error.keys : [...error.message.matchAll(/'([^']+)'/g)].map((found) => found[1]);
          const own = keys.find((key) => names.has(key));
          const words = own && error.message.startsWith("Additional properties") ? `The type ${entity.type} has no such property.` : error.message;
          place(n, own || (error.keys || [])[0] || "", words);
        }
      });
      const kind = chosen.columns.findIndex((name) => name.replace(/^\*/, "") === "type");
      if (!faults.size && !(answer.entities || []).length && kind >= 0) {
        chosen.rows.forEach((row, n) => {
          const name = (row.cells[kind] || "").trim();
          if (!types.has(name)) place(n, "type", name ? "The dictionary has no such type." : "The type is missing.");
        });
      }
      const spoken = /\bline (\d+)/.exec(answer.message || "");
      if (!faults.size && spoken) {
        const n = chosen.rows.findIndex((row) => row.line === Number(spoken[1]));
        if (n >= 0) place(n, "", answer.message);
      }
    };

    // What is wrong most often, so that a mistake in a whole column is seen as one.
    const often = () => {
      const counts = new Map();
      for (const list of faults.values()) {
        for (const one of list) {
          const words = one.column >= 0 ? `${chosen.columns[one.column]}: ${one.words}` : one.words;
          counts.set(words, (counts.get(words) || 0) + 1);
        }
      }
      const repeated = [...counts].filter(([, n]) => n > 1).sort((a, b) => b[1] - a[1]);
      return repeated.slice(0, 5).map(([words, n]) => `${number(n)} rows, ${words}`);
    };

    const whole = (answer) => (answer.transactional_errors || []).map((one) => (typeof one === "string" ? one : one.message));

    const show = (answer, dry) => {
      gather(answer);
      doings = [];
      const lines = whole(answer).filter((one) => one !== "Nothing to submit" || whole(answer).length === 1);
      if (answer.success) {
        doings = (answer.entities || []).map((one) => one.action);
        const made = doings.filter((one) => one === "create").length;
        const parts = [made && `${number(made)} new`, doings.length - made && `${number(doings.length - made)} changed`].filter(Boolean).join(", ");
        if (dry) {
          say("good", `All ${plural(doings.length, "record")} can be submitted`, [`${parts}. Nothing has been written yet.`]);
          step("write");
          write.disabled = false;
          write.classList.add("primary");
          check.classList.remove("primary");
        } else {
          say("good", `${plural(doings.length, "record")} submitted`, [`${parts}.`], [["See the records", here]]);
          step("done");
          check.disabled = write.disabled = true;
        }
      } else {
        const rows = faults.size;
        const head = rows ? `${plural(rows, "row")} of ${number(chosen.rows.length)} ${rows === 1 ? "has" : "have"} errors` : "This cannot be submitted";
        const reasons = lines.length ? lines : answer.entities ? [] : [answer.message || "The server gave no reason."];
        const end = rows ? "Nothing was written. Each error stands at its cell below; mend the file and choose it again." : "Nothing was written.";
        say("bad", head, [...reasons, ...often()], [], end);
        write.disabled = true;
      }
      view = { bad: faults.size > 0 && faults.size < chosen.rows.length, page: 0 };
      draw();
      outcome.focus();
    };

    // --- sending ------------------------------------------------------------------------------------
    const bar = (words, part) => {
      const progress = find("progress");
      progress.hidden = !words;
      if (!words) return;
      find("progress-word").textContent = words;
      const meter = progress.querySelector("progress");
      if (part === undefined) meter.removeAttribute("value");
      else meter.value = part;
    };

    const send = async (dry) => {
      const mine = turn;
      check.disabled = write.disabled = true;
      say("");
      const done = dry ? "Checking" : "Writing";
      bar("Sending", 0);
      step(dry ? "check" : "write");
      let answer;
      try {
        answer = await door.send("PUT", endpoint + (dry ? "/_dry_run" : ""), chosen.body, MEDIA[chosen.format], (sent, total) => {
          if (sent >= total) bar(`${done} ${plural(chosen.rows.length, "record")}`);
          else bar("Sending", Math.floor((100 * sent) / total));
        });
      } catch (error) {
        if (mine === turn) say("bad", "That did not work", [error.message]);
        check.disabled = mine !== turn;
        return;
      } finally {
        bar("");
      }
      if (mine !== turn) return;
      check.disabled = false;
      const value = answer.value || {};
      show({ message: value.message, ...value, success: answer.status < 300 && value.success === true }, dry);
    };

    check.addEventListener("click", () => void send(true));
    write.addEventListener("click", () => void send(false));
    find("choice").addEventListener("click", (event) => {
      const chip = event.target.closest("[data-show]");
      if (!chip) return;
      view = { bad: chip.dataset.show === "bad", page: 0 };
      draw();
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const box = document.querySelector("[data-submit]");
    if (box) start(box);
  });
})();
