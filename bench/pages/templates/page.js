"use strict";
// The page is whole without this. With it: tables sort, the view can be narrowed, a cell opens, values show on hover,
// and what is shown stands in the address.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...children) => {
  const svg = ["svg", "path", "line", "circle", "text", "g"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// Sorting: a click on a column's title sorts by it, another turns the order round; what is unknown stays last
const keyOf = (cell) => cell.dataset.key ?? cell.textContent;
const compare = (number, up) => (a, b) => {
  if (a === "" || b === "") return (a === "") - (b === "");
  const order = number ? Number(a) - Number(b) || 0 : a.localeCompare(b);
  return up ? order : -order;
};
const sortBy = (header) => {
  const up = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = header.closest("table").tBodies[0];
  const order = compare(header.dataset.kind === "number", up);
  const key = (row) => keyOf(row.cells[header.cellIndex]);
  body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
};

// The view: what the address says after its #, `at` being a place of the page
const VIEW = ["task", "activation", "optimizer", "by", "cell", "at"];
const read = () => {
  const hash = location.hash.slice(1);
  const given = new URLSearchParams(hash.includes("=") ? hash : hash && { at: hash });
  return Object.fromEntries(VIEW.map((name) => [name, given.get(name) ?? ""]));
};
const view = read();
const write = (changes) => {
  Object.assign(view, changes);
  const told = new URLSearchParams(Object.entries(view).filter(([, value]) => value));
  history.replaceState(null, "", `#${told}`);
  show();
};

// Sections: one task of one run, its table of cells, its heatmap and its data
const data = JSON.parse(document.getElementById("data")?.textContent ?? "[]");
const sections = data.map((task) => {
  const root = document.getElementById(`section-${task.slug}`);
  const roots = all(`[data-section="${task.slug}"]`); // the verdict at the top, with the heatmap where tasks are few, and the rest
  const within = (selector) => roots.flatMap((part) => all(selector, part));
  const table = root.querySelector("table.cells");
  const headers = [...table.tHead.rows[0].cells];
  const column = (title) => headers.findIndex((header) => header.dataset.title === title);
  const places = [column("activation"), column("optimizer")];
  const rows = [...table.tBodies[0].rows].map((row) => {
    const [activation, optimizer] = places.map((place) => (place < 0 ? "none" : row.cells[place].textContent));
    return { row, activation, optimizer, name: row.dataset.name };
  });
  const numbers = [task.activations.length, task.optimizers.length];
  const find = (a, o) => rows.find((r) => r.activation === task.activations[a] && r.optimizer === task.optimizers[o]);
  const heat = headers.filter((header) => header.dataset.better);
  return { task, root, within, headers, rows, find, heat, numbers, cells: within("table.heat td[data-o]") };
});
const sectionOf = (target) => sections.find(({ task }) => task.slug === target.closest?.("[data-section]")?.dataset.section);
const told = (section, row) =>
  section.headers.map((header, i) => [header.dataset.title, row.cells[i].textContent]).filter(([, text]) => text);

// The heatmap in another of the table's columns: most colours go to the better half of the cells. The first column is
// the test metric, which each task calls by its own name.
const byOf = ({ heat }, header) => (header === heat[0] ? "test metric" : header.dataset.title);
const colour = (section) => {
  const { heat, headers, within } = section;
  const header = heat.find((h) => byOf(section, h) === view.by) ?? heat[0];
  const place = headers.indexOf(header);
  const sign = header.dataset.better === "more" ? 1 : -1;
  const found = section.cells.map((cell) => section.find(cell.dataset.a, cell.dataset.o)?.row.cells[place]);
  const values = found.map((cell) => (cell && keyOf(cell) !== "" ? sign * Number(keyOf(cell)) : NaN));
  const order = values.filter(Number.isFinite).sort((a, b) => a - b);
  const best = order.at(-1);
  const middle = order[order.length >> 1];
  const least = header === heat[0] ? Number(within("table.heat")[0].dataset.least) : 0;
  const floor = best > middle ? Math.max(order[0], best - 4 * (best - middle)) : order[0];
  const low = Math.min(floor, best - Math.max(least, 1e-12));
  section.cells.forEach((cell, i) => {
    const share = Number.isFinite(values[i]) ? Math.max(0, (values[i] - low) / (best - low)) : NaN;
    (cell.firstElementChild ?? cell).textContent = found[i]?.textContent ?? "–";
    cell.style.setProperty("--v", (share || 0).toFixed(3));
    cell.classList.toggle("deep", share < 0.45);
    cell.classList.toggle("missing", Number.isNaN(share));
  });
  const title = header.dataset.title;
  within(".heat-by")[0].textContent = title[0].toUpperCase() + title.slice(1);
  for (const finding of within("[data-by]")) finding.hidden = finding.dataset.by !== byOf(section, header);
  const better = within(".heat-better")[0];
  const worse = order.filter((value) => value < low).length;
  const ends = worse ? ` Colours end before the worst: ${worse} of ${order.length} look alike.` : "";
  better.textContent = `Brighter is better (${sign > 0 ? "higher" : "lower"}).${header === heat[0] ? better.dataset.ends : ends}`;
};

// One cell: facts, curve, learning rates, seeds
const nice = (low, high, count = 4) => {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(9)));
};
const chart = ({ x, y, label, xlabel, ticks, draw }) => {
  const [W, H, left, bottom, top] = [460, 230, 52, 36, 10];
  const px = (v) => left + ((v - x[0]) / (x[1] - x[0] || 1)) * (W - left - 12);
  const py = (v) => H - bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (H - bottom - top);
  const root = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label, class: "chart" });
  for (const v of nice(...y)) {
    root.append(make("line", { x1: left, x2: W - 12, y1: py(v), y2: py(v), class: "grid" }));
    root.append(make("text", { x: left - 6, y: py(v) + 4, "text-anchor": "end" }, String(v)));
  }
  for (const [v, text] of ticks) root.append(make("text", { x: px(v), y: H - bottom + 16, "text-anchor": "middle" }, text));
  root.append(make("text", { x: (left + W) / 2, y: H - 4, "text-anchor": "middle" }, xlabel));
  root.append(make("text", { x: 12, y: (H - bottom) / 2, transform: `rotate(-90 12 ${(H - bottom) / 2})`, "text-anchor": "middle" }, label));
  draw(root, px, py);
  return root;
};
const path = (points, px, py) =>
  points.reduce((d, [a, b], i) => (b === null ? d : `${d}${d && points[i - 1]?.[1] !== null ? "L" : "M"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`), "");
const range = (values) => {
  const found = values.filter((v) => v !== null);
  const [low, high] = [Math.min(...found), Math.max(...found)];
  return found.length ? [low - 0.05 * (high - low || 1), high + 0.05 * (high - low || 1)] : [0, 1];
};
const curveOf = ({ steps, target, metric }, [low, middle, high]) => {
  const x = [steps[0], steps.at(-1)];
  const seen = [low, middle, high].flatMap((line) => line.slice(1));
  const zip = (line) => line.map((v, i) => [steps[i], v]);
  return chart({
    x, y: range([...seen, target]), label: `validation ${metric}`, xlabel: "step", ticks: nice(...x).map((v) => [v, v.toLocaleString("en")]),
    draw: (root, px, py) => {
      const clip = (line) => zip(line).filter(([, v], i) => i > 0 && v !== null);
      const band = [...clip(low), ...clip(high).reverse()];
      root.append(make("path", { d: `${path(band, px, py)}z`, class: "band" }));
      root.append(make("line", { x1: px(x[0]), x2: px(x[1]), y1: py(target), y2: py(target), class: "target" }));
      root.append(make("path", { d: path(zip(middle).slice(1), px, py), class: "line" }));
    },
  });
};
// With `picked` a rate alone does not tell a trial: no line joins them.
const ratesOf = ({ metric }, rates, chosen, picked) => {
  const points = rates.map(([rate, value, lost], i) => [Math.log10(rate), value, lost, rate, i]).sort((a, b) => a[0] - b[0]);
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const room = Math.max(0.1, 0.05 * (last - first)); // for the share at either end
  const every = Math.ceil(points.length / 6);
  return chart({
    x: [first - room, last + room], y: range(points.map((p) => p[1])), label: `validation ${metric}`, xlabel: "learning rate",
    ticks: points.filter((_, i) => i % every === 0).map((p) => [p[0], String(Number(p[3].toPrecision(2)))]),
    draw: (root, px, py) => {
      if (picked === undefined) root.append(make("path", { d: path(points, px, py), class: "line" }));
      let told = -Infinity;
      for (const [at, value, lost, rate, i] of points.filter((p) => p[1] !== null)) {
        const here = picked === undefined ? Math.abs(rate / chosen - 1) < 0.01 : i === picked;
        const [x, y] = [px(at), py(value)];
        if (here || !lost) root.append(make("circle", { cx: x, cy: y, r: here ? 6 : 3, class: here ? "chosen" : "dot" }));
        if (lost) root.append(make("path", { d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`, class: "lost" }));
        if (!lost || x - told < 38) continue; // nearer than that, shares would run into each other
        told = x;
        root.append(make("text", { x, y: y - 9, "text-anchor": "middle" }, `${Math.round(lost * 100)} %`));
      }
    },
  });
};
const seedsOf = ({ metric }, seeds) => {
  const head = make("tr", {}, ...["seed", `test ${metric}`, "steps to target", ""].map((t) => make("th", { scope: "col" }, t)));
  const body = seeds.map(([seed, score, steps, status]) =>
    make("tr", {}, ...[seed, score ?? "∞", steps === null ? "never" : steps, status === "ok" ? "" : status].map((v) => make("td", {}, String(v)))));
  return make("table", { class: "seeds" }, make("thead", {}, head), make("tbody", {}, ...body));
};
const openCell = (section) => {
  const box = section.root.querySelector(".cell");
  const [slug, ...rest] = view.cell.split(":");
  const found = slug === section.task.slug && section.rows.find(({ name }) => name === rest.join(":"));
  for (const { row } of section.rows) row.classList.toggle("open", row === found?.row);
  box.hidden = !found;
  if (!found) return box.replaceChildren();
  const { task } = section;
  const [a, o] = [task.activations.indexOf(found.activation), task.optimizers.indexOf(found.optimizer)];
  const { curve, rates, seeds, picked } = task.cells.find((cell) => cell.at[0] === a && cell.at[1] === o);
  const close = make("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", () => write({ cell: "" }));
  const facts = make("dl", { class: "cell-facts" });
  for (const [title, text] of told(section, found.row)) facts.append(make("div", {}, make("dt", {}, title), make("dd", {}, text)));
  const part = (title, content) => make("section", {}, make("h4", {}, title), content);
  const charts = make("div", { class: "charts" });
  if (curve.length) charts.append(part("Learning curve: median and middle half of the seeds", curveOf(task, curve)));
  if (rates.length) charts.append(part(`Learning rates tried; ring: chosen${rates.some(([, , lost]) => lost) ? "; cross: some diverged, with their share" : ""}`, ratesOf(task, rates, Number(keyOf(found.row.cells[section.headers.findIndex((h) => h.dataset.title === "learning rate")])), picked)));
  if (seeds.length) charts.append(part("Evaluation seeds", seedsOf(task, seeds)));
  return box.replaceChildren(make("h3", { tabindex: -1 }, found.name), close, facts, charts);
};

// Hover and focus
const tip = make("div", { class: "tip", role: "tooltip", hidden: "" });
const pointed = (target) => {
  const section = sectionOf(target);
  const [a, o] = ["a", "o"].map((name) => target.closest(`[data-${name}]`)?.dataset[name]);
  return section && o !== undefined && a !== undefined ? { section, found: section.find(a, o) } : {};
};
const showTip = (target, x, y) => {
  const { section, found } = pointed(target);
  tip.hidden = !found;
  if (!found) return;
  const lines = told(section, found.row).filter(([title]) => title !== "activation" && title !== "optimizer");
  tip.textContent = [found.name, ...lines.map(([title, text]) => `${title}: ${text}`)].join("\n");
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${y + 18 + tip.offsetHeight > innerHeight ? Math.max(4, y - tip.offsetHeight - 10) : y + 18}px`;
};

// A place of the page, opened where it is folded away
const reveal = (place) => {
  for (let fold = place?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  place?.scrollIntoView();
};

// What follows from the view
const FILTERS = ["activation", "optimizer"];
const show = () => {
  for (const select of all(".view select")) select.value = view[select.name];
  for (const select of all(".view select")) if (select.selectedIndex < 0) select.selectedIndex = 0;
  for (const item of all("[data-section]")) item.hidden = Boolean(view.task) && item.dataset.section !== view.task;
  let shown = 0;
  for (const section of sections) {
    const out = (found) => FILTERS.some((name) => view[name] && found[name] !== view[name]);
    for (const found of section.rows) found.row.hidden = out(found);
    if (!section.root.hidden) shown += section.rows.filter(({ row }) => !row.hidden).length;
    for (const mark of section.within("[data-o]")) {
      const a = mark.closest("[data-a]")?.dataset.a;
      const names = { activation: section.task.activations[a], optimizer: section.task.optimizers[mark.dataset.o] };
      mark.classList.toggle("out", out({ activation: names.activation ?? view.activation, optimizer: names.optimizer }));
    }
    for (const panel of section.within("g[data-a]")) {
      panel.classList.toggle("out", Boolean(view.activation) && section.task.activations[panel.dataset.a] !== view.activation);
    }
    const { slug } = section.task;
    const rest = section.root.querySelector("details.rest");
    if (rest && [view.task, view.at.replace(/^task-/, ""), view.cell.split(":")[0]].includes(slug)) rest.open = true;
    colour(section);
    openCell(section);
  }
  for (const count of all(".shown")) count.textContent = `${[shown, Number(count.dataset.of)].map((n) => n.toLocaleString("en")).join(" of ")} cells`;
};

const option = (value, text = value) => make("option", { value }, text);
const fill = () => {
  const form = document.querySelector(".view");
  if (!form || !sections.length) return;
  const names = (side) => [...new Set(sections.flatMap(({ task }) => task[side]))].filter((name) => name !== "none");
  const choices = {
    task: sections.map(({ task, root }) => option(task.slug, root.dataset.label)),
    activation: names("activations").map((name) => option(name)),
    optimizer: names("optimizers").map((name) => option(name)),
    by: [...new Set(sections.flatMap((section) => section.heat.map((h) => byOf(section, h))))].map((name) => option(name)),
  };
  for (const select of all("select", form)) {
    if (select.name === "by") select.replaceChildren(...choices.by);
    else select.append(...choices[select.name]);
    select.parentNode.hidden = select.options.length < 3;
    select.addEventListener("change", () => write({ [select.name]: select.name === "by" && !select.selectedIndex ? "" : select.value }));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("button").addEventListener("click", () => write({ task: "", activation: "", optimizer: "", by: "", cell: "" }));
  form.hidden = false;
  for (const section of sections) {
    for (const { row, name } of section.rows) {
      const cell = row.cells[Math.max(0, section.headers.findIndex((h) => h.dataset.title === "optimizer"))];
      const button = make("button", { type: "button", class: "opens", "aria-label": `${name}: curve, learning rates, seeds` }, ...cell.childNodes);
      cell.replaceChildren(button);
    }
    section.cells.forEach((cell, i) => {
      const button = make("button", { type: "button", class: "opens", tabindex: i ? -1 : 0 }, ...cell.childNodes);
      cell.replaceChildren(button);
    });
  }
};
const opened = (target) => {
  const row = target.closest("table.cells tbody tr");
  const section = sectionOf(target);
  if (!section) return null;
  return { section, found: row ? section.rows.find((r) => r.row === row) : pointed(target).found };
};
document.documentElement.classList.add("script");
for (const button of all("th button")) {
  button.disabled = false;
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
fill();
document.body.append(tip);
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link) {
    event.preventDefault();
    const at = link.getAttribute("href").slice(1);
    const place = document.getElementById(at);
    write(place?.closest("[hidden]") ? { at, task: "" } : { at });
    reveal(place);
    return;
  }
  const { section, found } = opened(event.target) ?? {};
  if (!found || (!event.target.closest(".opens") && !event.target.closest("g[data-o]"))) return;
  tip.hidden = true;
  write({ cell: `${section.task.slug}:${found.name}` });
  const box = section.root.querySelector(".cell");
  box.scrollIntoView({ block: "nearest" });
  box.querySelector("h3").focus({ preventScroll: true });
});
document.addEventListener("pointermove", (event) => showTip(event.target, event.clientX, event.clientY));
document.addEventListener("pointerleave", () => { tip.hidden = true; });
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
document.addEventListener("focusin", ({ target }) => {
  const box = target.getBoundingClientRect();
  if (target.closest("table.heat")) showTip(target, box.left, box.bottom);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { tip.hidden = true; if (view.cell) write({ cell: "" }); }
  const cell = event.target.closest?.("table.heat td");
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || !move) return;
  const row = cell.closest("table").tBodies[0].rows[cell.parentNode.sectionRowIndex + move[0]];
  const next = row?.cells[cell.cellIndex + move[1]]?.querySelector("button");
  if (!next) return;
  event.preventDefault();
  cell.querySelector("button").tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
// The names of a row stay where its numbers scroll beneath them, as long as they take no more than two thirds of the width
const KEPT = 2 / 3;
const keepNames = (table) => {
  const headers = [...table.tHead.rows[0].cells];
  const room = KEPT * table.closest(".scroll").clientWidth;
  let at = 0;
  for (const header of headers.slice(0, 3).filter((one) => one.dataset.kind === "text").slice(0, 2)) {
    const kept = at + header.offsetWidth <= room;
    for (const { cells } of table.rows) {
      cells[header.cellIndex]?.classList.toggle("kept", kept);
      cells[header.cellIndex]?.style.setProperty("--at", `${at}px`);
    }
    if (kept) at += header.offsetWidth;
  }
};
const wide = new ResizeObserver((seen) => { for (const { target } of seen) keepNames(target.querySelector("table")); });
for (const box of all(".scroll:has(> table.cells)")) wide.observe(box);

window.addEventListener("hashchange", () => { Object.assign(view, read()); show(); reveal(document.getElementById(view.at)); });
if (sections.length) show();
if (view.cell) document.querySelector(".cell:not([hidden])")?.scrollIntoView({ block: "nearest" });
else if (view.at) reveal(document.getElementById(view.at));
