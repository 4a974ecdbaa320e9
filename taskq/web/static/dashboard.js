// The page works without this; it keeps it up to date and adds the keyboard.
"use strict";

const root = document.querySelector('meta[name="root"]').content;
const csrf = document.querySelector('meta[name="csrf"]').content;
const by = (selector, from = document) => Array.from(from.querySelectorAll(selector));

// -- times --

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { month: "short", day: "numeric" };
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

function span(seconds) {
  if (seconds < 1) return "0 s";
  const at = UNITS.findIndex(([, size]) => seconds >= size);
  const [unit, size] = UNITS[at];
  const more = at < 3 ? Math.floor((seconds % size) / UNITS[at + 1][1]) : 0;
  return `${Math.floor(seconds / size)} ${unit}` + (more ? ` ${more} ${UNITS[at + 1][0]}` : "");
}

function tell(time) {
  const when = new Date(time.dateTime);
  const seconds = (Date.now() - when) / 1000;
  const mode = time.dataset.mode;
  if (mode === "clock") time.textContent = when.toLocaleTimeString([], CLOCK);
  else if (mode === "since") time.textContent = span(seconds);
  else if (mode === "at") time.textContent = when.toLocaleString([], { ...(Math.abs(seconds) < 43200 ? {} : DAY), ...CLOCK });
  else if (seconds < 0) time.textContent = `in ${span(-seconds)}`;
  else time.textContent = mode === "in" ? (seconds < 2 ? "now" : `${span(seconds)} late`) : (seconds < 1 ? "just now" : `${span(seconds)} ago`);
}

function tellAll(from = document) {
  by("time[data-mode]", from).forEach(tell);
}

// -- charts --

function readChart(figure) {
  const data = JSON.parse(figure.dataset.chart);
  let at = -1;
  const show = (index) => {
    at = index;
    const cursor = figure.querySelector(".cursor");
    const label = figure.querySelector(".x .at");
    const here = index >= 0 ? index : data.at.length - 1;
    cursor.setAttribute("d", index < 0 ? "" : `M${data.x[index] * 600} 0V120`);
    label.textContent = index < 0 ? "" : new Date(data.at[index] * 1000).toLocaleTimeString([], CLOCK);
    by("[data-line]", figure).forEach((item) => {
      item.querySelector("b").textContent = data.texts[item.dataset.line][here];
    });
  };
  figure.addEventListener("pointermove", (event) => {
    const box = figure.querySelector("svg").getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    let best = 0;
    data.x.forEach((place, index) => {
      if (Math.abs(place - x) < Math.abs(data.x[best] - x)) best = index;
    });
    show(best);
  });
  figure.addEventListener("pointerleave", () => show(-1));
  figure.addEventListener("blur", () => show(-1));
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = at < 0 ? data.at.length - 1 : at;
    show(Math.min(data.at.length - 1, Math.max(0, from + (at < 0 ? 0 : step))));
  });
}

// -- what is live --

const state = document.getElementById("live-state");
const away = document.getElementById("away");
const late = new Map();

// while somebody chooses, types or marks something there, a part of the page stays as it is
function inUse(part) {
  const marked = document.getSelection();
  return part.querySelector("details[open], figure:hover") !== null || part.contains(document.activeElement) ||
    (marked && !marked.isCollapsed && part.contains(marked.anchorNode));
}

function put(part, html) {
  if (part.tagName !== "NAV" && inUse(part)) {
    late.set(part, html);
    return;
  }
  late.delete(part);
  // HTML of our own templates, in which everything that comes from a task is escaped
  part.innerHTML = html;
  markSection();
  ready(part);
}

// -- lists --

// A list is not moved under the reader: rows that are there are kept up to date where they are, and a bar offers the rest.

const told = new WeakMap(); // row -> its cells as the server wrote them last
const offered = new Map(); // list -> its latest HTML

function rowsOf(part) {
  return new Map(by("tr[data-id]", part).map((row) => [row.dataset.id, row]));
}

function inForm(cell) {
  return cell.matches(".tick") || cell.contains(document.activeElement) || cell.querySelector("details[open]") !== null;
}

function refresh(row, fresh) {
  const before = told.get(row) || [];
  const cells = Array.from(fresh.cells, (cell) => cell.innerHTML);
  told.set(row, cells);
  Array.from(row.cells).forEach((cell, at) => {
    if (cells[at] === undefined || cells[at] === before[at] || inForm(cell)) return;
    cell.innerHTML = cells[at];
    tellAll(cell);
  });
}

function putList(part, html) {
  const next = document.createElement("template");
  // HTML of our own templates, in which everything that comes from a task is escaped
  next.innerHTML = html;
  const now = rowsOf(part), fresh = rowsOf(next.content);
  if (!now.size && !inUse(part)) {
    if (fresh.size) showList(part, html);
    return;
  }
  let gone = 0;
  now.forEach((row, id) => {
    const there = fresh.has(id);
    if (there) refresh(row, fresh.get(id));
    else gone += 1;
    row.classList.toggle("left", !there);
    row.title = there ? "" : "Not in this list any more";
  });
  const come = Array.from(fresh.keys()).filter((id) => !now.has(id)).length;
  if (come || gone) offered.set(part, html);
  else offered.delete(part);
  offer(come, gone, part);
}

function offer(come, gone, part) {
  part.dataset.offer = [come ? `${come} new` : "", gone ? `${gone} gone` : ""].filter(Boolean).join(", ");
  const words = by("[data-offer]").map((list) => list.dataset.offer).filter(Boolean);
  news.hidden = !words.length;
  if (words.length) news.querySelector("span").textContent = words.join("; ");
}

function showList(part, html) {
  const ticked = new Set(by('input[name="id"]:checked', part).map((box) => box.value));
  part.innerHTML = html;
  by('input[name="id"]', part).forEach((box) => {
    box.checked = ticked.has(box.value);
  });
  offered.delete(part);
  offer(0, 0, part);
  ready(part);
}

function showOffered() {
  offered.forEach((html, part) => showList(part, html));
}

const news = document.getElementById("news");
news.querySelector("button").addEventListener("click", showOffered);

function markSection() {
  const nav = document.querySelector("nav[data-section]");
  const section = { task: "tasks" }[nav.dataset.section] || nav.dataset.section;
  by("a", nav).forEach((link) => {
    if (link.dataset.name === section) link.setAttribute("aria-current", "page");
  });
}

let source = null;

function listen() {
  const topics = [...by("[data-topic]").map((part) => part.dataset.topic), ...by("[data-list]").map((part) => part.dataset.list)];
  source = new EventSource(`${root}/live?${topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join("&")}`);
  source.addEventListener("open", () => {
    state.textContent = "Live";
    state.className = "on";
  });
  source.addEventListener("error", () => {
    state.textContent = "The dashboard does not answer; trying again …";
    state.className = "";
  });
  source.addEventListener("part", (event) => {
    const { topic, html, gone } = JSON.parse(event.data);
    by("[data-topic]").filter((part) => part.dataset.topic === topic).forEach((part) => {
      if (html !== undefined) put(part, html);
      else say(gone);
    });
    by("[data-list]").filter((part) => part.dataset.list === topic).forEach((part) => {
      if (html !== undefined) putList(part, html);
    });
    if (html !== undefined) say("");
  });
  source.addEventListener("away", (event) => say(JSON.parse(event.data).why));
  source.addEventListener("back", () => {
    say("");
    if (document.querySelector("[data-again]")) location.reload();
  });
}

function say(text) {
  away.textContent = text;
  away.hidden = !text;
}

// a tab that nobody looks at needs no connection; browsers allow six
document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) {
    source.close();
    source = null;
  } else if (!document.hidden && !source) {
    listen();
  }
});

// -- forms --

document.addEventListener("submit", (event) => {
  by('input[name="csrf"]', event.target).forEach((field) => {
    field.value = csrf;
  });
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    by('input[name="id"]', event.target.form).forEach((box) => {
      box.checked = event.target.checked;
    });
  }
});
document.addEventListener("click", (event) => {
  by("details.sure[open]").forEach((details) => {
    if (!details.contains(event.target)) details.open = false;
  });
});

// -- colours and keyboard --

const WORDS = { "": "Auto", light: "Light", dark: "Dark" };

function theme(next) {
  const html = document.documentElement;
  const order = ["", "light", "dark"];
  let now = html.dataset.theme || "";
  if (next) now = order[(order.indexOf(now) + 1) % 3];
  if (now) html.dataset.theme = now;
  else delete html.dataset.theme;
  try {
    localStorage.setItem("taskq-theme", now);
  } catch (error) {
    // no storage: for this page only
  }
  document.getElementById("theme-word").textContent = WORDS[now];
}

function walk(step) {
  const rows = by("[data-row]");
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  const target = row.querySelector("a") || row;
  if (target === row) row.tabIndex = -1;
  target.focus();
}

const help = document.getElementById("help");
let leader = 0;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    by("details.sure[open]").forEach((details) => {
      details.open = false;
      details.querySelector("summary").focus();
    });
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  if (Date.now() - leader < 1200) {
    leader = 0;
    const link = document.querySelector(`nav[data-section] a[data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
    return;
  }
  const acts = {
    g: () => { leader = Date.now(); },
    n: showOffered,
    "/": () => document.getElementById("find").focus(),
    j: () => walk(1),
    k: () => walk(-1),
    r: () => location.reload(),
    c: () => theme(true),
    "?": () => help.showModal(),
  };
  if (Object.hasOwn(acts, event.key)) {
    event.preventDefault();
    acts[event.key]();
  }
});
document.getElementById("theme").addEventListener("click", () => theme(true));
document.getElementById("keys").addEventListener("click", () => help.showModal());

function ready(part) {
  by("tr[data-id]", part).forEach((row) => told.set(row, Array.from(row.cells, (cell) => cell.innerHTML)));
  tellAll(part);
  by("figure[data-chart]", part).forEach(readChart);
}

theme(false);
ready(document);
setInterval(() => {
  tellAll();
  late.forEach((html, part) => put(part, html));
}, 1000);
listen();
if (document.querySelector("[data-again]")) setTimeout(() => location.reload(), 5000);
