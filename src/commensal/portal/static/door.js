// Calls of the Gen3 door from the portal's pages, with a token that lasts some minutes and ends with the session.
window.commensalDoor = (function () {
  "use strict";

  const make = (path, formToken) => {
    let token = "";
    let until = 0;

    const fresh = async () => {
      if (token && Date.now() < until) return token;
      const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ form_token: formToken }), headers: { accept: "application/json" } });
      const body = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error((body.error && body.error.message) || "Sign in again: this page is too old.");
      token = body.access_token;
      until = Date.now() + (body.expires_in - 30) * 1000;
      return token;
    };

    // XMLHttpRequest tells how much has been sent, which fetch does not.
    const send = async (method, address, body, type, progress) => {
      const bearer = await fresh();
      return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open(method, address);
        request.setRequestHeader("authorization", "bearer " + bearer);
        if (type) request.setRequestHeader("content-type", type);
        if (progress) request.upload.addEventListener("progress", (event) => progress(event.loaded, event.lengthComputable ? event.total : 0));
        request.addEventListener("load", () => {
          let value = null;
          try {
            value = JSON.parse(request.responseText);
          } catch {
            value = { message: request.responseText.slice(0, 500) };
          }
          resolve({ status: request.status, value, text: request.responseText });
        });
        request.addEventListener("error", () => reject(new Error("The server did not answer. Check the connection and try again.")));
        request.send(body);
      });
    };

    return { send };
  };

  return { make };
})();
