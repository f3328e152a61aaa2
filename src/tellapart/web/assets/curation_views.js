// What the Curation page shows of clusters, doubtful labels and copies. Each view is given the page
// (`ta-curation`) and what REST said, and answers elements; texts are set as text, never as HTML.
"use strict";

/** An element: attributes by name (`on…`: a listener, `text`: its text), then what is in it. */
function make(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...inside.filter((one) => one || one === 0));
  return element;
}

const MOST_SHOTS = 1000; // pictures of one part
const press = (text, onclick, kind = "") => make("button", { type: "button", class: `button ${kind}`, text, onclick });
const percent = (share) => `${Math.round(100 * share)} %`;
const fill = (text, values) =>
  Object.entries(values).reduce((told, [name, value]) => told.replace(new RegExp(`\\b${name}\\b`), () => value), text);
const count = (n) => n.toLocaleString("en");

const views = {
  clusters(page, { items }) {
    const { words } = page;
    const many = items.filter((one) => one.clusters.length > 1);
    const whole = items.filter((one) => one.clusters.length === 1);
    const line = whole.map((one) => `${one.label} (${count(one.size)})`).join(", ");
    return [
      make("p", { class: "small quiet", text: words.clusters_lead }),
      ...many.map((one) =>
        make("section", {}, make("h2", { text: one.label }), ...one.clusters.map((part) => views.cluster(page, part))),
      ),
      line && make("p", { class: "whole" }, make("b", { text: many.length ? words.one_kind : words.no_clusters }), ` ${line}`),
    ];
  },

  cluster(page, part) {
    const { words } = page;
    const act = (verb) => () => page.act({ verb, cluster: part.key });
    const told = [fill(words.kept_of, { N: count(part.kept), M: count(part.size) })];
    const shots = page.shots(part.typical, part.label, words.typical);
    const whole = async (event) => {
      const { ok, data, error } = await tellapart.ask("GET", `${page.dataset.api}/curation/clusters/${part.key}`);
      if (!ok) return page.say(`${error.what} ${error.do}`);
      const all = page.shots(data.ids.slice(0, MOST_SHOTS), part.label, part.sentence);
      shots.replaceWith(all);
      all.querySelector("a")?.focus();
      event.target.remove();
    };
    if (part.looks_like) told.push(fill(words.looks_like, { LABEL: part.looks_like }));
    return make(
      "article",
      { class: `card part${part.suspect ? " suspect" : ""}` },
      make("h3", {}, part.sentence, part.suspect ? make("span", { class: "flag", text: words.suspect }) : ""),
      make("p", { class: "small quiet", text: told.join(" · ") }),
      shots,
      make(
        "div",
        { class: "row" },
        press(words.drop_part, act("drop")),
        press(words.keep_part, act("keep")),
        press(words.give_back, act("give_back"), "plain"),
        part.size > part.typical.length && press(fill(words.show_all, { N: count(part.size) }), whole, "link"),
      ),
      views.better(page, part),
    );
  },

  better(page, { label, better }) {
    const { words } = page;
    if (!page.dataset.searches || !(better.exclude.length || better.query !== label)) return null;
    const said = make("span", { class: "small", role: "status" });
    const take = async (event) => {
      const given = { label, query: better.query, without: better.exclude };
      const { ok, error } = await tellapart.ask("POST", `${page.dataset.api}/curation/queries`, given);
      said.textContent = ok ? words.taken : `${error.what} ${error.do}`;
      event.target.disabled = ok;
    };
    return make(
      "p",
      { class: "better small" },
      `${words.better} `,
      make("q", { text: better.query }),
      better.exclude.length ? ` ${words.better_without} ` : "",
      better.exclude.length ? make("q", { text: better.exclude.join(", ") }) : "",
      press(words.take, take, "link"),
      said,
    );
  },

  doubtful(page, { items, doubtful, asked }) {
    const { words } = page;
    const told = fill(words.doubtful_count, { N: count(doubtful), M: count(asked) });
    const list = make("ul", { class: "doubts", role: "list" }, ...items.map((one) => views.doubt(page, one)));
    list.addEventListener("keydown", (event) => views.keyed(event));
    return [
      make("p", { class: "small quiet", text: words.doubtful_lead }),
      page.classes(),
      make("p", { text: items.length ? told : words.no_doubts }),
      list,
      items.length ? make("p", { class: "small quiet", text: words.keys }) : "",
    ];
  },

  doubt(page, one) {
    const { words } = page;
    const state = make("p", { class: "state small", role: "status" });
    const item = make("li", { class: "card doubt" });
    const tell = (kept, why = "") => {
      item.classList.toggle("aside", kept === false);
      const reason = words.reasons[why] ?? why;
      state.textContent = kept === false ? `${words.is_aside}${reason ? `: ${reason}` : ""}` : words.is_kept;
    };
    const act = (verb, more = {}) => async () => {
      const done = await page.act({ verb, ids: [one.id], ...more }, false);
      if (!done) return;
      if (verb === "relabel") state.textContent = fill(words.verbs.relabel, { LABEL: more.label });
      else if (verb === "give_back") state.textContent = words.next_time;
      else tell(verb === "keep", verb === "drop" ? "by_hand" : "");
    };
    const button = (key, text, does, kind = "") => {
      const made = press(text, does, kind);
      made.dataset.key = key;
      return made;
    };
    const label = `${words.is_label}`;
    item.append(
      page.shot(one.id, one.label, 256),
      make(
        "div",
        { class: "told" },
        make("p", {}, make("b", { text: fill(label, { LABEL: one.label, P: percent(one.quality) }) })),
        one.suggested && one.suggested !== one.label
          ? make("p", { text: fill(words.seems, { LABEL: one.suggested, P: percent(one.chance) }) })
          : "",
        make("p", { class: "small quiet", text: words[one.kind] ?? one.kind }),
        state,
        make(
          "div",
          { class: "row" },
          button("k", words.keep, act("keep")),
          button("x", words.drop, act("drop")),
          one.suggested && one.suggested !== one.label
            ? button("r", fill(words.move, { LABEL: one.suggested }), act("relabel", { label: one.suggested }))
            : "",
          button("u", words.give_back, act("give_back"), "plain"),
        ),
      ),
    );
    tell(one.kept, one.verdict);
    return item;
  },

  /** J and L go on and back, the other keys press the buttons of the one that has the focus. */
  keyed(event) {
    const item = event.target.closest("li");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const to = key === "j" ? item.nextElementSibling : key === "l" ? item.previousElementSibling : null;
    const button = (to ?? item).querySelector(to ? "[data-key]" : `[data-key="${CSS.escape(key)}"]`);
    if (!button) return;
    event.preventDefault();
    if (to) button.focus();
    else button.click();
  },

  copies(page, { items, total, next }) {
    const { words } = page;
    const n = total ?? items.length;
    const told = n === 1 ? words.copies_count_one : fill(words.copies_count, { N: count(n) });
    const list = make("div", { class: "groups" }, ...items.map((one) => views.group(page, one)));
    return [
      make("p", { class: "small quiet", text: words.copies_lead }),
      make("p", { text: n ? told : words.no_copies }),
      list,
      next && page.further(`copies?limit=24&after=${next}`, (data) => data.items.map((one) => views.group(page, one)), list),
    ];
  },

  group(page, group) {
    const { words } = page;
    const act = (verb) => () => page.act({ verb, copies: group.key });
    const state = group.stays ? (group.best === group.stays ? "" : words.not_settled) : words.in_two;
    return make(
      "section",
      { class: "card" },
      make("h2", {}, group.label, state ? make("span", { class: "flag", text: state }) : ""),
      make("p", { class: "small quiet", text: fill(words.best_for, { WHY: group.why }) }),
      make(
        "ul",
        { class: "shots wide", role: "list" },
        ...group.pictures.map((one) => {
          const kept = one.kept ? words.is_kept : `${words.is_aside}: ${words.reasons[one.verdict] ?? one.verdict}`;
          return make(
            "li",
            { class: one.kept ? "" : "aside" },
            page.shot(one.id, one.label),
            make(
              "p",
              { class: "small" },
              one.id === group.best ? make("b", { text: `${words.best} · ` }) : "",
              `${one.width} × ${one.height} · `,
              one.license ? one.license.toUpperCase() : page.unknown(),
              ` · ${kept}`,
            ),
          );
        }),
      ),
      make(
        "div",
        { class: "row" },
        press(words.keep_best, act("keep")),
        press(words.keep_all, () => page.act({ verb: "keep", ids: group.pictures.map((one) => one.id) })),
        press(words.give_back, act("give_back"), "plain"),
      ),
    );
  },
};
