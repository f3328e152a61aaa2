// Review: one candidate at a time. The next ones and their pictures are here before they are asked
// for, an answer shows at once and is sent behind it, and each can be taken back.
"use strict";
const AHEAD = 6; // candidates to have ready
const SIDE = 512; // pixels of a picture's longest side: what a phone shows sharp
const FAR = 90; // pixels of a swipe that decides, or
const FAST = 0.5; // pixels a millisecond of one that is short but quick
const BUSY = [429, 503]; // answers of a server that has too much to do at the moment
const MOST_SKIPPED = 100; // ids that a question may name

class Review extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    const first = this.dataset.first ? JSON.parse(this.dataset.first) : null;
    this.stage = this.querySelector(".stage");
    this.face = this.querySelector(".face");
    this.frame = this.querySelector(".frame");
    this.heat = this.querySelector(".heat");
    this.film = this.querySelector(".film");
    this.said = this.querySelector("[role=status]");
    this.toast = this.querySelector(".toast");
    this.keys = this.querySelector(".keys-on");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.queue = []; // the first one is shown
    this.past = []; // what was answered or skipped, newest last
    this.canUndo = false; // whether a word from before this page can be taken back there
    if (first) this.heard(first);
    this.keys.checked = localStorage.getItem("review-keys") !== "off";
    this.keys.addEventListener("change", () => localStorage.setItem("review-keys", this.keys.checked ? "on" : "off"));
    this.addEventListener("click", (event) => this.clicked(event));
    this.pressing = (event) => this.pressed(event);
    document.addEventListener("keydown", this.pressing);
    for (const kind of ["down", "move", "up", "cancel"]) {
      this.face.addEventListener(`pointer${kind}`, (event) => this[`pointer${kind}`](event));
    }
    this.more();
    this.draw();
    this.rest();
  }

  /** What the server says is next, and how far it is. */
  heard(data) {
    if (!this.past.length) this.canUndo = data.can_undo;
    this.progress(data.progress);
    return this.take(data.items);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.pressing);
  }

  // -- what is to come ----------------------------------------------------------------------

  get row() {
    return this.queue[0];
  }

  /** Put candidates behind those that wait, and fetch their pictures. */
  take(rows) {
    const known = new Set([...this.queue, ...this.past.filter((one) => !one.stored).map((one) => one.row)].map((row) => row.id));
    const found = rows.filter((row) => !known.has(row.id));
    for (const row of found) {
      row.at = Math.max(0, row.pictures.findIndex((one) => one.decided));
      row.images = row.pictures.map(() => null);
      row.line = Promise.resolve(); // what is sent of it, one after the other
      this.queue.push(row);
    }
    // The first picture of each before the second of any.
    for (const row of found) this.image(row, row.at);
    for (const row of found.slice(0, 2)) row.pictures.forEach((_, at) => this.image(row, at));
    return found.length;
  }

  async more() {
    if (this.asking || this.queue.length > AHEAD) return;
    this.asking = true;
    const query = new URLSearchParams({ limit: AHEAD });
    const waiting = this.past.filter((one) => !one.stored).map((one) => one.row.id);
    for (const id of [...this.queue.map((row) => row.id), ...waiting.slice(-MOST_SKIPPED)]) query.append("skip", id);
    const { ok, data, error } = await this.patiently("GET", `review?${query}`);
    this.asking = false;
    if (!ok) {
      if (!this.row) this.draw();
      return this.fail(error, () => this.more());
    }
    const before = this.queue.length;
    this.heard(data);
    if (!before) this.draw();
  }

  address(row, at, what = "") {
    const { position, sha256 } = row.pictures[at];
    const query = what ? "" : `?size=${SIDE}&v=${sha256.slice(0, 12)}`;
    return `${this.dataset.url}/candidates/${row.id}/pictures/${position}${what}${query}`;
  }

  image(row, at) {
    const known = row.pictures[at];
    if (!known || known.kept === false) return null;
    if (!row.images[at]) {
      const image = new Image();
      image.decoding = "async";
      image.draggable = false;
      if (known.width) Object.assign(image, { width: known.width, height: known.height });
      image.src = this.address(row, at);
      row.images[at] = image;
    }
    return row.images[at];
  }

  // -- drawing ------------------------------------------------------------------------------

  draw() {
    const row = this.row;
    const done = this.querySelector(".all-done");
    const over = !row && !this.asking;
    const here = this.contains(document.activeElement) || document.activeElement === document.body;
    const came = over && done.hidden;
    this.classList.toggle("over", over);
    done.hidden = !over;
    if (came && here) done.focus({ preventScroll: true });
    this.classList.toggle("waiting", !row && !over);
    for (const button of this.querySelectorAll("[data-do=undo]")) button.disabled = !this.past.length && !this.canUndo;
    if (!row) return;
    const { words } = this;
    this.querySelector(".who h2").textContent = this.name(row, true);
    this.text(".where", row.distance_km === null ? "" : words.km.replace("N", Math.round(row.distance_km)));
    this.text(".bio", row.bio);
    this.facts(row);
    const verdict = row.verdict;
    const action = verdict?.action ?? "";
    const tag = this.querySelector(".verdict .tag");
    tag.textContent = words.would[action];
    tag.className = `tag act-${action || "none"}`;
    this.text(".reason", verdict?.reason ?? "");
    const notes = [verdict?.explored && words.explored, row.new_looking && words.new_looking, words.because[row.because]];
    this.text(".note", notes.filter(Boolean).join(" "));
    this.film.replaceChildren(...row.pictures.map((one, at) => this.thumb(row, one, at)));
    this.film.hidden = !row.pictures.length;
    this.show(row.at);
    for (const later of this.queue.slice(1, 3)) later.pictures.forEach((_, at) => this.image(later, at));
  }

  text(selector, text) {
    const place = this.querySelector(selector);
    place.textContent = text;
    place.hidden = !text;
  }

  name(row, whole = false) {
    const name = row.name || this.words.nobody;
    return whole && row.age !== null ? this.words.aged.replace("NAME", name).replace("AGE", row.age) : name;
  }

  facts(row) {
    const list = this.querySelector(".who .facts");
    const rows = Object.entries(row.fields).filter(([, value]) => ["string", "number"].includes(typeof value) && value !== "");
    list.replaceChildren(
      ...rows.slice(0, 8).flatMap(([key, value]) => {
        const [term, told] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = key.replaceAll("_", " ");
        told.textContent = value;
        return [term, told];
      }),
    );
    list.hidden = !list.childElementCount;
  }

  score(one) {
    if (one.problem) return this.words.unreadable;
    return one.score === null ? "" : one.score.toFixed(2);
  }

  thumb(row, one, at) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const told = [this.words.picture.replace("N", at + 1).replace("M", row.pictures.length)];
    if (one.score !== null) told.push(this.words.scored.replace("SCORE", one.score.toFixed(2)));
    if (one.problem) told.push(this.words.unreadable);
    if (one.decided) told.push(this.words.decided);
    Object.assign(button, { type: "button", title: told.join(", ") });
    button.setAttribute("aria-label", told.join(", "));
    button.dataset.at = at;
    const small = document.createElement("img");
    small.alt = "";
    small.decoding = "sync";
    const source = this.image(row, at);
    if (source) small.src = source.src;
    const score = document.createElement("span");
    score.className = "score";
    score.textContent = one.problem ? "–" : this.score(one);
    button.append(small, score);
    item.className = one.decided ? "decided" : "";
    item.append(button);
    return item;
  }

  /** Show one of the candidate's pictures. */
  show(at) {
    const row = this.row;
    row.at = at;
    const image = this.image(row, at);
    const { picture_of } = this.words;
    const nothing = this.frame.querySelector(".no-picture");
    nothing.hidden = Boolean(image);
    this.frame.querySelector("img")?.remove();
    if (image) {
      image.alt = picture_of.replace("NAME", this.name(row)).replace("N", at + 1).replace("M", row.pictures.length);
      this.frame.prepend(image);
    }
    this.film.querySelectorAll("button").forEach((one, n) => one.setAttribute("aria-current", n === at));
    this.film.children[at]?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.cool();
  }

  cool() {
    this.heat.hidden = true;
    this.heat.removeAttribute("src");
    const button = this.querySelector("[data-do=heat]");
    button.setAttribute("aria-pressed", false);
    button.disabled = !this.image(this.row, this.row.at);
  }

  warm() {
    const button = this.querySelector("[data-do=heat]");
    if (button.disabled) return;
    if (button.getAttribute("aria-pressed") === "true") return this.cool();
    const { row } = this;
    const { at } = row;
    button.setAttribute("aria-pressed", true);
    this.say(this.words.loading);
    this.heat.onload = () => this.row === row && row.at === at && (this.heat.hidden = false);
    this.heat.onerror = () => this.row === row && this.noHeat(row, at);
    this.heat.src = this.address(row, at, "/heat");
  }

  /** A picture that cannot be drawn says nothing of why: ask once more for the words. */
  async noHeat(row, at) {
    this.cool();
    const { ok, error } = await tellapart.ask("GET", this.address(row, at, "/heat"));
    if (!ok && this.row === row) this.fail(error);
  }

  progress(now) {
    const { words } = this;
    const percent = (share) => `${Math.round(100 * share)} %`;
    const tell = (name, text, more = "") => {
      const place = this.querySelector(`[data-progress=${name}]`);
      const small = document.createElement("small");
      small.textContent = more;
      place.replaceChildren(text, small);
    };
    const known = now.accuracy !== null;
    const between = known && now.low !== null ? words.between.replace("LOW", percent(now.low)).replace("HIGH", percent(now.high)) : "";
    tell("accuracy", known ? percent(now.accuracy) : "–", known ? between : words.too_few);
    tell("labels", now.labels.toLocaleString("en"), words.left.replace("N", now.to_review.toLocaleString("en")));
    tell("saved", now.saved > 0 ? now.saved.toLocaleString("en") : "–", now.saved > 0 ? words.saved : words.saved_none);
    const stop = this.querySelector(".stop");
    stop.textContent = now.why;
    stop.classList.toggle("reached", now.stop);
  }

  // -- answers ------------------------------------------------------------------------------

  /** `like`, `pass`, or null: skipped. The next one is shown before this one is sent. */
  answer(label, from = 0) {
    const row = this.row;
    if (!row) return;
    if (label) this.fly(label, from);
    this.queue.shift();
    const entry = { row, label, stored: false };
    this.past.push(entry);
    this.toast.hidden = true;
    this.draw();
    const next = this.row ? this.words.next.replace("NAME", this.name(this.row, true)) : this.words.all;
    this.say(`${this.words.said[label ?? ""].replace("NAME", this.name(row))} ${next}`);
    if (label) this.send(entry);
    this.more();
  }

  send(entry) {
    const { row, label } = entry;
    row.line = row.line.then(async () => {
      const { ok, data, error } = await this.post(row, label);
      if (ok) {
        entry.stored = true;
        return this.progress(data);
      }
      const at = this.past.indexOf(entry);
      if (at < 0) return; // taken back meanwhile
      this.past.splice(at, 1);
      this.queue.unshift(row);
      this.draw();
      this.fail(error);
    });
  }

  async undo() {
    const entry = this.past.pop();
    this.toast.hidden = true;
    if (!entry) return this.undoThere();
    const { row } = entry;
    this.queue.unshift(row);
    this.draw();
    if (!this.stage.contains(document.activeElement)) this.rest();
    this.say(this.words.undone.replace("NAME", this.name(row, true)));
    if (!entry.label) return;
    row.line = row.line.then(async () => {
      if (!entry.stored) return;
      const { ok, data, error } = await this.post(row, null);
      if (ok) this.progress(data);
      else this.fail(error);
    });
  }

  /** Take back a word that was given before this page was opened. */
  async undoThere() {
    if (!this.canUndo || this.undoing) return;
    this.undoing = true;
    const { ok, data, error } = await tellapart.ask("POST", `${this.dataset.url}/undo`);
    this.undoing = false;
    if (!ok) return this.fail(error);
    this.canUndo = data.can_undo;
    this.progress(data.progress);
    const waiting = this.queue.splice(0);
    this.take(data.items.slice(0, 1));
    const back = this.row;
    this.queue.push(...waiting.filter((row) => row.id !== back?.id));
    this.draw();
    if (back) this.say(this.words.undone.replace("NAME", this.name(back, true)));
  }

  post(row, label) {
    // It arrives though the page is left meanwhile.
    return this.patiently("POST", `candidates/${row.id}/label`, { label }, { keepalive: true });
  }

  /** Ask again a few times where the server has too much to do at the moment. */
  async patiently(method, path, ...more) {
    for (let wait = 400; ; wait *= 2) {
      const answer = await tellapart.ask(method, `${this.dataset.url}/${path}`, ...more);
      if (answer.ok || !BUSY.includes(answer.status) || wait > 4000) return answer;
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  fail(error, again = null) {
    const text = document.createElement("span");
    text.textContent = [error.what, error.do].filter(Boolean).join(" ");
    this.toast.replaceChildren(text);
    if (again) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "button", textContent: this.words.again });
      button.addEventListener("click", () => ((this.toast.hidden = true), again()));
      this.toast.append(button);
    }
    this.toast.hidden = false;
  }

  say(text) {
    this.said.textContent = text;
  }

  // -- hands --------------------------------------------------------------------------------

  /** The focus waits on the candidate: keys count there, and Space presses nothing. */
  rest() {
    this.stage.focus({ preventScroll: true });
  }

  act(what) {
    if (what === "undo") this.undo();
    else if (what === "heat") this.warm();
    else this.answer(what === "skip" ? null : what);
  }

  clicked(event) {
    const small = event.target.closest(".film button");
    const button = event.target.closest("[data-do]");
    if (small) this.show(Number(small.dataset.at));
    else if (button) this.act(button.dataset.do);
    // Clicked, not pressed by Space or Enter: Space is to skip again, not to press it once more.
    if ((small || button) && event.detail > 0 && this.row) this.rest();
  }

  pressed(event) {
    const { target } = event;
    if (!this.keys.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target !== document.body && !this.contains(target)) return;
    const key = event.key.toLowerCase();
    if (target.closest("input, select, textarea, summary, a") || (key === " " && target.closest("button"))) return;
    const does = { a: "like", arrowright: "like", x: "pass", arrowleft: "pass", " ": "skip", backspace: "undo", h: "heat" };
    const at = Number(key) - 1;
    if (key in does) {
      if (!this.row && does[key] !== "undo") return;
      this.act(does[key]);
    } else if (this.row && at in this.row.pictures) this.show(at);
    else return;
    event.preventDefault();
  }

  pointerdown(event) {
    if (!event.isPrimary || event.button !== 0 || !this.row) return;
    this.drag = { x: event.clientX, y: event.clientY, at: event.timeStamp, moved: 0 };
    if (event.pointerType !== "mouse") this.face.setPointerCapture(event.pointerId);
  }

  pointermove(event) {
    if (!this.drag || event.pointerType === "mouse") return;
    const moved = event.clientX - this.drag.x;
    this.drag.moved = moved;
    if (Math.abs(moved) < 6) return;
    this.face.style.transform = `translateX(${moved}px) rotate(${moved / 24}deg)`;
    this.face.style.setProperty("--sure", Math.min(1, Math.abs(moved) / FAR));
    this.face.dataset.to = moved > 0 ? "like" : "pass";
  }

  pointerup(event) {
    const { drag } = this;
    if (!drag) return;
    this.loose();
    const speed = Math.abs(drag.moved) / Math.max(1, event.timeStamp - drag.at);
    const far = Math.abs(drag.moved);
    if (far >= FAR || (far > 30 && speed > FAST)) this.answer(drag.moved > 0 ? "like" : "pass", drag.moved);
    else if (far < 6 && Math.abs(event.clientY - drag.y) < 6) this.tapped(event);
    if (this.row) this.rest();
  }

  pointercancel() {
    this.loose();
  }

  loose() {
    this.drag = null;
    this.face.style.transform = "";
    this.face.style.removeProperty("--sure");
    delete this.face.dataset.to;
  }

  /** Right of the middle: the next picture; left of it: the one before. */
  tapped(event) {
    const box = this.face.getBoundingClientRect();
    const at = this.row.at + (event.clientX > box.left + box.width / 2 ? 1 : -1);
    if (at in this.row.pictures) this.show(at);
  }

  /** The candidate leaves; the next one stands there already. */
  fly(label, from) {
    if (this.still.matches) return;
    const gone = this.face.cloneNode(true);
    gone.classList.add("leaving");
    gone.dataset.to = label;
    gone.setAttribute("aria-hidden", true);
    gone.style.setProperty("--sure", 1);
    this.face.after(gone);
    const to = (label === "like" ? 1 : -1) * Math.max(innerWidth * 0.6, 320);
    const frames = [
      { transform: `translateX(${from}px) rotate(${from / 24}deg)`, opacity: 1 },
      { transform: `translateX(${to}px) rotate(${to / 40}deg)`, opacity: 0 },
    ];
    const leaving = gone.animate(frames, { duration: 240, easing: "cubic-bezier(.3, .1, .7, 1)" });
    leaving.onfinish = leaving.oncancel = () => gone.remove();
  }
}

customElements.define("ta-review", Review);
