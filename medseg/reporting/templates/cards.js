// On a phone every row of a table becomes a card (report.css), whose cells carry their own headings.
for (const table of document.querySelectorAll(".scroll table")) {
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const cell of table.querySelectorAll("tbody td")) cell.dataset.label = headings[cell.cellIndex];
  // a row that is laid out as a block would no longer be read out as one
  const roles = { "thead, tbody": "rowgroup", tr: "row", td: "cell", "th[scope=row]": "rowheader", "th[scope=col]": "columnheader" };
  table.role = "table";
  for (const [selector, role] of Object.entries(roles)) {
    for (const element of table.querySelectorAll(selector)) element.role = role;
  }
  table.classList.add("cards");
}
