// The policy's form: what is set becomes one policy, is compared with the stream so far, then applied.
"use strict";
class PolicyForm extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.policy = JSON.parse(this.dataset.policy);
    this.form = this.querySelector("form");
    this.text = this.form.elements.text;
    this.said = this.querySelector(".said");
    this.wrong = this.querySelector(".wrong");
    this.sums = this.querySelector(".sums");
    this.list = this.querySelector(".differences");
    this.form.addEventListener("submit", (event) => (event.preventDefault(), this.compare()));
    this.form.addEventListener("input", (event) => this.edited(event.target));
    this.addEventListener("click", (event) => {
      const what = event.target.closest("[data-do]")?.dataset.do;
      if (what) this[what]();
    });
  }

  of(what) {
    return this.querySelector(`[data-do=${what}]`);
  }

  edited(control) {
    if (control === this.text) {
      this.file = true;
      for (const one of this.form.querySelectorAll("[data-path]")) one.disabled = true;
    } else if (control.type === "range") control.closest(".field").querySelector("output").value = Number(control.value).toFixed(2);
    this.of("apply").disabled = true;
    this.turn = (this.turn ?? 0) + 1; // what is being compared is another policy
    this.clear(this.file ? this.words.file_counts : this.words.edited);
  }

  clear(text) {
    this.wrong.className = "wrong notice bad hidden";
    this.sums.hidden = true;
    this.list.replaceChildren();
    this.said.textContent = text;
  }

  /** The policy as it is set: the file's text once that was changed, else the form's values. */
  wanted() {
    if (this.file) return this.text.value;
    const policy = structuredClone(this.policy);
    for (const control of this.form.querySelectorAll("[data-path]")) {
      const path = control.dataset.path.split(".");
      const last = path.pop();
      const part = path.reduce((found, key) => (found[key] ??= {}), policy);
      part[last] = this.value(control, part[last]);
    }
    return policy;
  }

  value(control, before) {
    const { kind } = control.dataset;
    if (kind === "switch") return control.checked;
    if (kind === "flag") {
      const others = (before ?? []).filter((one) => one !== control.value);
      return control.checked ? [...others, control.value] : others;
    }
    if (kind === "number") return control.value === "" ? null : Number(control.value);
    if (kind === "share") return Number(control.value);
    if (kind === "words") return control.value.split(",").map((word) => word.trim()).filter(Boolean);
    return control.value;
  }

  default() {
    const policy = JSON.parse(this.dataset.default);
    this.file = false;
    for (const control of this.form.querySelectorAll("[data-path]")) {
      const value = control.dataset.path.split(".").reduce((found, key) => found?.[key], policy);
      const { kind } = control.dataset;
      control.disabled = false;
      if (kind === "switch") control.checked = value;
      else if (kind === "flag") control.checked = (value ?? []).includes(control.value);
      else control.value = kind === "words" ? (value ?? []).join(", ") : (value ?? "");
      if (control.type === "range") control.closest(".field").querySelector("output").value = Number(value).toFixed(2);
    }
    this.policy = policy;
    this.edited(this.form);
  }

  async compare() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.clear(this.words.comparing);
    this.of("compare").disabled = true;
    const wanted = this.wanted();
    const { ok, data, error } = await tellapart.ask("POST", `${this.dataset.url}/replay`, { policy: wanted });
    this.of("compare").disabled = false;
    if (turn !== this.turn) return; // changed meanwhile
    if (!ok) return this.fail(error);
    this.compared = wanted;
    this.of("apply").disabled = false;
    this.tell(data);
  }

  tell(data) {
    const { words } = this;
    const number = (value) => value.toLocaleString("en");
    let told = words.none;
    if (data.candidates) {
      told = data.changed === 1 ? words.changed_one : data.changed ? words.changed : words.same;
      told = told.replace("N", number(data.changed || data.candidates)).replace("M", number(data.candidates));
    }
    if (data.unsaid) told += ` ${words.unsaid.replace("N", number(data.unsaid))}`;
    this.said.textContent = told;
    const moves = Object.entries(data.moves).map(([move, n]) => {
      const item = this.make("li");
      const [from, to] = move.split(" → ");
      item.append(this.make("b", "", number(n)), this.tag(from), this.make("span", "", "→"), this.tag(to));
      return item;
    });
    this.sums.replaceChildren(...moves);
    this.sums.hidden = !moves.length;
    // Of those that stay what they were for another reason, nothing needs to be looked at.
    const others = data.rows.filter((row) => row.problem || row.after?.action !== row.before.action);
    const rows = others.slice(0, 40).map((row) => this.row(row));
    const more = others.length - rows.length + data.more;
    if (more > 0) rows.push(this.make("li", "quiet small", words.and_more.replace("N", number(more))));
    this.list.replaceChildren(...rows);
  }

  make(name, kind = "", text = "") {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    element.textContent = text;
    return element;
  }

  row(row) {
    const { words } = this;
    const item = this.make("li");
    const line = this.make("p", "turned");
    line.append(this.make("b", "", row.name || words.nobody), this.tag(row.before.action));
    if (row.after) line.append(this.make("span", "", "→"), this.tag(row.after.action));
    item.append(line, this.make("p", "small quiet", row.after?.reason ?? row.problem));
    return item;
  }

  tag(action) {
    return this.make("span", `tag act-${action}`, this.words.actions[action] ?? action);
  }

  async apply() {
    this.of("apply").disabled = true;
    const { ok, data, error } = await tellapart.ask("PUT", `${this.dataset.url}/policy`, { policy: this.compared });
    if (!ok) return this.fail(error);
    this.policy = data.policy;
    this.text.value = data.text;
    if (this.file) return location.reload(); // the form shows what the file says
    this.clear(this.words.applied);
    this.said.setAttribute("tabindex", -1);
    this.said.focus();
  }

  fail(error) {
    this.said.textContent = "";
    const lines = [this.make("strong", "", error.what)];
    for (const one of error.problems ?? []) {
      lines.push(this.make("span", "small", `${one.line ? `${one.line}: ` : ""}${one.path ?? ""} ${one.what ?? ""} ${one.expected ? `${this.words.expected}: ${one.expected}` : ""}`));
    }
    if (!error.problems?.length) lines.push(this.make("span", "small", [error.expected && `${this.words.expected}: ${error.expected}`, error.do].filter(Boolean).join(" ")));
    this.wrong.replaceChildren(...lines);
    this.wrong.className = "wrong notice bad";
    this.wrong.focus();
  }
}
customElements.define("ta-policy", PolicyForm);
