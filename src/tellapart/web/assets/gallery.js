// The gallery: thousands of pictures as plain HTML, of which only those near the window exist.
//
// Rows are asked for in slices as they come near; decisions are gathered for a moment and sent at
// once through the page's socket ("pictures_decide"); the page answers through `answer`. Click or
// Space keeps or drops, arrows move, K, X and U keep, drop and give back to the rules, I shows all.

const GATHER = 250; // milliseconds in which decisions are gathered
const NEAR = 1200; // pixels around the window in which pictures exist
const SLICE = 60; // pictures to a slice, about

class Gallery extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.grid = this.querySelector(".grid");
    this.status = this.querySelector(".status");
    this.toast = this.querySelector(".toast");
    this.form = this.querySelector(".filters");
    this.viewer = this.querySelector("ta-viewer");
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
    this.leaving = () => this.send();
    addEventListener("pagehide", this.leaving);
    this.sizes.observe(this.grid);
    this.reload();
  }

  disconnectedCallback() {
    this.send();
    removeEventListener("pagehide", this.leaving);
    this.watcher?.disconnect();
    this.sizes?.disconnect();
  }

  // -- rows ---------------------------------------------------------------------------------

  get query() {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) if (value) query.set(name, value);
    return query;
  }

  filter() {
    const query = this.query;
    history.replaceState(history.state, "", query.size ? `?${query}` : location.pathname);
    this.reload();
  }

  async reload() {
    this.round = (this.round ?? 0) + 1; // answers to earlier questions are dropped
    this.rows = [];
    this.asked = new Map();
    this.at = 0;
    await this.load(0, SLICE);
    this.per = 0;
    this.lay();
    this.tell();
  }

  async load(from, count) {
    const round = this.round;
    const query = this.query;
    query.set("offset", from);
    query.set("limit", count);
    const answer = await fetch(`${this.dataset.rows}?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return this.say(this.words.lost);
    const page = await answer.json();
    if (round !== this.round) return;
    this.total = page.total;
    page.rows.forEach((row, place) => (this.rows[from + place] = row));
  }

  ensure(from, count) {
    for (let at = from; at < from + count; at++) {
      if (this.rows[at]) continue;
      const key = `${from} ${count}`;
      if (!this.asked.has(key)) {
        this.asked.set(key, this.load(from, count).finally(() => this.asked.delete(key)));
      }
      return this.asked.get(key);
    }
    return Promise.resolve();
  }

  // -- drawing ------------------------------------------------------------------------------

  lay() {
    if (this.total === undefined) return;
    const style = getComputedStyle(this.grid);
    const gap = parseFloat(style.getPropertyValue("--gap")) || 8;
    const least = parseFloat(style.getPropertyValue("--least")) || 132;
    const width = this.grid.clientWidth;
    if (!width) return;
    const columns = Math.max(2, Math.floor((width + gap) / (least + gap)));
    const side = (width - gap * (columns - 1)) / columns;
    this.grid.style.setProperty("--columns", columns);
    const per = columns * Math.ceil(SLICE / columns);
    const same = this.per === per && this.laid === this.total;
    this.columns = columns;
    this.per = per;
    this.laid = this.total;
    if (!same) this.cut();
    for (const slice of this.grid.children) {
      const lines = Math.ceil(slice.count / columns);
      slice.style.height = `${lines * side + (lines - 1) * gap}px`;
    }
  }

  cut() {
    this.watcher.disconnect();
    this.grid.replaceChildren();
    for (let from = 0; from < this.total; from += this.per) {
      const slice = document.createElement("ul");
      slice.className = "slice";
      slice.setAttribute("role", "list");
      slice.from = from;
      slice.count = Math.min(this.per, this.total - from);
      this.grid.append(slice);
      this.watcher.observe(slice);
    }
    this.querySelector(".none").hidden = this.total > 0;
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
    const tiles = [];
    for (let at = slice.from; at < slice.from + slice.count; at++) {
      if (this.rows[at]) tiles.push(this.tile(this.rows[at], at));
    }
    slice.replaceChildren(...tiles);
  }

  tile(row, at) {
    const item = document.createElement("li");
    item.setAttribute("aria-setsize", this.total);
    item.setAttribute("aria-posinset", at + 1);
    const toggle = document.createElement("button");
    toggle.type = "button";
    toggle.className = "tile";
    const picture = document.createElement("img");
    picture.loading = "lazy";
    picture.decoding = "async";
    picture.alt = "";
    picture.src = this.dataset.thumb.replace("ID", row.id);
    const mark = document.createElement("span");
    mark.className = "mark";
    const why = document.createElement("span");
    why.className = "why";
    toggle.append(picture, mark, why);
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    more.textContent = "i";
    item.append(toggle, more);
    item.at = at;
    this.paint(item, row);
    return item;
  }

  paint(item, row) {
    const [toggle, more] = item.children;
    const reason = row.kept ? "" : (this.words.reasons[row.why] ?? row.why);
    item.className = row.kept ? "kept" : "aside";
    item.classList.toggle("by-hand", row.hand !== null);
    toggle.setAttribute("aria-pressed", row.kept);
    const name = `${this.words.keep} ${row.label}, ${item.at + 1}${reason ? `: ${reason}` : ""}`;
    toggle.setAttribute("aria-label", name);
    toggle.title = reason ? `${row.label}: ${reason}` : row.label;
    toggle.querySelector(".why").textContent = reason;
    more.setAttribute("aria-label", `${this.words.details} ${row.label}, ${item.at + 1}`);
    toggle.tabIndex = more.tabIndex = item.at === this.at ? 0 : -1;
  }

  repaint(at) {
    const item = this.item(at);
    if (item) this.paint(item, this.rows[at]);
  }

  item(at) {
    return this.grid.children[Math.floor(at / this.per)]?.children[at % this.per];
  }

  // -- hands --------------------------------------------------------------------------------

  clicked(event) {
    const item = event.target.closest("li");
    if (!item) return;
    if (event.target.closest(".more")) return this.show(item.at);
    if (!event.target.closest(".tile")) return;
    const keep = !this.rows[item.at].kept;
    const from = event.shiftKey && this.last !== undefined ? this.last : item.at;
    const [first, end] = [Math.min(from, item.at), Math.max(from, item.at)];
    const places = [];
    for (let at = first; at <= end; at++) if (this.rows[at]) places.push(at);
    this.last = item.at;
    this.decide(places, keep);
  }

  focused(event) {
    const item = event.target.closest("li");
    if (!item || item.at === this.at) return;
    const before = this.at;
    this.at = item.at;
    if (this.rows[before]) this.repaint(before);
    this.repaint(this.at);
  }

  pressed(event) {
    if (event.altKey || event.metaKey || !event.target.closest("li")) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey) {
      if (key !== "z") return;
      event.preventDefault();
      return this.undo();
    }
    const page = this.columns * 4;
    const steps = {
      arrowright: 1, arrowleft: -1, arrowdown: this.columns, arrowup: -this.columns,
      pagedown: page, pageup: -page, home: -this.total, end: this.total,
    };
    if (key in steps) {
      event.preventDefault();
      return this.go(this.at + steps[key]);
    }
    const keeps = { k: true, x: false, u: null };
    if (key in keeps) this.decide([this.at], keeps[key]);
    else if (key === "i") this.show(this.at);
    else return;
    event.preventDefault();
  }

  async go(at) {
    const place = Math.max(0, Math.min(this.total - 1, at));
    const slice = this.grid.children[Math.floor(place / this.per)];
    if (!slice.childElementCount) {
      slice.scrollIntoView({ block: "nearest" });
      await this.fill(slice);
    }
    this.item(place)?.firstElementChild.focus();
  }

  show(at) {
    this.viewer.open(this, at);
  }

  // -- decisions ----------------------------------------------------------------------------

  decide(places, keep) {
    const before = [];
    for (const at of places) {
      const row = this.rows[at];
      before.push([at, row.id, { kept: row.kept, hand: row.hand, why: row.why }]);
      this.set(at, keep);
    }
    this.past.push(before);
    const told = keep === null ? this.words.given_back : keep ? this.words.were_kept : this.words.were_dropped;
    this.say(told.replace("N", places.length), true);
  }

  set(at, keep, was = null) {
    const row = this.rows[at];
    this.waiting.set(row.id, keep);
    if (was) Object.assign(row, was);
    else if (keep !== null) Object.assign(row, { kept: keep, hand: keep, why: keep ? "" : "by_hand" });
    else row.hand = null;
    this.repaint(at);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), GATHER);
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    for (const [at, id, was] of before) if (this.rows[at]?.id === id) this.set(at, was.hand, was);
    this.say(this.words.undone.replace("N", before.length));
  }

  send() {
    clearTimeout(this.timer);
    if (!this.waiting.size) return;
    const decisions = [...this.waiting];
    this.waiting.clear();
    emitEvent("pictures_decide", { decisions });
  }

  /** What the page answers: counts, what rows became, an error in words, whether to ask anew. */
  answer({ counts, rows, error, anew }) {
    if (counts) this.count(counts);
    const known = new Map((rows ?? []).map((row) => [row.id, row]));
    if (known.size) {
      this.rows.forEach((row, at) => {
        const now = known.get(row.id);
        if (!now || this.waiting.has(row.id)) return;
        this.rows[at] = now;
        this.repaint(at);
      });
      this.viewer.refresh();
    }
    if (error) this.say(error);
    if (anew) this.reload();
  }

  count(counts) {
    for (const [name, value] of Object.entries(counts)) {
      for (const place of document.querySelectorAll(`[data-count="${CSS.escape(name)}"]`)) {
        place.textContent = value;
      }
    }
  }

  tell() {
    this.say(this.words.shown.replace("N", this.total.toLocaleString("en")));
  }

  say(text, undoable = false) {
    this.status.textContent = text;
    this.toast.hidden = !undoable;
    clearTimeout(this.hiding);
    if (undoable) this.hiding = setTimeout(() => (this.toast.hidden = true), 8000);
  }
}

customElements.define("ta-gallery", Gallery);
