// Results: rows of what was decided; each opens to all that is known, and is corrected in place.
"use strict";
class Results extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.form = this.querySelector(".filters");
    this.list = this.querySelector(".results");
    this.status = this.querySelector(".status");
    this.next = this.querySelector(".more");
    this.dialog = this.querySelector("dialog");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => this.filter());
    this.form.elements.q.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.filter(), 250);
    });
    this.next.addEventListener("click", () => this.load(this.after));
    this.addEventListener("click", (event) => this.clicked(event));
    this.load();
  }

  filter() {
    const query = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value));
    const address = query.size ? `?${query}` : location.pathname;
    if (this.asked === `${query}`) return;
    history.replaceState(history.state, "", address);
    this.load();
  }

  async load(after = null) {
    const round = (this.round = (this.round ?? 0) + 1); // answers to earlier questions are dropped
    const query = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value));
    this.asked = `${query}`;
    if (query.get("outcome") === "match") {
      query.delete("outcome");
      query.set("match", "true");
    }
    query.set("limit", 30);
    if (after) query.set("after", after);
    this.next.disabled = true;
    const { ok, data, error } = await tellapart.ask("GET", `${this.dataset.url}/results?${query}`);
    this.next.disabled = false;
    if (round !== this.round) return;
    if (!ok) return this.fail(error);
    const rows = data.items.map((row) => this.row(row));
    if (after) this.list.append(...rows);
    else this.list.replaceChildren(...rows);
    this.list.dataset.shown = this.asked;
    if (after) rows[0]?.querySelector("summary").focus();
    this.after = data.next;
    this.next.hidden = !data.next;
    const n = data.total ?? this.list.childElementCount;
    this.querySelector(".none").hidden = n > 0;
    if (!after) this.say((n === 1 ? this.words.found_one : this.words.found).replace("N", `${n.toLocaleString("en")}${data.next && data.total === undefined ? "+" : ""}`));
  }

  make(name, kind = "", text = "") {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text) element.textContent = text;
    return element;
  }

  name(row, whole = false) {
    const name = row.name || this.words.nobody;
    return whole && row.age !== null ? this.words.aged.replace("NAME", name).replace("AGE", row.age) : name;
  }

  address(row, picture, size) {
    return `${this.dataset.url}/candidates/${row.id}/pictures/${picture.position}?size=${size}&v=${picture.sha256.slice(0, 12)}`;
  }

  /** A result: a line that opens, and beside it what a person says. */
  row(row) {
    const item = this.make("li", "result");
    item.row = row;
    const details = this.make("details");
    const summary = this.make("summary");
    const picture = row.pictures.find((one) => one.decided && one.kept) ?? row.pictures.find((one) => one.kept);
    const shown = this.make("span", "shown");
    if (picture) {
      const image = this.make("img");
      Object.assign(image, { alt: "", loading: "lazy", decoding: "async", width: 72, height: 72, src: this.address(row, picture, 144) });
      shown.append(image);
    }
    const said = this.make("span", "line");
    const head = this.make("span", "head");
    const { verdict } = row;
    const action = verdict?.action ?? "leave";
    head.append(this.make("b", "", this.name(row, true)), this.make("span", `tag act-${action}`, this.words.actions[action]));
    const outcome = this.make("span", "small came");
    const state = verdict?.outcome ?? "none";
    if (verdict?.match) outcome.append(this.make("span", "tag done", this.words.match));
    outcome.append(this.make("span", state === "unknown" || state === "refused" ? "trouble" : "quiet", this.words.states[state] ?? state));
    outcome.append(this.make("span", "quiet", this.when(verdict?.at ?? row.seen)));
    said.append(head, this.make("span", "small why", verdict?.reason ?? ""), outcome);
    summary.append(shown, said);
    details.append(summary);
    details.addEventListener("toggle", () => details.open && details.childElementCount === 1 && details.append(this.more(row)));
    item.append(details, this.hands(row));
    return item;
  }

  hands(row) {
    const group = this.make("div", "say");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", this.words.right.replace("NAME", this.name(row)));
    for (const label of ["pass", "like"]) {
      const button = this.make("button", `button ${label}`, this.words[label]);
      button.type = "button";
      button.dataset.label = label;
      button.setAttribute("aria-pressed", row.label === label);
      group.append(button);
    }
    return group;
  }

  more(row) {
    const { words } = this;
    const { verdict } = row;
    const box = this.make("div", "all");
    const film = this.make("ul", "shots");
    row.pictures.forEach((one, at) => {
      const item = this.make("li", one.decided ? "decided" : "");
      if (one.kept) {
        const image = this.make("img");
        const alt = words.picture_of.replace("NAME", this.name(row)).replace("N", at + 1).replace("M", row.pictures.length);
        Object.assign(image, { alt, loading: "lazy", src: this.address(row, one, 320) });
        item.append(image);
      }
      const score = one.problem ? words.unreadable : one.score === null ? "" : words.scored.replace("SCORE", one.score.toFixed(2));
      item.append(this.make("span", "small", [score, one.decided && words.decided].filter(Boolean).join(", ")));
      film.append(item);
    });
    const list = this.make("dl", "facts small");
    const fact = (name, value, link = "") => {
      if (value === "" || value === null || value === undefined) return;
      const told = this.make("dd", "", link ? "" : `${value}`);
      if (link) {
        const to = this.make("a", "", value);
        Object.assign(to, { href: link, rel: "noreferrer noopener", target: "_blank" });
        told.append(to);
      }
      list.append(this.make("dt", "", name), told);
    };
    fact(words.bio, row.bio);
    fact(words.rule, verdict?.rule.replaceAll("_", " "));
    fact(words.reason, [verdict?.reason, verdict?.explored && words.explored, row.new_looking && words.new_looking].filter(Boolean).join(" "));
    const answer = Object.entries(verdict?.answer ?? {}).filter(([, value]) => value !== null && typeof value !== "object");
    fact(words.answered, answer.map(([key, value]) => `${key.replaceAll("_", " ")}: ${value}`).join(", "));
    fact(words.when, verdict ? new Date(verdict.at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "");
    if (/^https?:/.test(row.url)) fact(words.page, new URL(row.url).host, row.url);
    const forget = this.make("button", "button danger", words.forget);
    forget.type = "button";
    forget.dataset.do = "forget";
    box.append(film, list, forget);
    return box;
  }

  when(time) {
    const passed = (Date.now() - Date.parse(time)) / 1000;
    const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
    for (const [seconds, unit] of [[86_400, "day"], [3_600, "hour"], [60, "minute"]]) {
      if (passed >= seconds) return words.format(-Math.floor(passed / seconds), unit);
    }
    return words.format(0, "minute").replace("this minute", "just now");
  }

  // -- hands --------------------------------------------------------------------------------

  clicked(event) {
    const button = event.target.closest("button");
    const item = event.target.closest(".result");
    if (!button) return;
    if (button.dataset.label) this.correct(item, button.dataset.label);
    else if (button.dataset.do === "forget") this.ask(item);
    else if (button.dataset.do === "forget-yes") this.forget();
    else if (button.dataset.do === "forget-no") this.dialog.close();
  }

  press(item) {
    for (const one of item.querySelectorAll("[data-label]")) one.setAttribute("aria-pressed", one.dataset.label === item.row.label);
  }

  /** The word shows at once; pressed again it is taken back. */
  async correct(item, label) {
    const { row } = item;
    const before = row.label;
    const again = before === label;
    row.label = again ? null : label;
    this.press(item);
    const url = `${this.dataset.url}/candidates/${row.id}`;
    const turn = (item.turn = (item.turn ?? 0) + 1);
    item.line = (item.line ?? Promise.resolve()).then(async () => {
      if (turn !== item.turn) return; // pressed once more meanwhile: only the last word counts
      const { ok, data, error } = again
        ? await tellapart.ask("POST", `${url}/label`, { label: null }, { keepalive: true })
        : await tellapart.ask("POST", `${url}/correct`, { label }, { keepalive: true });
      if (!ok) {
        if (turn === item.turn) row.label = before;
        this.press(item);
        return this.fail(error);
      }
      const told = again ? this.words.taken_back : this.words.corrected;
      this.say([told.replace("NAME", this.name(row)).replace("ACTION", this.words[label].toLowerCase()), again ? "" : data.said].filter(Boolean).join(" "));
    });
    await item.line;
  }

  ask(item) {
    this.going = item;
    this.dialog.querySelector("h2").textContent = this.words.forget_sure.replace("NAME", this.name(item.row));
    this.dialog.showModal();
  }

  async forget() {
    this.dialog.close();
    const item = this.going;
    const { ok, error } = await tellapart.ask("DELETE", `${this.dataset.url}/candidates/${item.row.id}`);
    if (!ok) return this.fail(error);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    next?.querySelector("summary").focus();
    this.say(this.words.forgotten.replace("NAME", this.name(item.row)));
  }

  fail(error) {
    this.status.classList.add("trouble");
    this.status.textContent = [error.what, error.do].filter(Boolean).join(" ");
    return false;
  }

  say(text) {
    this.status.classList.remove("trouble");
    this.status.textContent = text;
  }
}
customElements.define("ta-results", Results);
