// What is wrong with the figures of a page, as sentences; run in the page by test_pages.py.
() => {
  const found = [];
  const number = (color) => color.match(/[\d.]+/g).map(Number);
  const rectangle = (element) => element.getBoundingClientRect();

  function overlap(a, b) {
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return width > 1 && height > 1;
  }

  function isWithin(inner, outer) {
    return inner.left >= outer.left - 1 && inner.right <= outer.right + 1 &&
      inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  }

  // Where data are drawn: one rectangle for each pair of axes, none for a scene, which its legend may share.
  function areas(figure, frame) {
    return Object.values(figure._fullLayout._plots || {}).map(({ xaxis, yaxis }) => {
      const left = frame.left + xaxis._offset, top = frame.top + yaxis._offset;
      return { left, top, right: left + xaxis._length, bottom: top + yaxis._length };
    });
  }

  function isDark(color) {
    const [red, green, blue] = number(color);
    return (red + green + blue) / 3 < 128;
  }

  function check(figure, say) {
    const frame = rectangle(figure);
    const layout = figure._fullLayout;
    if (!figure._fullData.length || figure.calcdata.length !== figure._fullData.length) say("has no traces");
    for (const name of layout._subplots.gl3d) {
      const gl = layout[name]._scene.glplot?.gl;
      if (!gl || gl.isContextLost()) say(`lost its ${name}`);
    }
    const sheet = getComputedStyle(document.body).backgroundColor;
    const paper = getComputedStyle(figure.querySelector(".main-svg")).backgroundColor;
    if (isDark(sheet) !== isDark(paper)) say(`is ${paper} on a page of ${sheet}`);

    const plotted = areas(figure, frame);
    const legends = [...figure.querySelectorAll("g.legend > .bg")].map(rectangle);
    for (const area of plotted) {
      const [width, height] = [area.right - area.left, area.bottom - area.top];
      if (width < 25 || height < 25) say(`leaves ${Math.round(width)} × ${Math.round(height)} pixels to the data`);
    }
    for (const legend of legends) {
      if (!isWithin(legend, frame)) say("cuts its legend off");
      if (plotted.some((area) => overlap(area, legend))) say("has its legend over the data");
    }
    for (const text of figure.querySelectorAll(".main-svg text")) {
      const words = text.textContent.slice(0, 60), place = rectangle(text);
      if (!words.trim() || !place.width || text.closest(".hoverlayer, .legend, .crisp")) continue;
      if (!isWithin(place, frame)) say(`cuts off "${words}"`);
      if (legends.some((legend) => overlap(place, legend))) say(`has its legend over "${words}"`);
      const isTitle = text.matches(".gtitle, .gsubtitle, .xtitle, .ytitle, .x2title, .y2title");
      if (isTitle && plotted.some((area) => overlap(place, area))) say(`has "${words}" over the data`);
    }
  }

  const figures = [...document.querySelectorAll(".plotly-graph-div")];
  figures.forEach((figure, index) => {
    const title = figure._fullLayout.title.text?.slice(0, 40) || "no title";
    check(figure, (what) => found.push(`figure ${index + 1} (${title}) ${what}`));
  });
  const { scrollWidth } = document.scrollingElement;
  if (scrollWidth > innerWidth + 1) found.push(`the page is ${scrollWidth} pixels wide`);
  return found;
}
