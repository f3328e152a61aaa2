// One step down: the window, and the box in which the last picture lies. True if any moved.
(select) => {
  const boxes = new Set([document.scrollingElement]);
  const all = document.querySelectorAll(select);
  for (let el = all[all.length - 1]?.parentElement; el; el = el.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(el).overflowY)) boxes.add(el);
  }
  let moved = false;
  for (const box of boxes) {
    if (!box) continue;
    const before = box.scrollTop;
    box.scrollTo({ top: before + 0.9 * box.clientHeight, behavior: "instant" });
    moved ||= box.scrollTop > before + 1;
  }
  return moved;
}
