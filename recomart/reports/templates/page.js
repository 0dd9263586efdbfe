"use strict";
/* The only script of all pages. Without it, pages are complete: it opens folds, and makes tables sortable. */

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
