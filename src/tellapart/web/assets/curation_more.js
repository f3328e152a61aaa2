// What the Curation page shows of slices, shortcuts, rules, sources and the log of acts.
"use strict";

/** A table that scrolls by itself where it is too wide; columns after the first `left` hold figures,
 *  one without a word what is pressed. */
function grid(head, caption, rows, left = 1) {
  const cell = (name, one, at) => make(name, { scope: name === "th" ? "col" : null, class: at < left ? null : "figures" }, one);
  return make(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption },
    make(
      "table",
      {},
      make("caption", { class: "sr-only", text: caption }),
      make("thead", {}, make("tr", {}, ...head.map((one, at) => cell(one ? "th" : "td", one, at)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((one, at) => cell("td", one, at))))),
    ),
  );
}

const between = (one) => `${percent(one.low)} – ${percent(one.high)}`;
const noise = (one) => (one ? `${percent(one.share)} (${between(one)})` : "–");

Object.assign(views, {
  slices(page, found) {
    const { words } = page;
    const basis = make(
      "select",
      { class: "input", onchange: (event) => page.look(event.target.value) },
      ...["held_out", "test"].map((one) => make("option", { value: one, text: words[one], selected: one === found.basis })),
    );
    const all = { N: count(found.n), P: percent(found.accuracy), L: percent(found.low), H: percent(found.high) };
    const rows = found.slices.map((one) => [
      make("span", {}, make("b", { text: one.name }), one.weak ? make("span", { class: "flag", text: words.weak }) : "",
        make("br"), make("span", { class: "small quiet", text: one.rule })),
      count(one.n), percent(one.accuracy), between(one), percent(one.expected),
    ]);
    const weak = found.slices.filter((one) => one.weak && one.wrong.length);
    return [
      make("p", { class: "small quiet", text: words.slices_lead }),
      make("label", { class: "choose-one" }, `${words.basis} `, basis),
      found.n ? make("p", { text: fill(words.overall, all) }) : "",
      ...found.notes.map((text) => make("p", { class: "notice", text })),
      rows.length ? grid(words.slice_head, words.slices_caption, rows) : make("p", { text: words.no_slices }),
      ...weak.map((one) => make("section", {}, make("h2", { text: `${words.wrong_ones}: ${one.name}` }), page.shots(one.wrong, one.name, words.wrong_ones))),
    ];
  },

  shortcuts(page, found) {
    const { words } = page;
    const none = fill(words.no_shortcuts, { N: count(found.tried) });
    return [
      make("p", { class: "small quiet", text: words.shortcuts_lead }),
      found.shortcuts.length ? "" : make("p", { text: none }),
      ...found.shortcuts.map((one) =>
        make(
          "article",
          { class: "card part suspect" },
          make("h2", { text: one.sentence }),
          make("p", { text: one.do }),
          make("p", { class: "small quiet", text: fill(words.by_cue, { P: percent(one.accuracy), L: percent(one.low), H: percent(one.high) }) }),
          one.agreeing === null || one.contradicting === null
            ? ""
            : make("p", { class: "small quiet", text: fill(words.agreeing, { P: percent(one.agreeing), Q: percent(one.contradicting) }) }),
          make("h3", { text: words.given_away }),
          page.shots(one.typical, one.label, words.given_away),
          one.against.length ? make("h3", { text: words.against }) : "",
          one.against.length ? page.shots(one.against, one.label, words.against) : "",
        ),
      ),
      ...found.notes.map((text) => make("p", { class: "notice", text })),
    ];
  },

  rules(page, { items }) {
    const { words } = page;
    const drafts = {};
    const told = make("div", { class: "told-diff", role: "status" });
    const use = press(words.use_rules, () => views.useRules(page, drafts), "primary");
    const back = press(words.reset_rules, () => page.look(), "plain");
    use.disabled = back.disabled = true;
    const moved = (name, value, now) => {
      if (value === now) delete drafts[name];
      else drafts[name] = value;
      use.disabled = back.disabled = !Object.keys(drafts).length;
      clearTimeout(page.timer);
      page.timer = setTimeout(() => views.compare(page, drafts, told), 250);
    };
    return [
      make("p", { class: "small quiet", text: words.rules_lead }),
      make("div", { class: "rules" }, ...items.map((one) => views.rule(page, one, moved))),
      make("div", { class: "row" }, use, back),
      told,
    ];
  },

  rule(page, one, moved) {
    const { words } = page;
    const [title, does] = words.sliders[one.name] ?? [one.name, one.description];
    const start = one.value ?? one.default ?? (one.low + one.high) / 2;
    const range = make("input", { type: "range", id: `rule-${one.name}`, min: one.low, max: one.high, step: one.step, value: start });
    const shown = make("output", { for: range.id, text: one.value === null ? words.off : String(one.value) });
    const on = one.optional ? make("input", { type: "checkbox", checked: one.value !== null }) : null;
    range.disabled = one.value === null;
    const change = () => {
      const value = on && !on.checked ? null : Number(range.value);
      range.disabled = value === null;
      shown.textContent = value === null ? words.off : String(value);
      moved(one.name, value, one.value);
    };
    range.addEventListener("input", change);
    on?.addEventListener("change", change);
    return make(
      "div",
      { class: "slider" },
      make("div", { class: "line" }, make("label", { for: range.id, text: title }), shown),
      range,
      make("small", { text: does }),
      on ? make("label", { class: "off" }, on, words.in_use, make("span", { class: "sr-only", text: `: ${title}` })) : "",
    );
  },

  async compare(page, drafts, told) {
    const { words } = page;
    const turn = (page.turn = (page.turn ?? 0) + 1);
    const { ok, data, error } = await tellapart.ask("POST", `${page.dataset.api}/curation/diff`, { after: drafts });
    if (turn !== page.turn) return;
    if (!ok) return told.replaceChildren(make("p", { class: "notice bad", text: `${error.what} ${error.do}` }));
    const changes = ["gained", "lost", "renamed"].filter((name) => data[name]).map((name) => fill(words[name], { N: count(data[name]) }));
    const reason = (word) => (word ? (words.reasons[word] ?? word) : words.is_kept);
    told.replaceChildren(
      make("p", {}, make("b", { text: changes.join(", ") || words.no_change })),
      make("p", { class: "small quiet", text: fill(words.kept_then, { N: count(data.kept_before), M: count(data.kept_after) }) }),
      ...data.moves.slice(0, 12).map((one) => {
        const line = fill(words.move_line, { N: count(one.n), LABEL: one.label, BEFORE: reason(one.before), AFTER: reason(one.after) });
        return make("section", {}, make("h2", { text: line }), page.shots(one.ids, one.label, line));
      }),
      ...data.notes.map((text) => make("p", { class: "small quiet", text })),
    );
  },

  async useRules(page, drafts) {
    if (await page.act({ verb: "settings", settings: drafts })) page.say(page.words.rules_used, true);
  },

  collecting(page, found) {
    const { words } = page;
    const named = (one) => make("span", {}, one.source, one.error ? make("span", { class: "flag", text: one.error }) : "");
    const sources = found.sources.map((one) => [named(one), count(one.found), count(one.kept), count(one.not_had), noise(one.noise)]);
    const queries = found.queries.slice(0, 20).map((one) => [one.class, one.query, one.source, count(one.n), noise(one)]);
    const terms = found.licenses.map((one) => [
      one.known ? one.title : page.unknown(),
      count(one.found), count(one.kept),
      one.known ? (one.may_pass_on ? words.yes : words.no) : page.unknown(),
    ]);
    return [
      make("p", { class: "small quiet", text: words.sources_lead }),
      grid(words.source_head, words.sources_caption, sources),
      ...found.notes.map((text) => make("p", { class: "small quiet", text })),
      ...views.rounds(page, found.rounds),
      queries.length ? make("h2", { text: words.queries_caption }) : "",
      queries.length ? grid(words.query_head, words.queries_caption, queries, 3) : "",
      make("h2", { text: words.licenses }),
      grid(words.license_head, words.licenses_caption, terms),
    ];
  },

  rounds(page, rounds) {
    const { words } = page;
    if (!rounds?.history?.length) return [];
    const worth = (one) => (one.worth ? fill(words.points, { N: one.worth.hundred.toFixed(2) }) : "–");
    const rows = rounds.history.map((one) => [count(one.round), count(one.found), count(one.kept), worth(one)]);
    const notes = rounds.over ? rounds.notes : [words.rounds_on];
    return [
      make("h2", { text: words.rounds }),
      ...notes.map((text) => make("p", { text })),
      grid(words.round_head, words.rounds_caption, rows),
    ];
  },

  acts(page, { items, next }) {
    const { words } = page;
    if (!items.length) return [make("p", { class: "small quiet", text: words.acts_lead }), make("p", { text: words.no_acts })];
    const table = grid(words.act_head, words.acts_caption, items.map((one) => views.actRow(page, one)), 2);
    const rows = (data) =>
      data.items.map((one) => make("tr", {}, ...views.actRow(page, one).map((cell, at) => make("td", { class: at < 2 ? null : "figures" }, cell))));
    return [
      make("p", { class: "small quiet", text: words.acts_lead }),
      table,
      next && page.further(`acts?after=${next}`, rows, table.querySelector("tbody")),
    ];
  },

  actRow(page, one) {
    const { words } = page;
    const verb = fill(words.verbs[one.verb] ?? one.verb, { LABEL: one.label });
    const [text, does] = one.undone_at ? [words.redo, "redo"] : [words.undo, "undo"];
    const button = press(text, () => page.turnBack(does, one.number), "small-button");
    button.setAttribute("aria-label", `${text}: ${verb}, ${one.note}`);
    const what = make("span", { class: one.undone_at ? "was-undone" : "" }, make("b", { text: verb }), make("br"), one.note);
    if (one.undone_at) what.append(" ", make("span", { class: "flag plain", text: words.undone }));
    const values = Object.entries(one.settings ?? {}).map(([name, [before, after]]) => `${words.sliders[name]?.[0] ?? name}: ${before ?? words.off} → ${after ?? words.off}`);
    if (values.length) what.append(make("br"), make("span", { class: "small quiet", text: values.join(", ") }));
    return [new Date(one.at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }), what, one.pictures ? count(one.pictures) : "", button];
  },
});
