// The gallery: thousands of pictures as plain HTML, of which only those near the window exist.
//
// Rows are asked for in slices as they come near. Decisions show at once, are gathered for a moment
// and sent together. Click or Space keeps or sets aside, arrows move, K, X and U keep, set aside and
// leave it to the rules, I opens a picture, Ctrl Z takes the last decision back.
"use strict";

const GATHER = 250; // milliseconds in which decisions are gathered
const NEAR = 1200; // pixels around the window in which pictures exist
const SLICE = 60; // pictures to a slice, about
const MOST = 500; // pictures asked for at once

class Gallery extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.grid = this.querySelector(".grid");
    this.status = this.querySelector(".status");
    this.toast = this.querySelector(".toast");
    this.form = this.querySelector(".filters");
    this.viewer = this.querySelector("ta-viewer");
    this.alike = new Alike(this, this.querySelector(".alike"));
    this.watcher = new IntersectionObserver((seen) => this.seen(seen), { rootMargin: `${NEAR}px 0px` });
    this.sizes = new ResizeObserver(() => this.lay());
    this.waiting = new Map();
    this.past = [];
    this.form.addEventListener("change", () => this.filter());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.grid.addEventListener("keydown", (event) => this.pressed(event));
    this.grid.addEventListener("focusin", (event) => this.focused(event));
    this.toast.addEventListener("click", () => this.undo());
    this.leaving = () => this.part();
    addEventListener("pagehide", this.leaving);
    this.sizes.observe(this.grid);
    this.reload();
  }

  disconnectedCallback() {
    this.part();
    removeEventListener("pagehide", this.leaving);
    this.watcher?.disconnect();
    this.sizes?.disconnect();
  }

  // -- rows ---------------------------------------------------------------------------------

  chosen(name) {
    return this.form.elements[name].value;
  }

  filter() {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) if (value || name === "show") query.set(name, value);
    history.replaceState(history.state, "", `?${query}`);
    this.reload();
  }

  /** Show what is asked for, and at the end say so, or `told`. */
  async reload(told = "") {
    const round = (this.round = (this.round ?? 0) + 1); // answers to earlier questions are dropped
    const alike = this.chosen("show") === "alike";
    const { label, reason } = this.form.elements;
    label.disabled = alike;
    reason.hidden = this.chosen("show") === "kept" || alike;
    if (reason.hidden) reason.value = "";
    this.grid.dataset.show = this.chosen("show");
    this.alike.place.hidden = !alike;
    this.grid.hidden = alike;
    this.querySelector(".none").hidden = true;
    if (alike) return this.alike.reload(told);
    this.rows = [];
    this.asked = new Map();
    this.at = 0;
    this.last = this.total = undefined;
    const loaded = await this.load(0, SLICE);
    if (round !== this.round) return;
    if (!loaded) return this.grid.replaceChildren();
    this.per = 0;
    this.lay();
    this.querySelector(".none").hidden = this.total > 0;
    this.say(told || (this.total === 1 ? this.words.shown_one : this.words.shown).replace("N", this.number(this.total)));
  }

  /** Whether a picture is still one of those that are asked for. */
  matches(row) {
    const [show, label, reason] = ["show", "label", "reason"].map((name) => this.chosen(name));
    return (!show || row.kept === (show === "kept")) && (!label || row.label === label) && (!reason || row.verdict === reason);
  }

  /** Ask for rows; answers whether they came. What went wrong is said. */
  load(from, count) {
    const round = this.round;
    return this.inTurn(async () => {
      while (this.waiting.size) await this.decideThere();
      return round === this.round && this.bring(from, count);
    });
  }

  async bring(from, count) {
    const round = this.round;
    // What was decided here has left the server's list, but keeps its place in ours.
    const gone = new Set(this.rows.filter((row) => !this.matches(row)).map((row) => row.at));
    const before = [...gone].filter((at) => at < from).length;
    const query = new URLSearchParams({ offset: from - before, limit: count });
    const show = this.chosen("show");
    if (show) query.set("kept", show === "kept");
    for (const name of ["label", "reason"]) if (this.chosen(name)) query.set(name, this.chosen(name));
    const { ok, data, error } = await tellapart.ask("GET", `${this.dataset.pictures}?${query}`);
    if (round !== this.round) return false;
    if (!ok) return this.fail(error);
    this.total = data.total + gone.size;
    let at = from;
    for (const row of data.items) {
      while (gone.has(at)) at++;
      if (at >= from + count) break;
      this.rows[at] ??= { ...row, at };
      at++;
    }
    return true;
  }

  /** Do one thing after the other: decisions must not overtake each other, nor rows them. */
  inTurn(work) {
    const done = (this.line ?? Promise.resolve()).then(work);
    this.line = done.catch(() => {});
    return done;
  }

  ensure(from, count) {
    for (let at = from; at < Math.min(from + count, this.total); at++) {
      if (this.rows[at]) continue;
      const key = `${from} ${count}`;
      if (!this.asked.has(key)) {
        this.asked.set(key, this.load(from, count).finally(() => this.asked.delete(key)));
      }
      return this.asked.get(key);
    }
    return Promise.resolve(true);
  }

  // -- drawing ------------------------------------------------------------------------------

  lay() {
    const width = this.grid.clientWidth;
    if (this.total === undefined || !width) return;
    const style = getComputedStyle(this.grid);
    const gap = parseFloat(style.getPropertyValue("--gap"));
    const least = parseFloat(style.getPropertyValue("--least"));
    const columns = Math.max(2, Math.floor((width + gap) / (least + gap)));
    const side = (width - gap * (columns - 1)) / columns;
    const per = columns * Math.ceil(SLICE / columns);
    this.grid.style.setProperty("--columns", columns);
    this.columns = columns;
    if (this.per !== per || this.cuts !== this.round) this.cut(per);
    for (const slice of this.grid.children) {
      const lines = Math.ceil(slice.count / columns);
      slice.style.height = `${lines * side + (lines - 1) * gap}px`;
    }
  }

  cut(per) {
    this.per = per;
    this.cuts = this.round;
    this.watcher.disconnect();
    const slices = [];
    for (let from = 0; from < this.total; from += per) {
      const slice = document.createElement("ul");
      slice.className = "slice";
      slice.setAttribute("role", "list");
      slice.from = from;
      slice.count = Math.min(per, this.total - from);
      slices.push(slice);
    }
    this.grid.replaceChildren(...slices);
    for (const slice of slices) this.watcher.observe(slice);
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      target.near = isIntersecting;
      if (isIntersecting) this.fill(target);
      else if (!target.contains(document.activeElement)) target.replaceChildren();
    }
  }

  async fill(slice) {
    const round = this.round;
    await this.ensure(slice.from, slice.count);
    if (round !== this.round || !slice.isConnected || slice.childElementCount) return;
    const rows = this.rows.slice(slice.from, slice.from + slice.count).filter(Boolean);
    slice.replaceChildren(...rows.map((row) => this.tile(row)));
  }

  /** A picture with its two buttons; `row.item` is where it stands. */
  tile(row) {
    const item = document.createElement("li");
    item.innerHTML =
      '<button type="button" class="tile"><img loading="lazy" decoding="async" alt=""><span class="mark"></span>' +
      '<span class="why"></span></button><button type="button" class="more">i</button>';
    const picture = item.querySelector("img");
    picture.addEventListener("error", () => picture.parentElement.classList.add("broken"), { once: true });
    picture.src = this.thumbnail(row);
    if (row.at !== undefined) {
      item.setAttribute("aria-setsize", this.total);
      item.setAttribute("aria-posinset", row.at + 1);
    }
    item.row = row;
    row.item = item;
    this.paint(row);
    return item;
  }

  thumbnail(row) {
    return `${this.dataset.pictures}/${row.id}/thumbnail?size=256&v=${row.sha256?.slice(0, 8) ?? ""}`;
  }

  paint(row) {
    const [toggle, more] = row.item.children;
    const reason = this.reason(row);
    const place = row.at === undefined ? "" : ` ${this.number(row.at + 1)}`;
    row.item.className = row.kept ? "kept" : "aside";
    row.item.classList.toggle("by-hand", row.overruled !== null);
    toggle.setAttribute("aria-pressed", row.kept);
    toggle.setAttribute("aria-label", `${this.words.keep}: ${row.label}${place}${reason && `, ${reason}`}`);
    toggle.title = reason ? `${row.label}: ${reason}` : row.label;
    toggle.querySelector(".why").textContent = reason;
    more.setAttribute("aria-label", `${this.words.details} ${row.label}${place}`);
    if (row.at !== undefined) toggle.tabIndex = more.tabIndex = row.at === this.at ? 0 : -1;
  }

  reason(row) {
    return row.kept ? "" : (this.words.reasons[row.verdict] ?? row.verdict);
  }

  number(value) {
    return value.toLocaleString("en");
  }

  // -- hands --------------------------------------------------------------------------------

  async clicked(event) {
    const row = event.target.closest("li")?.row;
    if (!row) return;
    if (event.target.closest(".more")) return this.viewer.open(this, row.at);
    if (!event.target.closest(".tile")) return;
    const from = event.shiftKey && this.last !== undefined ? this.last : row.at;
    const [low, high] = [Math.min(from, row.at), Math.max(from, row.at)];
    const [keep, round] = [!row.kept, this.round];
    this.last = row.at;
    if (low === high) return this.decide([row], keep);
    for (let at = low; at <= high; at += MOST) {
      // Also those between that were never near.
      const here = await this.ensure(at, Math.min(MOST, high + 1 - at));
      if (!here || round !== this.round) return;
    }
    this.decide(this.rows.slice(low, high + 1).filter(Boolean), keep);
  }

  focused(event) {
    const row = event.target.closest("li")?.row;
    if (!row || row.at === this.at) return;
    const before = this.rows[this.at];
    this.at = row.at;
    if (before?.item) this.paint(before);
    this.paint(row);
  }

  pressed(event) {
    const row = event.target.closest("li")?.row;
    if (!row || event.altKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    const page = this.columns * 4;
    const steps = {
      arrowright: 1, arrowleft: -1, arrowdown: this.columns, arrowup: -this.columns,
      pagedown: page, pageup: -page, home: -this.total, end: this.total,
    };
    const keeps = { k: true, x: false, u: null };
    if (event.ctrlKey) {
      if (key !== "z") return;
      this.undo();
    } else if (key in steps) this.go(this.at + steps[key]);
    else if (key in keeps) this.decide([row], keeps[key]);
    else if (key === "i") this.viewer.open(this, row.at);
    else return;
    event.preventDefault();
  }

  async go(at) {
    const place = Math.max(0, Math.min(this.total - 1, at));
    const slice = this.grid.children[Math.floor(place / this.per)];
    if (!slice?.childElementCount) {
      slice?.scrollIntoView({ block: "nearest" });
      if (slice) await this.fill(slice);
    }
    this.rows[place]?.item?.firstElementChild.focus();
  }

  // -- decisions ----------------------------------------------------------------------------

  decide(rows, keep) {
    this.past.push(rows.map((row) => [row, row.kept, row.overruled, row.verdict]));
    for (const row of rows) {
      if (keep === null) row.overruled = null;
      else Object.assign(row, { kept: keep, overruled: keep, verdict: keep ? "" : "by_hand" });
      this.changed(row, keep);
    }
    const { given_back, were_kept, were_dropped } = this.words;
    const told = keep === null ? given_back : keep ? were_kept : were_dropped;
    this.say(told.replace("N", this.number(rows.length)), true);
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    for (const [row, kept, overruled, verdict] of before) {
      const shown = this.rows?.find((one) => one?.id === row.id) ?? row; // the list may be another one
      for (const one of new Set([shown, row])) {
        Object.assign(one, { kept, overruled, verdict });
        this.changed(one, overruled);
      }
    }
    this.say(this.words.undone.replace("N", this.number(before.length)), this.past.length > 0);
  }

  changed(row, keep) {
    this.waiting.set(row.id, [keep, row]);
    if (row.item) this.paint(row);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), GATHER);
  }

  send() {
    return this.inTurn(() => this.decideThere());
  }

  async decideThere() {
    clearTimeout(this.timer);
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const keep of [true, false, null]) {
      const ids = waiting.filter(([, [what]]) => what === keep).map(([id]) => id);
      if (!ids.length) continue;
      const url = `${this.dataset.pictures}/overrule`;
      const { ok, data, error } = await tellapart.ask("POST", url, { ids, keep });
      if (!ok) {
        this.reload(`${error.what} ${error.do}`); // in its turn: not waited for
        return;
      }
      this.count(data.counts);
      if (keep === null) await this.look(waiting.filter(([, [what]]) => what === null).map(([, [, row]]) => row));
    }
  }

  /** Send what waits though the page goes. */
  part() {
    const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
    for (const keep of [true, false, null]) {
      const ids = [...this.waiting].filter(([, [what]]) => what === keep).map(([id]) => id);
      if (!ids.length) continue;
      const body = JSON.stringify({ ids, keep });
      fetch(`${this.dataset.pictures}/overrule`, { method: "POST", headers, body, keepalive: true });
    }
    this.waiting.clear();
  }

  /** Ask what the rules say of pictures that were given back to them. */
  async look(rows) {
    for (const row of rows.slice(0, 20)) {
      const { ok, data } = await tellapart.ask("GET", `${this.dataset.pictures}/${row.id}`);
      if (!ok || this.waiting.has(row.id)) continue;
      Object.assign(row, { kept: data.kept, overruled: data.overruled, verdict: data.verdict });
      if (row.item) this.paint(row);
    }
    this.viewer.refresh();
  }

  async relabel(row, label) {
    const before = row.label;
    row.label = label;
    if (row.item) this.paint(row);
    const { ok, data, error } = await tellapart.ask("POST", `${this.dataset.pictures}/relabel`, { ids: [row.id], label });
    if (ok) {
      this.say(this.words.moved.replace("LABEL", label));
      return this.count(data.counts);
    }
    row.label = before;
    if (row.item) this.paint(row);
    this.fail(error);
  }

  /** Thresholds have decided anew. */
  decided(counts) {
    this.count(counts);
    this.reload();
  }

  count(counts) {
    for (const place of document.querySelectorAll("[data-count]")) {
      const value = counts?.[place.dataset.count];
      if (value !== undefined) place.textContent = this.number(value);
    }
  }

  fail(error) {
    this.say(`${error.what} ${error.do}`);
    return false;
  }

  say(text, undoable = false) {
    this.status.textContent = text;
    this.toast.hidden = !undoable;
    clearTimeout(this.hiding);
    if (undoable) this.hiding = setTimeout(() => (this.toast.hidden = true), 8000);
  }
}

customElements.define("ta-gallery", Gallery);
