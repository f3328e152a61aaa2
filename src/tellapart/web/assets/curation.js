// The Curation page: one look at a time, asked for when it is chosen; acts, and their undoing.
"use strict";
class Curation extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.form = this.querySelector(".looks");
    this.status = this.querySelector(".status");
    this.place = this.querySelector(".seen");
    this.toast = this.querySelector(".toast");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => {
      history.replaceState(history.state, "", `?look=${this.chosen}`);
      this.label = "";
      this.look();
    });
    this.toast.addEventListener("click", () => this.turnBack("undo", this.last));
    this.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || this.toast.hidden) return;
      event.preventDefault();
      this.toast.click();
    });
    this.look();
  }

  get chosen() {
    return this.form.elements.look.value;
  }

  address(basis) {
    const at = { doubtful: `doubtful?limit=60${this.label ? `&label=${encodeURIComponent(this.label)}` : ""}`, slices: `slices?basis=${basis}`, copies: "copies?limit=24" };
    return this.chosen === "rules" ? `${this.dataset.api}/thresholds` : `${this.dataset.api}/curation/${at[this.chosen] ?? this.chosen}`;
  }

  /** Show what is chosen; `told` is said when it is there. */
  async look(basis = "held_out", told = "") {
    const [round, chosen] = [(this.round = (this.round ?? 0) + 1), this.chosen];
    const kept = this.shown === chosen ? this.place.clientHeight : 0;
    this.place.setAttribute("aria-busy", "true");
    if (this.shown !== chosen) this.place.replaceChildren();
    this.say(this.words.wait);
    const { ok, data, error } = await tellapart.ask("GET", this.address(basis));
    if (round !== this.round) return;
    this.place.removeAttribute("aria-busy");
    this.place.style.minHeight = kept ? `${kept}px` : "";
    this.shown = chosen;
    if (!ok) return this.fail(error);
    this.place.replaceChildren(...views[chosen](this, data).filter(Boolean));
    this.place.style.minHeight = "";
    this.say(told, Boolean(told) && this.last !== undefined);
  }

  fail(error) {
    const lines = [make("strong", { text: error.what }), error.do && make("span", { class: "small", text: error.do })];
    const again = press(this.words.again, () => this.look());
    this.place.replaceChildren(make("div", { class: "notice bad", role: "alert" }, ...lines), make("p", {}, again));
    this.say("");
  }

  /** Do something; answers whether it was done. `again`: look anew, for much has changed. */
  async act(given, again = true) {
    const { ok, data, error } = await tellapart.ask("POST", `${this.dataset.api}/curation/acts`, given);
    if (!ok) {
      this.say(`${error.what} ${error.do}`);
      if (error.code === "not_found") await this.look("held_out", `${error.what}`);
      return false;
    }
    this.last = data.act.number || undefined;
    const told = this.outcome(data);
    if (again) await this.look("held_out", told);
    else this.say(told, this.last !== undefined);
    return true;
  }

  outcome({ act, changed, left }) {
    const { words } = this;
    if (!act.number) return words.same;
    const said = act.verb === "settings" ? words.rules_used : changed === 1 ? words.done_one : fill(words.done, { N: count(changed) });
    const more = left ? ` ${fill(words.left, { N: count(left) })}` : "";
    return `${said}${more}`;
  }

  async turnBack(does, number) {
    this.toast.hidden = true;
    const { ok, data, error } = await tellapart.ask("POST", `${this.dataset.api}/curation/acts/${does}`, { number });
    if (!ok) return this.say(`${error.what} ${error.do}`);
    this.last = undefined;
    const said = does === "undo" ? fill(this.words.taken_back, { N: count(data.changed) }) : this.outcome(data);
    await this.look("held_out", said);
    this.place.focus();
  }

  say(text, undoable = false) {
    this.status.textContent = text;
    this.toast.hidden = !undoable;
    clearTimeout(this.hiding);
    if (undoable) this.hiding = setTimeout(() => (this.toast.hidden = true), 10000);
  }

  // -- parts of views -----------------------------------------------------------------------

  /** A picture as a link to it at its own size. */
  shot(id, label, size = 160) {
    const url = `${this.dataset.api}/pictures/${id}`;
    const image = make("img", { src: `${url}/thumbnail?size=${size}`, alt: fill(this.words.picture_of, { LABEL: label }), loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => image.parentElement?.classList.add("broken"), { once: true });
    return make("a", { class: "shot", href: `${url}/original`, target: "_blank", rel: "noopener" }, image);
  }

  shots(ids, label, name) {
    const items = ids.map((id) => make("li", {}, this.shot(id, label)));
    return make("ul", { class: "shots", role: "list", "aria-label": name }, ...items);
  }

  /** A licence that nobody named: of what was searched for it is somebody's right. */
  unknown() {
    const searched = Boolean(this.dataset.searches);
    return make("span", { class: searched ? "trouble" : "", text: searched ? this.words.not_known : this.words.not_stated });
  }

  /** A choice of the class that is looked at. */
  classes() {
    const { words } = this;
    const options = ["", ...JSON.parse(this.dataset.classes)].map((one) =>
      make("option", { value: one, text: one || words.every_class, selected: one === (this.label ?? "") }),
    );
    const onchange = (event) => {
      this.label = event.target.value;
      this.look();
    };
    return make("label", { class: "choose-one" }, `${words.class} `, make("select", { class: "input", onchange }, ...options));
  }

  /** A button that brings the next page of a list into `list`. */
  further(path, rows, list) {
    let next = path;
    const button = press(this.words.more, async () => {
      const { ok, data, error } = await tellapart.ask("GET", `${this.dataset.api}/curation/${next}`);
      if (!ok) return this.say(`${error.what} ${error.do}`);
      const made = rows(data);
      list.append(...made);
      made[0]?.querySelector("a, button")?.focus();
      if (data.next) next = path.replace(/after=.*/, `after=${data.next}`);
      else button.remove();
    });
    return button;
  }
}
customElements.define("ta-curation", Curation);
