// Try it: a picture dropped, pasted, chosen, named by its address or held before the camera.
"use strict";
class Try extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.stage = this.querySelector(".stage");
    this.answer = this.querySelector(".answer .said");
    this.turn = 0;
    this.querySelector("form.cells")?.addEventListener("submit", (event) => this.row(event));
    if (!this.stage) return;
    this.file = this.stage.querySelector("input");
    this.shown = this.stage.querySelector("img");
    this.video = this.stage.querySelector("video");
    this.why = this.querySelector("[name=why]");
    this.camera = this.querySelector("[data-do=camera]");
    this.take = this.querySelector("[data-do=take]");
    this.file.addEventListener("change", () => this.file.files[0] && this.picture(this.file.files[0]));
    this.querySelector(".by-url").addEventListener("submit", (event) => this.address(event));
    this.camera.addEventListener("click", () => (this.stream ? this.dark() : this.light()));
    this.take.addEventListener("click", () => this.frame(true));
    for (const kind of ["dragenter", "dragover"]) this.stage.addEventListener(kind, (event) => this.over(event, true));
    for (const kind of ["dragleave", "drop"]) this.stage.addEventListener(kind, (event) => this.over(event, false));
    this.stage.addEventListener("drop", (event) => this.dropped(event));
    this.pasted = (event) => this.paste(event);
    addEventListener("paste", this.pasted);
  }

  disconnectedCallback() {
    this.dark();
    removeEventListener("paste", this.pasted);
  }

  over(event, inside) {
    event.preventDefault();
    this.stage.classList.toggle("over", inside);
  }

  dropped(event) {
    const file = event.dataTransfer.files[0];
    const link = event.dataTransfer.getData("text/uri-list");
    if (file) this.picture(file);
    else if (link) this.ask(link.split("\n")[0]);
  }

  paste(event) {
    const file = event.clipboardData.files[0];
    if (file?.type.startsWith("image/")) this.picture(file);
  }

  picture(file) {
    this.dark();
    if (this.kept) URL.revokeObjectURL(this.kept);
    this.kept = URL.createObjectURL(file);
    this.show(this.kept);
    this.ask(file);
  }

  address(event) {
    event.preventDefault();
    const url = event.target.elements.url.value.trim();
    if (!url) return this.say(this.words.no_url);
    this.dark();
    this.ask(url);
  }

  show(source, why = false) {
    this.shown.src = source;
    this.shown.alt = why ? this.words.shown_why : this.words.shown;
    this.shown.hidden = false;
    this.stage.querySelector(".hint").hidden = true;
  }

  // -- camera -------------------------------------------------------------------------------

  async light() {
    if (!navigator.mediaDevices) return this.say(this.words.no_camera.replace("WHY", this.words.only_safe));
    try {
      const wanted = { video: { facingMode: "environment", width: { ideal: 960 } } };
      this.stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch (fault) {
      return this.say(this.words.no_camera.replace("WHY", fault.message || fault.name));
    }
    this.video.srcObject = this.stream;
    this.video.hidden = this.take.hidden = false;
    this.shown.hidden = this.stage.querySelector(".hint").hidden = true;
    this.stage.classList.add("live");
    this.camera.textContent = this.dataset.off;
    await this.video.play();
    this.frame(false);
  }

  dark() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    if (!this.stage) return;
    this.video.hidden = this.take.hidden = true;
    this.stage.classList.remove("live");
    this.camera.textContent = this.dataset.on;
  }

  /** Ask about what the camera sees: once and for all, or again and again. */
  frame(last) {
    if (!this.stream || !this.video.videoWidth) return;
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, 640 / Math.max(this.video.videoWidth, this.video.videoHeight));
    canvas.width = Math.round(this.video.videoWidth * scale);
    canvas.height = Math.round(this.video.videoHeight * scale);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(async (blob) => {
      if (last) return this.picture(blob);
      await this.ask(blob, true);
      if (this.stream) setTimeout(() => this.frame(false), 500);
    }, "image/jpeg", 0.9);
  }

  // -- asking -------------------------------------------------------------------------------

  async ask(what, live = false) {
    const turn = ++this.turn;
    if (!live) this.say(this.words.asking);
    const url = this.dataset.url + (this.why.checked && !live ? "&why=1" : "");
    const answer = typeof what === "string"
      ? await tellapart.ask("POST", url, { url: what })
      : await tellapart.send("POST", url, what);
    if (turn !== this.turn) return;
    const { ok, data, error } = answer;
    if (!ok) return live || this.say(`${error.what} ${error.do}`);
    if (data.why?.picture && !live) this.show(data.why.picture, true);
    else if (typeof what === "string" && /^data:image\//.test(what)) this.show(what);
    this.tell(data);
  }

  async row(event) {
    event.preventDefault();
    const row = {};
    for (const [name, value] of new FormData(event.target)) row[name] = value === "" ? null : value;
    const turn = ++this.turn;
    const { ok, data, error } = await tellapart.ask("POST", this.dataset.url, { row });
    if (turn !== this.turn) return;
    if (ok) this.tell(data);
    else this.say(`${error.what} ${error.do}`);
  }

  say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.answer.replaceChildren(line);
  }

  tell(data) {
    const words = this.words;
    const percent = (share) => `${(100 * share).toFixed(1)} %`;
    const odds = Object.entries(data.probabilities).sort((a, b) => b[1] - a[1]);
    const line = (kind, text) => {
      const found = document.createElement("p");
      found.className = kind;
      found.textContent = text;
      return found;
    };
    const list = document.createElement("ol");
    list.className = "odds";
    for (const [name, share] of odds.slice(0, 10)) {
      const item = document.createElement("li");
      item.innerHTML = '<span class="who"></span><span class="rail" aria-hidden="true"><i></i></span><span class="much"></span>';
      item.children[0].textContent = name;
      item.querySelector("i").style.width = percent(share).replace(" ", "");
      item.children[2].textContent = percent(share);
      list.append(item);
    }
    const verdict = data.abstained ? words.none : words.is.replace("LABEL", data.best);
    const sure = data.abstained
      ? words.none_says.replace("LABEL", data.best)
      : words.sure.replace("PERCENT", percent(odds[0][1]));
    const more = [];
    if (data.why) more.push(words.map.replace("LABEL", data.why.label));
    if (data.familiarity !== null) more.push(words.familiarity.replace("NUMBER", data.familiarity.toFixed(2)));
    this.answer.replaceChildren(line("verdict", verdict), line("sure", sure), list, line("more", more.join(" · ")));
  }
}
customElements.define("ta-try", Try);
