"use strict";
// The page's own script: tabs, plots in the colours of the day, and everything on paper.
(() => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const panels = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));
  const paperWidth = 680; // CSS pixels between the margins of A4
  let printing = root.classList.contains("printed");

  // Colours are named in the figures and looked up here, so that day, night and paper need one set of figures.
  const coloured = (value, style) => {
    if (Array.isArray(value)) return value.map((one) => coloured(one, style));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one, style)]));
    }
    if (typeof value !== "string" || !value.startsWith("var(--")) return value;
    return style.getPropertyValue(value.slice(4, -1)).trim();
  };

  const draw = (figure) => {
    const place = document.getElementById(`plot-${figure.name}`);
    if (!window.Plotly || (!printing && place.closest("[hidden]"))) return;
    const width = printing ? paperWidth : place.clientWidth;
    const narrow = width < 560;
    const layout = { ...figure.layout, width, height: figure.height };
    if (narrow) layout.font = { ...layout.font, size: 11 };
    const style = getComputedStyle(root);
    window.Plotly.react(place, coloured(figure.data, style), coloured(layout, style), {
      displayModeBar: false, responsive: false, scrollZoom: false,
    });
    place.dataset.drawn = "yes";
  };
  const drawAll = () => figures.forEach(draw);

  const select = (tab, { focus }) => {
    tabs.forEach((one, at) => {
      const chosen = one === tab;
      one.setAttribute("aria-selected", String(chosen));
      one.tabIndex = chosen ? 0 : -1;
      panels[at].hidden = !chosen && !printing;
    });
    if (focus) tab.focus();
    tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    drawAll();
  };
  const moves = { ArrowRight: 1, ArrowLeft: -1 };
  const ends = { Home: 0, End: tabs.length - 1 };
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => {
      select(tab, { focus: false });
      history.replaceState(null, "", `#${panels[at].id.slice("panel-".length)}`);
    });
    tab.addEventListener("keydown", (event) => {
      const next = event.key in moves ? (at + moves[event.key] + tabs.length) % tabs.length : ends[event.key];
      if (next === undefined) return;
      event.preventDefault();
      select(tabs[next], { focus: true });
    });
  });
  const named = () => tabs.find((_, at) => `#${panels[at].id.slice("panel-".length)}` === location.hash);

  const onPaper = (yes) => {
    printing = yes;
    select(tabs.find((tab) => tab.getAttribute("aria-selected") === "true") || tabs[0], { focus: false });
  };

  root.classList.add("scripted");
  select(named() || tabs[0], { focus: false });
  if (printing) onPaper(true);
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });

  const unpack = async () => {
    const packed = document.getElementById("plotly");
    if (!packed) return;
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(plain).text(); // allowed by its hash
    document.head.append(script);
  };
  const plain = () => {
    // Without the plots the tables are the report.
    root.classList.add("plain");
    document.querySelectorAll("figure details").forEach((one) => { one.open = true; });
  };
  unpack().then(() => { drawAll(); root.dataset.ready = "yes"; }, plain);
})();
