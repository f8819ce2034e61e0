// The page that uploads files: choosing, asking about those that are there, sending two at a time, going on later.
(function () {
  "use strict";

  const AT_ONCE = 2;
  const KEPT = "commensal-uploads";
  const DAY = 24 * 3600 * 1000; // As long as the server keeps an unfinished upload.
  const RUNNING = ["sending", "broken", "verifying"];
  const { make: makeRow, size, element, button } = window.commensalUploadRows;

  // --- what this browser has begun and not finished -----------------------------------------------
  const kept = {
    all() {
      try {
        return JSON.parse(localStorage.getItem(KEPT) || "[]").filter((one) => Date.now() - one.at < DAY);
      } catch {
        return [];
      }
    },
    put(list) {
      try {
        localStorage.setItem(KEPT, JSON.stringify(list));
      } catch {
        // Without a memory it goes on while this page is open.
      }
    },
    add(entry) {
      kept.put([...kept.all().filter((one) => one.location !== entry.location), entry]);
    },
    drop(location) {
      if (location) kept.put(kept.all().filter((one) => one.location !== location));
    },
  };

  // --- files and folders as they are dropped -------------------------------------------------------
  const entries = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

  const walk = async (entry, prefix, found) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, relative: prefix + entry.name });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (let part = await entries(reader); part.length; part = await entries(reader)) {
        for (const one of part) await walk(one, `${prefix}${entry.name}/`, found);
      }
    }
  };

  const dropped = async (data) => {
    const roots = [...data.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
    if (!roots.length || roots.some((root) => !root)) return [...data.files].map((file) => ({ file, relative: file.name }));
    const found = [];
    for (const root of roots) await walk(root, "", found);
    return found;
  };

  // Digests by name, from the lines of sha256sum and md5sum.
  const sumsOf = (text) => {
    const sums = new Map();
    for (const line of text.split(/\r?\n/)) {
      const parts = /^\s*([0-9a-f]{64}|[0-9a-f]{32})\s+\*?(.+?)\s*$/i.exec(line);
      if (parts) sums.set(parts[2].replace(/^\.\//, ""), parts[1].toLowerCase());
    }
    return sums;
  };

  const start = (box) => {
    const find = (name) => box.querySelector(`[data-${name}]`);
    const { uploads, project, person } = box.dataset;
    let token = box.dataset.formToken;
    const mayReplace = "mayReplace" in box.dataset;
    const folder = box.querySelector("#u-folder");
    const files = box.querySelector("#f-files");
    const whole = box.querySelector("#u-whole");
    const announce = document.getElementById("announce");
    const items = [];
    let wholePause = false;

    // --- the list ------------------------------------------------------------------------------------
    const refresh = (item) => {
      item.row.update();
      sum();
    };

    const sum = () => {
      const live = items.filter((item) => item.state !== "clash");
      const done = items.filter((item) => item.state === "done").length;
      const all = live.reduce((n, item) => n + item.size, 0);
      const sent = live.reduce((n, item) => n + (item.state === "done" ? item.size : item.sent), 0);
      find("queue").hidden = items.length === 0;
      find("sum").textContent = `${done} of ${items.length} ${items.length === 1 ? "file" : "files"}, ${size(sent)} of ${size(all)}`;
      box.querySelector("#all-progress").value = all ? Math.floor((1000 * sent) / all) : 0;
      const clashes = items.filter((item) => item.state === "clash").length;
      find("clash").hidden = clashes < 2;
      find("clash-words").textContent = `${clashes} are already there:`;
      box.querySelector("[data-all=replace]").hidden = !mayReplace;
      const open = items.some((item) => [...RUNNING, "waiting"].includes(item.state));
      const pauseAll = find("pause-all");
      wholePause = !open && items.some((item) => item.state === "paused");
      pauseAll.textContent = wholePause ? "Resume all" : "Pause all";
      pauseAll.hidden = !open && !wholePause;
    };

    const fail = (item, words, hopeless = false) => {
      item.state = "failed";
      item.words = words;
      item.hopeless = hopeless;
      announce.textContent = `${item.path}: ${words}`;
      refresh(item);
    };

    // --- sending ---------------------------------------------------------------------------------------
    const tell = (item) => (what, value) => {
      if (what === "location") {
        kept.drop(item.location);
        item.location = value;
        if (!value) item.sent = 0;
        else kept.add({ person, project, path: item.path, relative: item.relative, size: item.size, modified: item.file.lastModified, replace: item.consent, location: value, at: Date.now() });
        return;
      }
      if (item.state === "pausing" || item.state === "paused") return;
      if (what === "sent") {
        item.state = "sending";
        item.sent = value;
      } else if (what === "checking") item.state = "verifying";
      else if (what === "waiting") {
        item.state = "broken";
        item.words = value;
      }
      refresh(item);
    };

    const send = async (item) => {
      item.state = "sending";
      item.sent = item.sent || 0;
      refresh(item);
      if (!item.client) {
        const values = { project, path: item.path, filename: item.file.name, filetype: item.file.type };
        if (item.digest) values[item.digest.length === 64 ? "sha256" : "md5"] = item.digest;
        item.client = window.commensalTus.make({ file: item.file, endpoint: uploads, token: () => token, renew, values, location: item.location }, tell(item));
      }
      try {
        await item.client.run();
        kept.drop(item.location);
        item.state = "done";
        item.sent = item.size;
        item.page = `${box.dataset.files}?path=${encodeURIComponent(item.path)}`;
        refresh(item);
        const open = items.filter((one) => !["done", "failed", "clash"].includes(one.state)).length;
        announce.textContent = open ? `${item.path} is uploaded` : "All files are uploaded";
      } catch (error) {
        if (error.stopped) {
          if (item.state === "pausing") {
            item.state = "paused";
            refresh(item);
          }
        } else fail(item, error.message || "That did not work.");
      }
      pump();
    };

    const pump = () => {
      let room = AT_ONCE - items.filter((item) => RUNNING.includes(item.state) || item.state === "pausing").length;
      for (const item of items) {
        if (room <= 0) break;
        if (item.state === "waiting") {
          room -= 1;
          void send(item);
        }
      }
      sum();
    };

    const queue = (item) => {
      item.state = "waiting";
      refresh(item);
      pump();
    };

    // Whoever signed in again has another token: the page as it would be now tells it.
    const renew = async () => {
      const answer = await fetch(window.location.pathname, { headers: { accept: "text/html" } }).catch(() => null);
      const page = answer && answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-upload]") : null;
      if (!page || page.dataset.person !== person || page.dataset.formToken === token) return false;
      token = page.dataset.formToken;
      return true;
    };

    // --- names -----------------------------------------------------------------------------------------
    const look = async (wanted) => {
      const form = new URLSearchParams({ form_token: token });
      for (const path of wanted) form.append("path", path);
      const answer = await fetch(box.dataset.check, { method: "POST", body: form, headers: { accept: "application/json" } });
      const body = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error((body.error && body.error.message) || "The server did not answer. Try again.");
      // Maps: a file may be called "constructor".
      return { taken: new Map(Object.entries(body.taken)), refused: new Map(Object.entries(body.refused)) };
    };

    const name = async (fresh) => {
      for (let at = 0; at < fresh.length; at += Number(box.dataset.paths)) {
        const part = fresh.slice(at, at + Number(box.dataset.paths));
        let said;
        try {
          said = await look(part.map((item) => item.path));
        } catch (error) {
          for (const item of part) fail(item, error.message);
          continue;
        }
        for (const item of part) {
          item.taken = said.taken.get(item.path) || null;
          item.named = true;
          if (said.refused.has(item.path)) fail(item, said.refused.get(item.path), true);
          else if (item.taken && !item.consent) {
            item.state = "clash";
            refresh(item);
          } else queue(item);
        }
      }
      const clashes = items.filter((item) => item.state === "clash").length;
      if (clashes) announce.textContent = `${clashes} ${clashes === 1 ? "file is" : "files are"} already there: choose what to do`;
    };

    // A path like the first that nothing has yet: "reads (2).fastq.gz".
    const another = async (item) => {
      const cut = item.path.lastIndexOf("/") + 1;
      const parts = /^(.+?)((?:\.[A-Za-z0-9]{1,8}){0,2})$/.exec(item.path.slice(cut)) || ["", item.path.slice(cut), ""];
      for (let from = 2; from < 1000; from += 20) {
        const tries = Array.from({ length: 20 }, (_, n) => `${item.path.slice(0, cut)}${parts[1]} (${from + n})${parts[2]}`);
        const { taken, refused } = await look(tries);
        const mine = new Set(items.map((one) => one.path));
        const free = tries.find((path) => !taken.has(path) && !refused.has(path) && !mine.has(path));
        if (free) return free;
      }
      throw new Error("No free name was found: rename the file.");
    };

    // --- what the buttons do -----------------------------------------------------------------------------
    const acts = {
      mayReplace,
      pause(item) {
        if (item.state === "waiting") item.state = "paused";
        else {
          item.state = "pausing";
          item.client.stop();
        }
        refresh(item);
        pump();
      },
      resume(item) {
        if (item.named) queue(item);
        else void name([item]);
      },
      replace(item) {
        item.consent = true;
        queue(item);
      },
      async both(item) {
        try {
          item.path = await another(item);
          queue(item);
        } catch (error) {
          fail(item, error.message, true);
        }
      },
      remove(item) {
        const at = items.indexOf(item);
        if (at < 0) return;
        items.splice(at, 1);
        item.state = "removed";
        if (item.client) item.client.stop();
        if (item.location) {
          kept.drop(item.location);
          void window.commensalTus.forget(item.location, token);
        }
        item.row.line.remove();
        const next = items[Math.min(at, items.length - 1)];
        (next ? next.row.line.querySelector("button, a") || files : files).focus();
        pump();
      },
    };

    // --- choosing ------------------------------------------------------------------------------------------
    const add = (chosen) => {
      const sums = sumsOf(box.querySelector("#f-sums").value);
      const prefix = folder.value.trim().replace(/^\/+|\/+$/g, "");
      const mine = kept.all().filter((one) => one.person === person && one.project === project);
      const fresh = [];
      for (const { file, relative } of chosen) {
        const before = mine.find((one) => one.relative === relative && one.size === file.size && one.modified === file.lastModified);
        const path = before ? before.path : (prefix ? `${prefix}/` : "") + relative;
        const twin = items.find((one) => one.path === path);
        if (twin) {
          if (twin.state !== "done" && twin.state !== "failed") continue;
          items.splice(items.indexOf(twin), 1);
          twin.row.line.remove();
        }
        const item = { file, relative, path, size: file.size, sent: 0, words: "", state: "naming", taken: null, consent: Boolean(before && before.replace), location: before ? before.location : "", digest: sums.get(relative) || sums.get(file.name) || "", client: null };
        item.row = makeRow(item, acts);
        items.push(item);
        fresh.push(item);
        find("list").append(item.row.line);
      }
      sum();
      left();
      if (fresh.length) void name(fresh);
    };

    const left = () => {
      const open = new Set(items.map((item) => item.location));
      const mine = kept.all().filter((one) => one.person === person && one.project === project && !open.has(one.location));
      find("left").hidden = mine.length === 0;
      find("left-list").replaceChildren(
        ...mine.map((one) => {
          const line = element("li");
          const label = document.createElement("bdi");
          label.textContent = one.path;
          const words = element("span");
          words.append(label, ` (${size(one.size)})`);
          const forget = button("Forget", one.path, () => {
            kept.drop(one.location);
            void window.commensalTus.forget(one.location, token);
            left();
            files.focus();
          }, "quiet");
          line.append(words, forget);
          return line;
        }),
      );
    };

    const take = (input) => {
      const chosen = [...input.files].map((file) => ({ file, relative: file.webkitRelativePath || file.name }));
      input.value = "";
      add(chosen);
    };
    files.addEventListener("change", () => take(files));
    whole.addEventListener("change", () => take(whole));
    find("choose-folder").addEventListener("click", () => whole.click());
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
      void dropped(event.dataTransfer).then(add, () => {
        announce.textContent = "What was dropped cannot be read.";
      });
    });

    find("pause-all").addEventListener("click", () => {
      if (wholePause) items.filter((item) => item.state === "paused").forEach(acts.resume);
      else items.filter((item) => ["waiting", "sending", "broken"].includes(item.state)).forEach(acts.pause);
      sum();
    });
    find("clash").addEventListener("click", (event) => {
      const all = event.target.closest("[data-all]");
      if (!all) return;
      const act = { replace: acts.replace, both: acts.both, skip: acts.remove }[all.dataset.all];
      // One after the other: two that keep both must not take the same name.
      void items.filter((item) => item.state === "clash").reduce((before, item) => before.then(() => act(item)), Promise.resolve());
    });
    window.addEventListener("beforeunload", (event) => {
      if (items.some((item) => RUNNING.includes(item.state) || item.state === "waiting")) event.preventDefault();
    });
    left();
  };

  document.addEventListener("DOMContentLoaded", () => {
    const box = document.querySelector("[data-upload]");
    if (box) start(box);
  });
})();
