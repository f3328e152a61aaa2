// What is typed into a page's first form stays with the tab: a phone that was away for long loads
// the page anew and finds it again. Files and passwords are not kept. `tellapart.sent()` ends it.
"use strict";
(() => {
  const key = `draft ${location.pathname}`;
  const first = () => document.querySelector("main form");
  const kept = (control) => control.name && !["file", "password", "hidden"].includes(control.type);
  const controls = (form) => [...form.elements].filter(kept);
  let over = false;

  tellapart.sent = () => {
    over = true;
    sessionStorage.removeItem(key);
  };

  addEventListener("input", (e) => {
    const form = first();
    if (over || !form?.contains(e.target)) return;
    const values = {};
    for (const control of controls(form)) {
      if (control.type !== "radio" || control.checked) (values[control.name] ??= []).push(control.value);
    }
    sessionStorage.setItem(key, JSON.stringify(values));
  });

  function put(form, name, values) {
    const same = controls(form).filter((control) => control.name === name);
    if (same[0]?.type === "radio") {
      for (const control of same) control.checked = values.includes(control.value);
      return;
    }
    // Lines that the page has not made yet are written into its last one, parted by commas.
    const lines = same.length > 1 ? values.filter(Boolean) : values;
    const rest = lines.splice(Math.max(same.length - 1, 0)).join(", ");
    [...lines, rest].forEach((value, place) => {
      if (same[place]?.value === "" || same.length === 1) same[place].value = value;
    });
    same.at(-1)?.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function restore(values, tries = 200) {
    const form = window.did_handshake && first(); // before it the page does not hear of new lines
    if (form) for (const [name, given] of Object.entries(values)) put(form, name, given);
    else if (tries) setTimeout(restore, 50, values, tries - 1);
  }

  try {
    const values = JSON.parse(sessionStorage.getItem(key) || "null");
    if (values) restore(values);
  } catch {
    sessionStorage.removeItem(key);
  }
})();
