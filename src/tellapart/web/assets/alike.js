// Groups of look-alikes, each decided as a whole or picture by picture; fills the gallery's place.
"use strict";
class Alike {
  constructor(gallery, place) {
    this.gallery = gallery;
    this.place = place;
    this.list = document.createElement("div");
    this.list.className = "alike-list";
    this.further = document.createElement("button");
    this.further.type = "button";
    this.further.className = "button";
    this.further.textContent = gallery.words.more_groups;
    this.further.addEventListener("click", () => this.load());
    place.append(this.list, this.further);
    place.addEventListener("click", (event) => this.clicked(event));
  }

  async reload(told) {
    this.list.replaceChildren();
    this.after = null;
    await this.load();
    if (told) this.gallery.say(told);
  }

  async load() {
    const gallery = this.gallery;
    const round = gallery.round;
    const query = new URLSearchParams({ limit: 24 });
    if (this.after) query.set("after", this.after);
    const { ok, data, error } = await tellapart.ask("GET", `${gallery.dataset.groups}?${query}`);
    if (round !== gallery.round) return;
    if (!ok) return gallery.fail(error);
    this.after = data.next;
    this.further.hidden = !data.next;
    const sections = data.items.map((group) => this.section(group));
    this.list.append(...sections);
    if (this.list.childElementCount > sections.length) sections[0]?.querySelector("button").focus();
    const { groups, groups_one, no_groups } = gallery.words;
    const n = data.total ?? this.list.childElementCount;
    gallery.say((n === 1 ? groups_one : n ? groups : no_groups).replace("N", gallery.number(n)));
  }

  section(group) {
    const words = this.gallery.words;
    const section = document.createElement("section");
    const rows = group.pictures.map((row) => ({ ...row }));
    const title = document.createElement("h3");
    title.textContent = words.group.replace("N", rows.length).replace("LABEL", rows[0]?.label ?? "");
    const buttons = document.createElement("div");
    buttons.className = "row";
    for (const [does, word] of [["best", words.keep_best], ["all", words.keep_all], ["none", words.drop_all]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.dataset.group = does;
      button.textContent = word;
      buttons.append(button);
    }
    const list = document.createElement("ul");
    list.append(...rows.map((row) => this.gallery.tile(row)));
    section.append(title, list, buttons);
    section.rows = rows;
    return section;
  }

  clicked(event) {
    const gallery = this.gallery;
    const does = event.target.closest("[data-group]")?.dataset.group;
    const rows = event.target.closest("section")?.rows;
    const row = event.target.closest("li")?.row;
    if (does && rows) {
      const wanted = (place) => does === "all" || (does === "best" && place === 0);
      for (const keep of [true, false]) {
        const some = rows.filter((one, place) => wanted(place) === keep);
        if (some.length) gallery.decide(some, keep);
      }
    } else if (row && event.target.closest(".more")) gallery.viewer.open(gallery, row, rows);
    else if (row && event.target.closest(".tile")) gallery.decide([row], !row.kept);
  }
}
