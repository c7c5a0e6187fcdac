for (const button of document.querySelectorAll(".sortable thead button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const isText = heading.classList.contains("text");
    const descending = heading.ariaSort === "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.ariaSort = descending ? "descending" : "ascending";
    const value = (row) => {
      const cell = row.cells[heading.cellIndex];
      return (cell.dataset.value ?? cell.textContent).trim();
    };
    const number = (text) => parseFloat(text.replace("<", ""));
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "–" || y === "–") return (x === "–") - (y === "–");
      const order = isText ? x.localeCompare(y) : number(x) - number(y);
      return descending ? -order : order;
    };
    for (const body of heading.closest("table").tBodies) {  // one a group, whose first line is its name
      body.append(...[...body.rows].filter((row) => row.className !== "group").sort(compare));
    }
  });
}
