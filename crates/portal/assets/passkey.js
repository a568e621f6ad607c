// Asks the browser for a passkey when the form is sent, and sends the form with what it answers. Nothing else runs here, and
// nothing is loaded: what to ask for stands in the form.
(() => {
  "use strict";
  const form = document.getElementById("passkey-form");
  const failed = document.getElementById("passkey-failed");
  if (!form || !failed) return;
  const answer = form.elements.namedItem("answer");

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => {
    let letters = "";
    for (const byte of new Uint8Array(buffer)) letters += String.fromCharCode(byte);
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const listed = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function ask(options) {
    options.challenge = bytes(options.challenge);
    if (form.dataset.kind === "create") {
      options.user.id = bytes(options.user.id);
      options.excludeCredentials = listed(options.excludeCredentials);
      return navigator.credentials.create({ publicKey: options });
    }
    options.allowCredentials = listed(options.allowCredentials);
    return navigator.credentials.get({ publicKey: options });
  }

  function told(credential) {
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    if (form.dataset.kind === "create") {
      response.attestationObject = text(credential.response.attestationObject);
    } else {
      response.authenticatorData = text(credential.response.authenticatorData);
      response.signature = text(credential.response.signature);
      const user = credential.response.userHandle;
      response.userHandle = user && user.byteLength ? text(user) : null;
    }
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
  }

  form.addEventListener("submit", async (event) => {
    if (answer.value !== "") return;
    event.preventDefault();
    failed.hidden = true;
    try {
      if (!navigator.credentials || !window.PublicKeyCredential) throw new Error("no passkeys here");
      answer.value = told(await ask(JSON.parse(form.dataset.options)));
    } catch (_) {
      failed.hidden = false;
      failed.focus();
      return;
    }
    form.requestSubmit();
  });
})();
