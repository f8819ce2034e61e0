// One file to the server in pieces by tus 1.0 (tus.io/protocols/resumable-upload): resumed after any break.
window.commensalTus = (function () {
  "use strict";

  const PIECE = 8 * 1024 * 1024;
  const TRIES = 8; // In a row, without a byte getting through.
  const SLOWEST = 15000;
  const SILENCE = 90000; // Milliseconds without a byte either way: longer than the server takes to check a file.

  // What ends an attempt: `again` tells whether waiting may help.
  class Trouble extends Error {
    constructor(message, { status = 0, again = false, stopped = false } = {}) {
      super(message);
      this.status = status;
      this.again = again;
      this.stopped = stopped;
    }
  }

  const base64 = (bytes) => {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };

  const metadata = (values) =>
    Object.entries(values).filter(([, value]) => value).map(([key, value]) => `${key} ${base64(new TextEncoder().encode(value))}`).join(",");

  // Browsers compute digests on https and on this machine only; elsewhere the transport's own checks must do.
  const checksum = async (bytes) =>
    window.crypto && window.crypto.subtle ? "sha256 " + base64(new Uint8Array(await window.crypto.subtle.digest("SHA-256", bytes))) : "";

  const words = (request) => {
    try {
      return JSON.parse(request.responseText).error.message;
    } catch {
      return "";
    }
  };

  const refusal = (request) => {
    const { status } = request;
    const again = [409, 423, 429, 460, 500, 502, 503, 504].includes(status);
    const said = words(request);
    if (status === 401) return new Trouble("You are signed out. Sign in in another tab, then go on here.", { status });
    return new Trouble(said || `The server could not do this (${status}).`, { status, again });
  };

  // `source`: {file, endpoint, values, location, token() and renew(): the form token, and whether there is a newer one};
  // `tell` hears (what, value): location, sent, checking, waiting.
  const make = (source, tell) => {
    const { file } = source;
    let location = source.location || "";
    let offset = null;
    let stopped = true;
    let running = false;
    let request = null;
    let wake = () => {};

    // XMLHttpRequest tells how much has been sent, which fetch does not.
    const ask = (method, address, headers, body, progress) =>
      new Promise((resolve, reject) => {
        if (stopped) {
          reject(new Trouble("", { stopped: true }));
          return;
        }
        const mine = new XMLHttpRequest();
        request = mine;
        mine.open(method, address);
        const all = { "Tus-Resumable": "1.0.0", "X-Commensal-Form": source.token(), accept: "application/json", ...headers };
        for (const [name, value] of Object.entries(all)) if (value !== "") mine.setRequestHeader(name, value);
        let silent = false;
        let timer = 0;
        const alive = () => {
          window.clearTimeout(timer);
          timer = window.setTimeout(() => {
            silent = true;
            mine.abort();
          }, SILENCE);
        };
        mine.upload.addEventListener("progress", (event) => {
          alive();
          if (progress) progress(event.loaded);
        });
        mine.addEventListener("progress", alive);
        mine.addEventListener("loadend", () => window.clearTimeout(timer));
        mine.addEventListener("load", () => (mine.status < 300 ? resolve(mine) : reject(refusal(mine))));
        mine.addEventListener("error", () => reject(new Trouble("The connection is broken.", { again: true })));
        mine.addEventListener("abort", () => reject(silent ? new Trouble("The server does not answer.", { again: true }) : new Trouble("", { stopped: true })));
        alive();
        mine.send(body === undefined ? null : body);
      });

    const pause = (milliseconds) =>
      new Promise((resolve) => {
        const timer = window.setTimeout(resolve, milliseconds);
        wake = () => {
          window.clearTimeout(timer);
          resolve();
        };
      });

    const number = (answer, name) => {
      const value = Number(answer.getResponseHeader(name));
      if (!Number.isSafeInteger(value) || value < 0 || value > file.size) throw new Trouble("The server's answer cannot be understood.");
      return value;
    };

    const create = async () => {
      const answer = await ask("POST", source.endpoint, { "Upload-Length": String(file.size), "Upload-Metadata": metadata(source.values) });
      // Whatever host the server knows itself by, this page reaches it by its own.
      const place = new URL(answer.getResponseHeader("Location"), document.baseURI);
      location = place.pathname + place.search;
      offset = 0;
      tell("location", location);
    };

    const find = async () => {
      try {
        offset = number(await ask("HEAD", location, {}), "Upload-Offset");
        tell("sent", offset);
      } catch (error) {
        if (error.status !== 404 && error.status !== 410) throw error;
        location = "";
        tell("location", "");
      }
    };

    const piece = async () => {
      const from = offset;
      const bytes = await file.slice(from, from + PIECE).arrayBuffer().catch(() => {
        throw new Trouble("The file cannot be read any more: it was changed, moved or deleted. Choose it again.");
      });
      const headers = { "Upload-Offset": String(from), "Upload-Checksum": await checksum(bytes), "content-type": "application/offset+octet-stream" };
      const answer = await ask("PATCH", location, headers, bytes, (sent) => tell("sent", from + sent));
      offset = number(answer, "Upload-Offset");
      if (offset <= from) throw new Trouble("The server took nothing of it.", { again: true });
      tell("sent", offset);
    };

    // All bytes are there; the server reads them back before the file is one.
    const settle = async () => {
      tell("checking", null);
      for (let wait = 200; ; wait = Math.min(wait * 1.5, 3000)) {
        const state = JSON.parse((await ask("GET", location, {})).responseText);
        if (state.state === "available") return state;
        if (state.state === "refused" || state.state === "ended") throw new Trouble(state.error || "The server refused this file.", { status: 422 });
        await pause(wait);
      }
    };

    const attempt = async () => {
      if (!location) await create();
      else if (offset === null) await find();
      if (!location) await create();
      while (offset < file.size) await piece();
      return settle();
    };

    // Goes on until the file is there (its state), or raises Trouble; a pause ends it with `stopped`.
    const run = async () => {
      if (running) throw new Trouble("", { stopped: true });
      running = true;
      stopped = false;
      let tries = 0;
      let reached = -1;
      let renewed = false;
      try {
        for (;;) {
          try {
            return await attempt();
          } catch (error) {
            if (stopped || error.stopped) throw new Trouble("", { stopped: true });
            if (error.status === 401 && !renewed) {
              renewed = true; // Perhaps somebody signed in again meanwhile, and only this page's token is old.
              if (await source.renew()) continue;
            }
            if (error.status === 422 && location) {
              location = ""; // Refused for good: another try begins anew.
              tell("location", "");
            }
            if (!error.again) throw error;
            if ((offset || 0) > reached) tries = 0;
            reached = Math.max(reached, offset || 0);
            tries += 1;
            if (tries > TRIES) throw error;
            tell("waiting", error.message);
            await pause(Math.min(500 * 2 ** (tries - 1), SLOWEST));
            if (location) offset = null;
          }
        }
      } finally {
        running = false;
      }
    };

    const stop = () => {
      stopped = true;
      wake();
      if (request) request.abort();
      // What was cut is asked for when it goes on.
      if (location) offset = null;
    };

    window.addEventListener("online", () => wake());
    return { run, stop };
  };

  // Give an upload up on the server; one that has ended already is no trouble.
  const forget = (location, token) =>
    fetch(location, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0", "X-Commensal-Form": token, accept: "application/json" } }).catch(() => {});

  return { make, forget };
})();
