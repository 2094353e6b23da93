"use strict";

// Sorts the table by the column whose heading was clicked. Cells say in data-value what they are
// sorted by: numbers by size, everything else as text, and what is empty comes last.

const table = document.getElementById("tracks");
const body = table.tBodies[0];

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [first, second] = [Number(a), Number(b)];
  if (!Number.isNaN(first) && !Number.isNaN(second)) return first - second;
  return a.localeCompare(b, undefined, { numeric: true });
}

function sortBy(column) {
  const heading = table.tHead.rows[0].cells[column];
  const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.value;
  const rows = [...body.rows].sort((a, b) => {
    if (value(a) === "" || value(b) === "") return compare(value(a), value(b));
    return sign * compare(value(a), value(b));
  });
  body.append(...rows);
}

[...table.tHead.rows[0].cells].forEach((cell, column) => {
  cell.querySelector("button").addEventListener("click", () => sortBy(column));
});
