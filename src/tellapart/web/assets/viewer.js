// One picture at its own size, with all that is known of it; opened from the gallery.

class Viewer extends HTMLElement {
  connectedCallback() {
    if (this.box) return;
    this.box = this.querySelector("dialog");
    this.picture = this.querySelector("img");
    this.facts = this.querySelector("dl");
    this.class = this.querySelector("select");
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.box.addEventListener("click", (event) => this.clicked(event));
    this.box.addEventListener("close", () => this.gallery.go(this.at));
    this.class?.addEventListener("change", () => this.relabel());
  }

  open(gallery, at) {
    this.gallery = gallery;
    this.box.showModal();
    this.show(at);
  }

  async show(at) {
    const gallery = this.gallery;
    this.at = Math.max(0, Math.min(gallery.total - 1, at));
    await gallery.ensure(this.at, Math.min(12, gallery.total - this.at));
    const row = gallery.rows[this.at];
    if (!row) return;
    this.picture.src = gallery.dataset.thumb.replace("ID", row.id); // at once, until the large one is here
    this.refresh();
    this.facts.replaceChildren();
    const answer = await fetch(gallery.dataset.detail.replace("ID", row.id), { headers: { Accept: "application/json" } });
    if (!answer.ok || gallery.rows[this.at]?.id !== row.id) return;
    const found = await answer.json();
    this.picture.src = found.original;
    for (const [name, value, link] of found.facts) {
      const term = document.createElement("dt");
      term.textContent = name;
      const told = document.createElement("dd");
      if (link) {
        const to = document.createElement("a");
        to.href = link;
        to.rel = "noreferrer noopener";
        to.target = "_blank";
        to.textContent = value;
        told.append(to);
      } else told.textContent = value;
      this.facts.append(term, told);
    }
  }

  refresh() {
    const row = this.gallery?.rows[this.at];
    if (!row || !this.box.open) return;
    const words = this.gallery.words;
    const reason = words.reasons[row.why] ?? row.why;
    this.picture.alt = row.label;
    this.querySelector("h2").textContent = row.label;
    this.querySelector(".place").textContent = `${this.at + 1} / ${this.gallery.total}`;
    const state = this.querySelector(".state");
    state.textContent = row.kept ? words.is_kept : `${words.is_aside}: ${reason}`;
    state.className = row.kept ? "state kept" : "state aside";
    if (this.class) this.class.value = row.label;
    this.querySelector("[data-do=rules]").disabled = row.hand === null;
    this.querySelector("[data-do=keep]").setAttribute("aria-pressed", row.kept);
    this.querySelector("[data-do=drop]").setAttribute("aria-pressed", !row.kept);
  }

  act(what) {
    const keeps = { keep: true, drop: false, rules: null };
    if (what === "close") this.box.close();
    else if (what === "next") this.show(this.at + 1);
    else if (what === "before") this.show(this.at - 1);
    else if (what in keeps) {
      this.gallery.decide([this.at], keeps[what]);
      this.refresh();
    }
  }

  clicked(event) {
    const button = event.target.closest("[data-do]");
    if (button) this.act(button.dataset.do);
    else if (event.target === this.box) this.box.close(); // beside it
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const does = { arrowright: "next", arrowleft: "before", k: "keep", x: "drop", u: "rules" };
    const what = does[event.key.toLowerCase()];
    if (!what) return;
    event.preventDefault();
    this.act(what);
  }

  relabel() {
    const row = this.gallery.rows[this.at];
    if (!row || row.label === this.class.value) return;
    row.label = this.class.value;
    this.gallery.repaint(this.at);
    this.refresh();
    emitEvent("pictures_relabel", { ids: [row.id], label: row.label });
  }
}

customElements.define("ta-viewer", Viewer);
