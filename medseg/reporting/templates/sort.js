for (const button of document.querySelectorAll(".sortable thead button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const descending = heading.ariaSort === "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.ariaSort = descending ? "descending" : "ascending";
    const body = heading.closest("table").tBodies[0];
    const value = (row) => row.cells[heading.cellIndex].textContent.trim();
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "–" || y === "–") return (x === "–") - (y === "–");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return descending ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
  });
}
