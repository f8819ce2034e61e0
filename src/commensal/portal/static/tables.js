// Texts to rows and back: tables as people upload them, answers of queries as tables.
window.commensalTables = (function () {
  "use strict";

  const guess = (name, text) => {
    const end = /\.(tsv|csv|json)$/i.exec(name);
    if (end) return end[1].toLowerCase();
    const start = text.trimStart();
    if (start.startsWith("{") || start.startsWith("[")) return "json";
    const line = start.slice(0, 20000).split(/[\r\n]/, 1)[0];
    return line.split("\t").length >= line.split(",").length ? "tsv" : "csv";
  };

  // Rows of a table with the number of the line that each begins on; a quotation mark counts at the start of a cell.
  const cut = (text, mark) => {
    const rows = [];
    if (!text.includes('"')) {
      text.split(/\r\n|\n|\r/).forEach((words, n) => {
        if (words) rows.push({ line: n + 1, cells: words.split(mark) });
      });
      return rows;
    }
    let cells = [];
    let cell = "";
    let line = 1;
    let first = 1;
    let quoted = false;
    let begun = false;
    const end = () => {
      cells.push(cell);
      if (cells.length > 1 || cells[0] !== "") rows.push({ line: first, cells });
      cells = [];
      cell = "";
      begun = false;
    };
    for (let at = 0; at < text.length; at += 1) {
      const letter = text[at];
      if (letter === "\n") line += 1;
      if (quoted) {
        if (letter !== '"') cell += letter;
        else if (text[at + 1] === '"') {
          cell += '"';
          at += 1;
        } else quoted = false;
      } else if (letter === '"' && !begun) {
        quoted = true;
        begun = true;
      } else if (letter === mark) {
        cells.push(cell);
        cell = "";
        begun = false;
      } else if (letter === "\n" || letter === "\r") {
        if (letter === "\r" && text[at + 1] === "\n") {
          at += 1;
          line += 1;
        }
        end();
        first = line;
      } else {
        cell += letter;
        begun = true;
      }
    }
    end();
    return rows;
  };

  const shown = (value) => {
    if (value === null || value === undefined) return "";
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };

  /** Read records: {columns, rows: [{line, cells}]}, rows in the order in which the server counts them. */
  const read = (text, format) => {
    text = text.replace(/^\uFEFF/, "");
    if (format === "json") {
      const value = JSON.parse(text);
      const records = (Array.isArray(value) ? value : [value]).map((one) => (one && typeof one === "object" && !Array.isArray(one) ? one : { "": one }));
      const columns = [...new Set(records.flatMap((one) => Object.keys(one)))];
      return { columns, rows: records.map((one, n) => ({ line: n + 1, cells: columns.map((name) => shown(one[name])) })) };
    }
    const lead = text.length - text.trimStart().length;
    const before = text.slice(0, lead).split("\n").length - 1;
    const [head, ...rows] = cut(text.trim(), format === "tsv" ? "\t" : ",");
    if (!head) return { columns: [], rows: [] };
    const columns = head.cells.map((name) => name.trim().replace(/^\*+/, "").trim());
    const kind = columns.indexOf("type");
    // Lines without a type are passed over, as the server does.
    const kept = kind < 0 ? rows : rows.filter((row) => (row.cells[kind] || "").trim() && row.cells[kind].trim() !== "null");
    for (const row of kept) row.line += before;
    return { columns, rows: kept };
  };

  const element = (tag, text, classes) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== "") made.textContent = text;
    if (classes) made.className = classes;
    return made;
  };

  const flat = (value, name, into) => {
    if (Array.isArray(value)) {
      if (value.some((one) => one && typeof one === "object")) {
        const inner = {};
        for (const one of value) {
          const own = {};
          flat(one, name, own);
          for (const [key, text] of Object.entries(own)) (inner[key] ||= []).push(text);
        }
        for (const [key, texts] of Object.entries(inner)) into[key] = texts.join(", ");
      } else into[name] = value.map(shown).join(", ");
    } else if (value && typeof value === "object") {
      for (const [key, one] of Object.entries(value)) flat(one, name ? name + "." + key : key, into);
    } else into[name] = shown(value);
    return into;
  };

  /** Return tables of an answer's data: {name, columns, rows}; single values stand together in one. */
  const tables = (data) => {
    const made = [];
    const single = [];
    for (const [name, value] of Object.entries(data || {})) {
      if (Array.isArray(value)) {
        const rows = value.map((one) => flat(one, one && typeof one === "object" ? "" : name, {}));
        made.push({ name, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))], rows });
      } else single.push(...Object.entries(flat(value, name, {})).map(([key, text]) => ({ name: key, value: text })));
    }
    if (single.length) made.push({ name: "", columns: ["name", "value"], rows: single });
    return made;
  };

  return { guess, read, tables, element };
})();
