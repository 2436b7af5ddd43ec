"use strict";
// A click on a column's title sorts by it, another turns the order round; what is unknown stays last.
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
  const key = (row) => row.cells[header.cellIndex].dataset.key;
  const order = compare(header.dataset.kind === "number", up);
  body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
};
document.documentElement.classList.add("script");
for (const button of document.querySelectorAll("th button")) {
  button.disabled = false;
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
