// Measures the page it is put into and reports to the page around it.
addEventListener("error", (event) => parent.postMessage({ error: event.message }, "*"));
addEventListener("load", () => {
  const name = (e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`;
  const box = (e) => e.getBoundingClientRect();
  const seen = (e) => box(e).width > 0 && box(e).height > 0;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  const overlaps = (a, b) => {
    const [p, q] = [box(a), box(b)];
    return p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1;
  };
  const overlapping = [];
  for (const parent of all("body, header, main, section, div, figure, details, dl, tr")) {
    if (parent.matches(".stack")) continue;  // its mark lies on the picture
    const children = [...parent.children].filter(seen);
    children.forEach((a, place) => {
      for (const b of children.slice(place + 1)) if (overlaps(a, b)) overlapping.push(name(a) + " | " + name(b));
    });
  }
  const board = document.querySelector("#leaderboard ~ .scroll");
  const order = () => [...board.querySelectorAll("th[scope=row]")].map((e) => e.textContent);
  const dice = [...board.querySelectorAll("thead button")].find((b) => b.textContent === "Dice");
  const sorted = [0, 1].map(() => (dice.click(), order()));
  const figure = document.querySelector("figure.slices");
  const slide = (value) => {
    const slider = figure.querySelector("input");
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    const strip = figure.querySelector(".strip");
    return { text: slider.getAttribute("aria-valuetext"), top: box(strip).top, height: box(figure.querySelector(".stack")).height };
  };
  const slides = [slide(0), slide(1)];
  const disagreed = document.querySelector("div.slices");
  const tops = () => [...disagreed.querySelectorAll(".strip")].map((strip) => box(strip).top);
  const before = tops();
  const slider = disagreed.querySelector("input");
  slider.value = slider.value === "0" ? 1 : 0;
  slider.dispatchEvent(new Event("input"));
  const links = [...document.querySelectorAll("#contents a")];
  const report = {
    screenWidth: innerWidth,
    pageWidth: document.documentElement.scrollWidth,
    outside: all("body *").filter((e) => !e.closest(".scroll, .stack") && (box(e).left < -1 || box(e).right > innerWidth + 1)).map(name),
    overlapping,
    cut: all("th, td, button, summary, figcaption, dt, dd").filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth).map(name),
    pictures: document.images.length,
    broken: [...document.images].filter((e) => e.complete && !e.naturalWidth).map((e) => e.alt),
    sorted,
    sortable: seen(dice),
    ariaSort: dice.parentElement.getAttribute("aria-sort"),
    slides,
    seen: figure.querySelector(".place").textContent,
    together: tops().filter((top, place) => Math.abs(top - before[place]) > 1).length,
    contents: links.map((link) => link.textContent),
  };
  links.at(-1).click();
  report.arrived = Math.abs(box(document.querySelector("#definitions")).top) < innerHeight;
  parent.postMessage(report, "*");
});
