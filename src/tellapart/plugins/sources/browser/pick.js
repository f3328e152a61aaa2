// Run in the page again and again: the pictures that were seen since, each handed over once.
// What it returns is checked by the caller as any stranger's answer.
({ select, size, attribute, key, most, longest }) => {
  const PICTURE = /\.(jpe?g|png|webp|gif|avif|bmp|tiff?|jp2)$/i;
  const LAZY = ["data-src", "data-lazy-src", "data-lazy", "data-thumb"];
  const LARGE = ["data-full", "data-large", "data-zoom", "data-original", ...LAZY];
  const SETS = ["srcset", "data-srcset", "data-lazy-srcset"];
  const done = (window.__tellapart ??= new WeakSet());

  const whole = (text) => {
    try {
      return text ? new URL(text.trim(), document.baseURI).href : "";
    } catch {
      return "";
    }
  };
  const first = (el, names) => {
    for (const name of names) {
      const url = whole(el?.getAttribute(name));
      if (url) return url;
    }
    return "";
  };
  // The candidates of a srcset by their width or density: URLs may hold commas, not blanks.
  const offers = (text) =>
    [...(text ?? "").matchAll(/(\S*[^,\s])(?:\s+([\d.]+)([wx]))?\s*(?:,|$)/g)].map((match) => ({
      url: whole(match[1]),
      size: Number(match[2] ?? 1),
    }));
  const fromSets = (el) => {
    const holders = [el, ...(el?.closest("picture")?.querySelectorAll("source") ?? [])];
    const all = holders.flatMap((h) => SETS.flatMap((name) => offers(h?.getAttribute(name))));
    all.sort((a, b) => b.size - a.size);
    return all[0]?.url ?? "";
  };
  // A stand-in until the true picture comes: nothing, a drawing, or a few pixels in the address.
  const standsIn = (img, url) =>
    !url ||
    url === "about:blank" ||
    url.startsWith("data:image/svg") ||
    (url.startsWith("data:") &&
      !(img.complete && (img.naturalWidth > 32 || img.naturalHeight > 32)));
  const shown = (img) => {
    const url = whole(img?.currentSrc || img?.getAttribute("src"));
    return img && !standsIn(img, url) ? url : "";
  };
  const behind = (el) => {
    const match = /url\((["']?)(.*?)\1\)/.exec(getComputedStyle(el).backgroundImage);
    return match ? whole(match[2]) : "";
  };
  const named = (el) => {
    const value = el.getAttribute(attribute);
    if (!key || value === null) return whole(value);
    try {
      return whole(String(JSON.parse(value)[key] ?? ""));
    } catch {
      return "";
    }
  };
  const linked = (link) => {
    const url = whole(link?.getAttribute("href"));
    if (url.startsWith("data:image/")) return url;
    return /^https?:/.test(url) && PICTURE.test(new URL(url).pathname) ? url : "";
  };
  const address = (el, img, link) => {
    if (attribute) return named(el);
    if (size === "full") {
      return linked(link) || first(img, LARGE) || fromSets(img) || shown(img) || behind(el);
    }
    return first(img, LAZY) || shown(img) || first(img, LARGE) || fromSets(img) || behind(el);
  };

  const found = [];
  const all = document.querySelectorAll(select);
  for (const el of all) {
    if (done.has(el)) continue;
    // Not scrolled to yet: its address may still change.
    if (el.getBoundingClientRect().top > innerHeight) continue;
    const img = el.tagName === "IMG" ? el : el.querySelector("img");
    const link = el.closest("a[href]") ?? el.querySelector("a[href]");
    const url = address(el, img, link);
    if (!url) continue;
    done.add(el);
    const page = whole(link?.getAttribute("href"));
    found.push({
      url: url.length > longest ? "" : url,
      tooLong: url.length > longest,
      page: /^https?:/.test(page) && page !== url ? page : "",
      title: String(
        img?.alt || el.title || el.getAttribute("aria-label") || link?.title ||
        el.closest("figure")?.querySelector("figcaption")?.textContent || ""
      ).slice(0, 500),
    });
    if (found.length >= most) break;
  }
  const robots = [...document.querySelectorAll("meta[name]")]
    .filter((meta) => /^(robots|tellapart|tdm-reservation)$/i.test(meta.name))
    .map((meta) => `${meta.name}: ${meta.content}`.slice(0, 200));
  return { found, matched: all.length, robots: robots.slice(0, 20), at: location.href };
}
