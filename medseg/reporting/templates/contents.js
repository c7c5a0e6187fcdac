// made here, not in the page: inside another page's frame a link of its own would lead to that page
const contents = document.getElementById("contents");
for (const heading of document.querySelectorAll("main h2")) {
  const link = document.createElement("a");
  link.href = "#" + heading.id;
  link.textContent = heading.textContent;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    heading.scrollIntoView();
  });
  contents.append(link);
}
contents.hidden = false;
