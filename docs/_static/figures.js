// Draws every figure of a page in the page's colours, and anew when the reader changes them. On a light page a
// figure has the template that it was made with, on a dark page that of `fpanalysis_dark` (FIGURES_DARK).
(() => {
  const page = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const own = new Map(); // figure -> its own template

  // Before the theme's script has run, "auto" and nothing mean what the system says.
  function onDark() {
    const theme = page.dataset.theme;
    return theme === "dark" || (theme !== "light" && system.matches);
  }

  function template(figure) {
    return onDark() ? FIGURES_DARK.layout.template : own.get(figure);
  }

  // Figures are drawn while the page is read: choosing the template here spares a light flash on a dark page.
  const newPlot = Plotly.newPlot;
  Plotly.newPlot = (target, data, layout, config) => {
    const figure = typeof target === "string" ? document.getElementById(target) : target;
    own.set(figure, layout.template);
    return newPlot(figure, data, { ...layout, template: template(figure) }, config);
  };

  let dark = onDark();
  new MutationObserver(() => {
    if (dark === onDark()) return;
    dark = onDark();
    own.forEach((_, figure) => Plotly.relayout(figure, { template: template(figure) }));
  }).observe(page, { attributes: true, attributeFilter: ["data-theme"] });
})();
