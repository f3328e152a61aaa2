// Places to drop files: each `[data-upload]` holds a file input and sends what it is given at once.
// It tells the page by the events `began`, `finished` and `refused` on itself.
"use strict";
(() => {
  const app = window.tellapart;
  const tell = (zone, name, detail) => zone.dispatchEvent(new CustomEvent(name, { detail }));
  const show = (zone, share) => {
    const bar = zone.parentElement.querySelector(".bar");
    if (!bar) return;
    bar.style.setProperty("--done", share);
    bar.setAttribute("aria-valuenow", Math.round(100 * share));
  };

  // A folder's own name is no class: taken off where everything lies below it, two deep.
  const shorten = (files) => {
    const parts = files.map(({ path }) => path.split("/"));
    const same = parts.every((p) => p.length > 2 && p[0] === parts[0][0]);
    return same ? files.map(({ file, path }) => ({ file, path: path.slice(path.indexOf("/") + 1) })) : files;
  };

  async function sendFolder(zone, url, files) {
    const begun = await app.ask("POST", `${url}?kind=folder`);
    if (!begun.ok) return begun;
    const id = begun.data.id;
    let next = 0, done = 0, failed = null;
    const worker = async () => {
      while (next < files.length && !failed) {
        const { file, path } = files[next++];
        const place = path.split("/").map(encodeURIComponent).join("/");
        const answer = await app.send("PUT", `${url}/${id}/files/${place}`, file);
        // A single file that is no picture is left out; what stops everything is another matter.
        if (!answer.ok && ![415, 422].includes(answer.status)) failed = answer;
        show(zone, ++done / files.length);
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    return failed || app.ask("POST", `${url}/${id}/done`);
  }

  async function send(zone, given) {
    const files = shorten(given.filter(({ path }) => !path.split("/").some((p) => p.startsWith("."))));
    if (!files.length) return tell(zone, "refused", { what: zone.dataset.nothing });
    const url = zone.dataset.upload;
    const folder = zone.dataset.folder === "true" && (files.length > 1 || files[0].path.includes("/"));
    tell(zone, "began", { name: files[0].file.name, count: folder ? files.length : 1 });
    show(zone, 0);
    const answer = folder
      ? await sendFolder(zone, url, files)
      : await app.send("POST", `${url}?name=${encodeURIComponent(files[0].file.name)}`, files[0].file,
          (share) => show(zone, share));
    if (answer.ok) tell(zone, "finished", { ...answer.data, shown: files[0].file.name });
    else tell(zone, "refused", answer.error);
  }

  document.addEventListener("change", (event) => {
    const input = event.target;
    if (input.type !== "file") return;
    const zone = input.closest("[data-upload]");
    if (!zone) return;
    if (input.files.length) send(zone, [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
    input.value = "";
  });

  const zoneOf = (event) => event.target.closest?.("[data-upload]");
  for (const name of ["dragover", "dragenter"]) {
    document.addEventListener(name, (event) => {
      const zone = zoneOf(event);
      if (zone) zone.classList.add("over");
      else if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault(); // beside a place too: the browser would leave the page for the file
    });
  }
  document.addEventListener("dragleave", (event) => zoneOf(event)?.classList.remove("over"));

  const entries = (reader) => new Promise((good, bad) => reader.readEntries(good, bad));
  async function walk(entry, path, found) {
    if (entry.isFile) {
      const file = await new Promise((good, bad) => entry.file(good, bad));
      found.push({ file, path: path + entry.name });
    } else {
      const reader = entry.createReader();
      for (let some = await entries(reader); some.length; some = await entries(reader)) {
        for (const one of some) await walk(one, `${path}${entry.name}/`, found);
      }
    }
  }
  document.addEventListener("drop", async (event) => {
    const zone = zoneOf(event);
    if (zone || event.dataTransfer?.types.includes("Files")) event.preventDefault();
    if (!zone) return;
    zone.classList.remove("over");
    const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const found = [];
    for (const item of items) await walk(item, "", found);
    send(zone, found);
  });
})();
