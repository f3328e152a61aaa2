// Downloads: a file that is only made when somebody asks is waited for, and said so.
"use strict";
class Files extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => this.clicked(event));
  }

  async clicked(event) {
    const link = event.target.closest("a[data-made]");
    if (!link || link.dataset.here || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (link.dataset.waits) return;
    link.dataset.waits = "yes";
    const said = link.querySelector(".size");
    said.textContent = this.dataset.making;
    let answer = await tellapart.ask("HEAD", link.href);
    while ([429, 503].includes(answer.status) && this.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, 4000));
      answer = await tellapart.ask("HEAD", link.href);
    }
    delete link.dataset.waits;
    said.textContent = answer.ok ? "" : this.dataset.failed;
    if (!answer.ok) return;
    link.dataset.here = "yes";
    link.click();
  }
}
customElements.define("ta-files", Files);
