"use strict";
/* The only script of all pages. Without it, pages are complete: it opens folds, and makes tables sortable and filterable. */

/* a link to something in a closed fold opens the fold */
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();

/* paper has no folds to open, but for code */
const opened = [];
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not([open], #details)")) { fold.open = true; opened.push(fold); }
});
addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });

/* what scrolls can be scrolled by keyboard */
function reach() {
  for (const box of document.querySelectorAll(".chart, .wide, pre")) {
    const needed = box.scrollWidth > box.clientWidth && !box.querySelector("a, button, input, [tabindex='0']");
    if (needed) box.tabIndex = 0; else box.removeAttribute("tabindex");
  }
}
addEventListener("resize", reach);

/* exact values of a figure: shown on hover, focus and tap; arrow keys move from mark to mark, Escape closes */
const bubble = document.createElement("div");
bubble.className = "chart-value";
bubble.hidden = true;
document.body.append(bubble);
for (const title of document.querySelectorAll(".value > title")) title.remove(); /* the label stays */

function showValue(mark) {
  bubble.hidden = !mark;
  if (!mark) return;
  bubble.textContent = mark.getAttribute("aria-label");
  const box = mark.getBoundingClientRect(), right = document.documentElement.clientWidth - bubble.offsetWidth - 8;
  bubble.style.left = `${Math.max(8, Math.min(box.left + box.width / 2, right)) + scrollX}px`;
  bubble.style.top = `${box.bottom + scrollY}px`;
}
addEventListener("pointerover", event => {
  if (event.target.closest(".chart-value")) return;
  showValue(event.target.closest(".value") || document.activeElement.closest(".value"));
});
addEventListener("focusin", event => showValue(event.target.closest(".value")));
addEventListener("focusout", () => showValue(null));
addEventListener("keydown", event => {
  if (event.key === "Escape") showValue(null);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const chart = document.activeElement.closest(".chart");
  if (!step || !chart) return;
  event.preventDefault();
  const marks = [...chart.querySelectorAll(".value")];
  marks[(marks.indexOf(document.activeElement) + step + marks.length) % marks.length].focus();
});

/* Escape closes the explanation of a term; it opens to the left where there is more room */
const marks = [...document.querySelectorAll(".term")];
const open_again = event => event.currentTarget.classList.remove("closed");
for (const mark of marks) {
  const place = () => mark.classList.toggle("left", mark.getBoundingClientRect().left > innerWidth / 2);
  mark.addEventListener("pointerenter", place);
  mark.addEventListener("focus", place);
  mark.addEventListener("pointerleave", open_again);
  mark.addEventListener("blur", open_again);
}
addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  for (const mark of document.querySelectorAll(".term:hover, .term:focus")) mark.classList.add("closed");
});

/* tables: a button in each header sorts, a field above long tables filters */
const SECONDS = { d: 86400, h: 3600, min: 60, s: 1, ms: 0.001 };

function text(cell) { return cell ? cell.textContent.trim() : ""; }

/* durations like "1 min 23 s" in seconds; other text that starts with a number as that number; else NaN */
function number(cell) {
  if (cell && cell.dataset.sort) return Number(cell.dataset.sort);
  const plain = text(cell).replace(/,(?=\d{3})/g, "").replace(/^[\u2212]/, "-").replace(/^[<>\u2248~p=\s]+/, "");
  const parts = [...plain.matchAll(/([\d.]+) (d|h|min|s|ms)(?![a-z])/g)];
  if (parts.length && plain === parts.map(part => part[0]).join(" ")) {
    return parts.reduce((sum, part) => sum + part[1] * SECONDS[part[2]], 0);
  }
  return /^[-+]?[\d.]+(?!\d*-\d)/.test(plain) ? parseFloat(plain) : NaN;
}

function sort(table, column, down) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({ row, place, cell: row.cells[column] }));
  const numeric = rows.every(({ cell }) => /^[-\s]*$/.test(text(cell)) || !Number.isNaN(number(cell)));
  const order = (a, b) => {
    const [one, two] = [a, b].map(({ cell }) => numeric ? number(cell) : text(cell));
    const [empty, none] = [one, two].map(value => value === "" || Number.isNaN(value));
    if (empty || none) return empty - none || a.place - b.place;  // what is missing comes last
    const ascending = numeric ? one - two : one.localeCompare(two, "en", { numeric: true });
    return (down ? -ascending : ascending) || a.place - b.place;
  };
  body.append(...rows.sort(order).map(({ row }) => row));
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const headers = table.tHead ? [...table.tHead.rows[table.tHead.rows.length - 1].cells] : [];
  const shift = table.tBodies[0].rows[0].cells.length - headers.length;  // an index may have no header
  headers.forEach((header, place) => {
    if (header.tagName !== "TH" || !text(header)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.setAttribute("aria-label", `sort by ${text(header)}`);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      headers.forEach(other => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, place + shift, down);
    });
    header.append(button);
  });
}

for (const table of document.querySelectorAll("table[data-filterable]")) {
  const rows = [...table.tBodies[0].rows];
  const label = document.createElement("label"), field = document.createElement("input");
  const status = document.createElement("span");
  label.className = "filter";
  field.type = "search";
  status.setAttribute("role", "status");
  label.append("Filter ", field);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    const left = rows.filter(row => !row.hidden).length;
    status.textContent = left < rows.length ? `${left} of ${rows.length} rows` : "";
  });
  const box = document.createElement("div");
  box.className = "tools";
  box.append(label, status);
  table.parentElement.before(box);
}

/* how long ago the newest event was, for whoever reads the page now */
for (const time of document.querySelectorAll("[data-ago]")) {
  const days = Math.floor((Date.now() - new Date(time.dateTime)) / 86400000);
  if (days >= 0) time.after(days ? `, ${days.toLocaleString("en")} day${days > 1 ? "s" : ""} ago` : ", less than a day ago");
}

/* the search page: sections with all the words, each with the text around the first of them */
const AROUND = 90;  // characters
const search = document.getElementById("search");
if (search) {
  const field = search.querySelector("input"), status = search.querySelector("[role=status]");
  const hits = [...document.querySelectorAll(".hits li")].map(hit => {
    const line = hit.querySelector("p");
    return { hit, line, full: line ? line.textContent : "", all: hit.textContent.toLowerCase() };
  });
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { hit, line, full, all } of hits) {
      hit.hidden = !words.every(word => all.includes(word));
      if (line) excerpt(line, full, words);
    }
    const left = hits.filter(({ hit }) => !hit.hidden).length;
    status.textContent = words.length ? `${left} of ${hits.length} sections` : "";
  };
  search.hidden = false;
  field.addEventListener("input", show);
  field.focus();
}

function excerpt(line, full, words) {
  const word = words.find(word => full.toLowerCase().includes(word));
  if (!word) { line.textContent = full; return; }
  const place = full.toLowerCase().indexOf(word), from = Math.max(0, place - AROUND);
  const mark = document.createElement("mark");
  mark.textContent = full.slice(place, place + word.length);
  line.replaceChildren((from ? "… " : "") + full.slice(from, place), mark, full.slice(place + word.length));
}

reach();
