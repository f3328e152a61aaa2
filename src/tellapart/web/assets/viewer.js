// One picture at its own size, with all that is known of it; opened from the gallery.
"use strict";
class Viewer extends HTMLElement {
  connectedCallback() {
    if (this.box) return;
    this.box = this.querySelector("dialog");
    this.picture = this.querySelector("img");
    this.facts = this.querySelector("dl");
    this.class = this.querySelector("select");
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.box.addEventListener("click", (event) => this.clicked(event));
    this.box.addEventListener("close", () => this.back());
    this.class.addEventListener("change", () => this.gallery.relabel(this.row, this.class.value).then(() => this.refresh()));
  }

  /** Show the picture at a place of the gallery, or a row among `rows`. */
  open(gallery, what, rows = null) {
    this.gallery = gallery;
    this.among = rows;
    this.box.showModal();
    this.show(rows ? rows.indexOf(what) : what);
  }

  get total() {
    return this.among?.length ?? this.gallery.total;
  }

  back() {
    if (this.among) this.row?.item?.firstElementChild.focus();
    else this.gallery.go(this.at);
  }

  async show(at) {
    const gallery = this.gallery;
    this.at = Math.max(0, Math.min(this.total - 1, at));
    if (!this.among) await gallery.ensure(this.at, 12);
    const row = (this.among ?? gallery.rows)[this.at];
    if (!row) return;
    this.row = row;
    this.picture.src = gallery.thumbnail(row); // at once, until the large one is here
    this.facts.replaceChildren();
    this.refresh();
    const url = `${gallery.dataset.pictures}/${row.id}`;
    const { ok, data } = await tellapart.ask("GET", url);
    if (!ok || this.row !== row) return;
    const large = new Image();
    large.onload = () => this.row === row && (this.picture.src = large.src);
    large.src = `${url}/original`;
    this.tell(data);
  }

  tell(data) {
    const words = this.gallery.words;
    const license = `${data.license} ${data.license_version ?? ""}`.trim();
    const size = data.width ? `${data.width} × ${data.height}` : "";
    const why = Object.entries(data.detail ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
    this.facts.replaceChildren();
    this.fact(words.fact_title, data.title);
    this.fact(words.fact_creator, data.creator);
    if (license) this.fact(words.fact_license, license.toUpperCase(), data.license_url);
    // Of a picture of the web, what is not known is somebody's right.
    else if (data.page_url) this.fact(words.fact_license, words.fact_unknown, "", "trouble");
    this.fact(words.fact_page, this.host(data.page_url), data.page_url);
    this.fact(words.fact_source, [data.source, data.query].filter(Boolean).join(": "));
    this.fact(words.fact_size, size);
    this.fact(words.fact_split, words.splits[data.split] ?? data.split);
    this.fact(words.fact_why, data.kept ? "" : why.join(", "));
  }

  host(address) {
    try {
      return new URL(address).host;
    } catch {
      return "";
    }
  }

  fact(name, value, link = "", kind = "") {
    if (!value) return;
    const term = document.createElement("dt");
    term.textContent = name;
    const told = document.createElement("dd");
    told.textContent = value;
    told.className = kind;
    if (/^https?:/.test(link ?? "")) {
      const to = document.createElement("a");
      Object.assign(to, { href: link, rel: "noreferrer noopener", target: "_blank", textContent: value });
      told.replaceChildren(to);
    }
    this.facts.append(term, told);
  }

  refresh() {
    const row = this.row;
    if (!row || !this.box.open) return;
    const { words } = this.gallery;
    this.picture.alt = row.label;
    this.querySelector("h2").textContent = row.label;
    this.querySelector(".place").textContent = `${this.gallery.number(this.at + 1)} / ${this.gallery.number(this.total)}`;
    const state = this.querySelector(".state");
    state.textContent = row.kept ? words.is_kept : `${words.is_aside}: ${this.gallery.reason(row)}`;
    state.className = row.kept ? "state kept" : "state aside";
    this.class.value = row.label;
    const does = (what) => this.querySelector(`[data-do=${what}]`);
    does("rules").disabled = row.overruled === null;
    does("keep").setAttribute("aria-pressed", row.kept);
    does("drop").setAttribute("aria-pressed", !row.kept);
    does("before").disabled = this.at === 0;
    does("next").disabled = this.at === this.total - 1;
  }

  act(what) {
    const keeps = { keep: true, drop: false, rules: null };
    if (what === "close") this.box.close();
    else if (what === "next") this.show(this.at + 1);
    else if (what === "before") this.show(this.at - 1);
    else this.gallery.decide([this.row], keeps[what]);
    this.refresh();
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
}
customElements.define("ta-viewer", Viewer);
