// Sliders that say what they would change while they move, and decide where they are let go.
"use strict";
const SOME = 8; // examples of each side
class Thresholds extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = JSON.parse(this.dataset.words);
    this.said = this.querySelector(".changed");
    this.examples = this.querySelector(".examples");
    if (matchMedia("(max-width: 60rem)").matches) this.querySelector("details").open = false;
    this.addEventListener("input", (event) => this.moved(event));
    this.addEventListener("change", (event) => this.settled(event));
  }

  of(event) {
    const row = event.target.closest(".slider");
    const range = row.querySelector("input[type=range]");
    const on = row.querySelector("[data-switch]")?.checked ?? true;
    range.disabled = !on;
    row.querySelector("output").textContent = on ? range.value : this.words.off;
    return { [row.dataset.name]: on ? Number(range.value) : null };
  }

  moved(event) {
    const thresholds = this.of(event);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(thresholds, false), 200);
  }

  settled(event) {
    clearTimeout(this.timer);
    this.ask(this.of(event), true);
  }

  /** Some of what would change sides, while a slider moves. */
  show(moved) {
    this.examples.replaceChildren();
    for (const [side, word] of [["set_aside", this.words.would_go], ["kept", this.words.would_stay]]) {
      const ids = moved[side] ?? [];
      if (!ids.length) continue;
      const title = document.createElement("p");
      title.className = "small";
      title.textContent = word;
      const list = document.createElement("ul");
      for (const id of ids.slice(0, SOME)) {
        const image = document.createElement("img");
        Object.assign(image, { alt: "", src: `${this.dataset.url.replace(/thresholds$/, "pictures")}/${id}/thumbnail?size=96` });
        const item = document.createElement("li");
        item.append(image);
        list.append(item);
      }
      this.examples.append(title, list);
    }
  }

  async ask(thresholds, store) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { ok, data, error } = await tellapart.ask("POST", this.dataset.url, { thresholds, store });
    if (turn !== this.turn) return; // the slider has moved on
    if (!ok) {
      this.said.textContent = `${error.what} ${error.do}`;
      this.show({});
      return;
    }
    const n = data.changed;
    const words = n === 1 ? this.words.changes_one : n ? this.words.changes : this.words.no_changes;
    this.said.textContent = words.replace("N", n.toLocaleString("en"));
    this.show(store ? {} : data.moved);
    if (store) document.querySelector("ta-gallery")?.decided(data.counts);
  }
}
customElements.define("ta-thresholds", Thresholds);
