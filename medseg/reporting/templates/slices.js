for (const stacks of document.querySelectorAll(".slices[data-slices]")) {
  const slider = stacks.querySelector("input");
  if (!slider) continue;
  const slices = stacks.dataset.slices.split(" ");
  const show = () => {
    const text = `lice ${slices[slider.value]} of ${stacks.dataset.depth}`;
    stacks.style.setProperty("--at", slider.value);
    stacks.querySelector(".place").textContent = "S" + text;
    slider.setAttribute("aria-valuetext", "s" + text);
  };
  slider.hidden = slices.length < 2;
  slider.addEventListener("input", show);
  addEventListener("beforeprint", () => {
    slider.value = slider.defaultValue;
    show();
  });
}
