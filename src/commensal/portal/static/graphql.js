// The query editor: completion from the schema, run, answers as a table or JSON, history in this browser only.
(function () {
  "use strict";

  const { tables, element } = window.commensalTables;
  const KEPT = 30;
  const ROWS = 500;

  const store = (key) => ({
    read: () => {
      try {
        const kept = JSON.parse(localStorage.getItem(key) || "[]");
        return Array.isArray(kept) ? kept.filter((one) => one && typeof one.query === "string") : [];
      } catch {
        return [];
      }
    },
    write: (list) => {
      try {
        localStorage.setItem(key, JSON.stringify(list.slice(0, KEPT)));
      } catch {
        // Storage is off or full: the query has run all the same.
      }
    },
  });

  const python = (value, depth = 0) => {
    const pad = "    ".repeat(depth + 1);
    const end = "    ".repeat(depth);
    if (value === null) return "None";
    if (value === true) return "True";
    if (value === false) return "False";
    if (Array.isArray(value)) return "[" + value.map((one) => python(one, depth)).join(", ") + "]";
    if (typeof value === "object") {
      const rows = Object.entries(value).map(([key, one]) => `${pad}${JSON.stringify(key)}: ${python(one, depth + 1)},`);
      return rows.length ? `{\n${rows.join("\n")}\n${end}}` : "{}";
    }
    return JSON.stringify(value);
  };

  const script = (query, variables) => {
    const text = query.trim().replace(/\\/g, "\\\\").replace(/"""/g, '\\"\\"\\"');
    return [
      "from gen3.auth import Gen3Auth",
      "from gen3.submission import Gen3Submission",
      "",
      '# credentials.json: "Create API key" on your profile page',
      'auth = Gen3Auth(refresh_file="credentials.json")',
      "submission = Gen3Submission(auth)",
      "",
      `query = """\n${text}\n"""`,
      ...(variables ? [`variables = ${python(variables)}`, "print(submission.query(query, variables))"] : ["print(submission.query(query))"]),
      "",
    ].join("\n");
  };

  const start = (box) => {
    const find = (name) => box.querySelector(`[data-${name}]`);
    const examples = JSON.parse(box.dataset.examples);
    const door = window.commensalDoor.make(box.dataset.tokenPath, box.dataset.formToken);
    const history = store("commensal-queries-" + box.dataset.user);
    const result = find("result");
    const errors = find("errors");
    const number = new Intl.NumberFormat("en").format;
    let answer = null;
    let as = "table";
    let running = false;

    const last = history.read()[0] || examples[0];
    const run = () => void ask();
    const query = window.CommensalEditor.openQuery(find("query-editor"), { text: last.query, run });
    const variables = window.CommensalEditor.openVariables(find("variables-editor"), { text: last.variables || "", run });
    window.commensalQuery = { query, variables };

    const load = (one) => {
      query.set(one.query);
      variables.set(one.variables || "");
      query.focus();
    };

    fetch(box.dataset.schema)
      .then((got) => got.json())
      .then((body) => {
        query.schema(body.data || body);
        box.dataset.ready = "true";
      })
      .catch(() => complain(["The schema could not be read, so names do not complete. Load the page again to try once more."]));

    // --- running ------------------------------------------------------------------------------------
    const complain = (sentences) => {
      errors.replaceChildren();
      if (!sentences.length) return;
      const note = element("div", "", "notice bad");
      for (const sentence of sentences.slice(0, 10)) note.append(element("pre", sentence.trim(), "error-text"));
      errors.append(note);
    };

    const read = () => {
      const text = variables.text().trim();
      if (!text) return null;
      const value = JSON.parse(text);
      if (!value || typeof value !== "object" || Array.isArray(value)) throw new Error("Variables are one JSON object, like {\"first\": 5}.");
      return value;
    };

    const ask = async () => {
      if (running) return;
      let given;
      try {
        given = read();
      } catch (error) {
        complain(["The variables are no JSON: " + error.message]);
        variables.focus();
        return;
      }
      running = true;
      const button = find("run");
      button.setAttribute("aria-busy", "true");
      find("about").textContent = "Running …";
      const begun = performance.now();
      try {
        const body = JSON.stringify({ query: query.text(), variables: given });
        const got = await door.send("POST", box.dataset.endpoint, body, "application/json");
        const took = Math.round(performance.now() - begun);
        const value = got.value || {};
        const said = (value.errors || (got.status >= 400 ? [value.message || "The server could not answer (" + got.status + ")."] : [])).map((one) => (typeof one === "string" ? one : one.message));
        complain(said);
        query.mark(said.flatMap((one) => [...one.matchAll(/\((\d+):(\d+)\)/g)].slice(0, 1).map(([, line, column]) => ({ line: Number(line), column: Number(column), message: one.split("\n")[0] }))));
        answer = value.data || null;
        find("save-result").disabled = !answer;
        find("about").textContent = `${number(took)} ms, ${number(Math.max(1, Math.round(got.text.length / 1000)))} kB`;
        if (!said.length) keep();
        show();
      } catch (error) {
        complain([error.message]);
        find("about").textContent = "";
      } finally {
        running = false;
        button.removeAttribute("aria-busy");
      }
    };

    // --- showing ------------------------------------------------------------------------------------
    const show = () => {
      for (const button of box.querySelectorAll("[data-as]")) button.setAttribute("aria-pressed", String(button.dataset.as === as));
      result.replaceChildren();
      if (!answer) {
        result.append(element("p", errors.childElementCount ? "No answer: see the errors above." : "Run a query to see its answer here.", "muted result-empty"));
        return;
      }
      if (as === "json") {
        const pre = element("pre", JSON.stringify(answer, null, 2), "result-json");
        pre.tabIndex = 0;
        pre.setAttribute("role", "region");
        pre.setAttribute("aria-label", "Answer as JSON");
        result.append(pre);
        return;
      }
      for (const one of tables(answer)) result.append(...drawn(one));
      if (!result.childElementCount) result.append(element("p", "The answer is empty.", "muted result-empty"));
    };

    const drawn = ({ name, columns, rows }) => {
      const parts = [];
      if (name) {
        const head = element("h3", name, "result-name");
        head.append(" ", element("span", number(rows.length), "badge"));
        parts.push(head);
      }
      if (!rows.length) return [...parts, element("p", "No records.", "muted result-empty")];
      const frame = element("div", "", "table-box");
      const table = element("table");
      table.append(element("caption", name || "Values", "visually-hidden"));
      const top = element("tr");
      for (const column of columns) {
        const cell = element("th", column);
        cell.scope = "col";
        top.append(cell);
      }
      const head = element("thead");
      head.append(top);
      const body = element("tbody");
      for (const row of rows.slice(0, ROWS)) {
        const made = element("tr");
        for (const column of columns) {
          const text = row[column] === undefined ? "" : row[column];
          const cell = element("td", "", text.length > 40 ? "wide" : "nowrap");
          cell.append(text.length > 90 ? element("span", text.slice(0, 400), "clip") : text);
          made.append(cell);
        }
        body.append(made);
      }
      table.append(head, body);
      frame.append(table);
      parts.push(frame);
      if (rows.length > ROWS) parts.push(element("p", `The first ${number(ROWS)} of ${number(rows.length)} rows; JSON has them all.`, "muted"));
      window.requestAnimationFrame(() => {
        if (frame.scrollWidth > frame.clientWidth + 1 || frame.scrollHeight > frame.clientHeight + 1) frame.tabIndex = 0;
      });
      return parts;
    };

    // --- history ------------------------------------------------------------------------------------
    const shelf = find("history");
    const list = () => {
      const first = shelf.options[0];
      shelf.replaceChildren(first);
      history.read().forEach((one, n) => {
        const at = new Date(one.at);
        const words = one.query.replace(/\s+/g, " ").trim().slice(0, 60);
        const option = element("option", `${at.toLocaleDateString()} ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}  ${words}`);
        option.value = String(n);
        shelf.append(option);
      });
      if (history.read().length) {
        const option = element("option", "Forget all of these");
        option.value = "forget";
        shelf.append(option);
      }
    };
    const keep = () => {
      const now = { query: query.text(), variables: variables.text(), at: Date.now() };
      history.write([now, ...history.read().filter((one) => one.query !== now.query || one.variables !== now.variables)]);
      list();
    };
    shelf.addEventListener("change", () => {
      if (shelf.value === "forget") history.write([]);
      else if (shelf.value) load(history.read()[Number(shelf.value)]);
      shelf.value = "";
      list();
    });
    list();

    // --- buttons ------------------------------------------------------------------------------------
    const chooser = box.querySelector("#f-example");
    chooser.addEventListener("change", () => {
      if (chooser.value) load(examples[Number(chooser.value)]);
      chooser.value = "";
    });
    find("run").addEventListener("click", run);
    find("pretty").addEventListener("click", () => {
      try {
        query.pretty();
        complain([]);
      } catch (error) {
        complain([error.message]);
      }
      query.focus();
    });
    // The page's own handler copies what stands in data-text.
    const copy = find("python");
    copy.dataset.do = "copy";
    copy.addEventListener("click", () => {
      let given = null;
      try {
        given = read();
      } catch {
        // What is no JSON is left out; running says so.
      }
      copy.dataset.text = script(query.text(), given);
    }, true);
    for (const button of box.querySelectorAll("[data-as]")) {
      button.addEventListener("click", () => {
        as = button.dataset.as;
        show();
      });
    }
    const save = find("save-result");
    save.dataset.do = "save";
    save.dataset.name = "answer.json";
    save.addEventListener("click", () => {
      save.dataset.text = JSON.stringify(answer, null, 2);
    }, true);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const box = document.querySelector("[data-query]");
    if (box) start(box);
  });
})();
