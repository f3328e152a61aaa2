// What pages do in the browser by themselves: theme, requests with the session's token, dialogs.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => localStorage.getItem("theme") || "system";
  const paint = () => {
    const theme = chosen() === "system" ? (system.matches ? "dark" : "light") : chosen();
    root.dataset.theme = theme;
    root.dataset.chosen = chosen();
    document.getElementById("nicegui-color-scheme")?.setAttribute("content", theme);
  };
  paint();
  system.addEventListener("change", paint);
  addEventListener("storage", paint);
  document.addEventListener("DOMContentLoaded", paint);

  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content || "";
  const words = (text) => ({ what: text, expected: "", do: "" });

  const app = {
    /** Go from system to light to dark and around; returns what is chosen now. */
    theme() {
      const order = ["system", "light", "dark"];
      const next = order[(order.indexOf(chosen()) + 1) % 3];
      if (next === "system") localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
      paint();
      return next;
    },
    /** fetch() with the CSRF header, and `more` of its options; answers {ok, status, data, error}. */
    async ask(method, url, body, more = {}) {
      const headers = { Accept: "application/json", "X-CSRF-Token": meta("csrf") };
      const init = { method, headers, credentials: "same-origin", ...more };
      if (body instanceof Blob || body instanceof FormData) init.body = body;
      else if (body !== undefined) {
        headers["Content-Type"] = "application/json";
        init.body = JSON.stringify(body);
      }
      try {
        const answer = await fetch(url, init);
        const text = await answer.text();
        let data = null;
        try { data = text ? JSON.parse(text) : null; } catch { data = null; }
        const error = answer.ok ? null : data?.error || words(`${answer.status} ${answer.statusText}`);
        return { ok: answer.ok, status: answer.status, data, error };
      } catch (fault) {
        return { ok: false, status: 0, data: null, error: words(meta("offline") || String(fault)) };
      }
    },
    /** Send a file with progress; answers like ask(). */
    send(method, url, file, progress) {
      return new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open(method, url);
        request.setRequestHeader("X-CSRF-Token", meta("csrf"));
        request.setRequestHeader("Accept", "application/json");
        if (!(file instanceof FormData)) {
          request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
        }
        request.upload.onprogress = (e) => e.lengthComputable && progress?.(e.loaded / e.total);
        request.onloadend = () => {
          let data = null;
          try { data = JSON.parse(request.responseText); } catch { data = null; }
          const ok = request.status >= 200 && request.status < 300;
          const error = ok ? null : data?.error || words(meta("offline") || String(request.status));
          resolve({ ok, status: request.status, data, error });
        };
        request.send(file);
      });
    },
    /** A form's text fields as {name: [values]}. */
    values(form) {
      const found = {};
      for (const [key, value] of new FormData(form)) {
        if (typeof value === "string") (found[key] ??= []).push(value);
      }
      return found;
    },
    focus(id) {
      requestAnimationFrame(() => document.getElementById(id)?.focus());
    },
    async copy(text) {
      try { await navigator.clipboard.writeText(text); return true; } catch { return false; }
    },
  };
  window.tellapart = app;

  // A form with `data-ask="METHOD /address"` sends its fields as JSON, then goes to `data-next`,
  // or tells the page by the event `answered`. What went wrong stands in its `[data-said]`.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.ask) return;
    event.preventDefault();
    const [method, url] = form.dataset.ask.split(" ");
    const button = form.querySelector('[type="submit"]');
    const said = form.querySelector("[data-said]");
    const fields = Object.fromEntries(Object.entries(app.values(form)).map(([k, v]) => [k, v[0]]));
    said.className = "hidden";
    button.disabled = true;
    const answer = await app.ask(method, url, fields);
    button.disabled = false;
    if (answer.ok && form.dataset.next) return location.assign(form.dataset.next);
    if (answer.ok) {
      form.reset();
      return form.dispatchEvent(new CustomEvent("answered", { detail: answer.data }));
    }
    said.className = "notice bad";
    said.replaceChildren();
    for (const [name, key] of [["strong", "what"], ["span", "do"]]) {
      if (!answer.error?.[key]) continue;
      const line = document.createElement(name);
      line.textContent = answer.error[key];
      said.append(line);
    }
    said.focus();
  });
})();
