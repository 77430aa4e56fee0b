"""Draws the pictures of the gallery's index from the built pages: `make docs`, then run this file.

They are kept in `docs/_static/thumbnails`, so that building the documentation needs no browser. A new example
needs a line here, and any picture until its page is built.
"""

from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parents[1]
# Which figure of a page stands for it, counted from 0.
FIGURES = {
    "clamped_and_closed": 3,
    "exploding_losses": 1,
    "flipflop": 0,
    "goal_steady_states": 1,
    "line_attractor": 4,
    "lorenz": 0,
    "pytorch": 0,
    "records": 0,
    "ringing": 1,
    "stopped_networks": 0,
    "trail": 1,
    "two_postures": 1,
    "wilson_cowan": 3,
    "xarray": 0,
}
# Drawn anew on a small sheet, without words.
SMALL = """async (figure) => {
    const sheet = document.body.appendChild(document.createElement("div"));
    sheet.id = "small";
    sheet.style = "position: fixed; inset: 0; z-index: 9999; width: 500px; height: 350px";
    const layout = {...structuredClone(figure.layout), showlegend: false, width: 500, height: 350};
    layout.title = {automargin: false};
    layout.margin = {l: 30, r: 12, t: 12, b: 30};
    for (const place of [layout, layout.scene || {}])
        for (const name in place) if (/^[xyz]axis/.test(name)) place[name].title = {text: ""};
    await Plotly.newPlot(sheet, figure.data.map((trace) => ({...trace, showscale: false})), layout);
}"""


def main() -> None:
    """Draw one picture of 400 × 280 pixels for each page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_context(color_scheme="light", device_scale_factor=0.8).new_page()
        page.set_default_timeout(120_000)
        for name, number in FIGURES.items():
            page.goto((DOCS / "_build" / "html" / "auto_examples" / f"plot_{name}.html").as_uri())
            page.locator(".plotly-graph-div").nth(number).evaluate(SMALL)
            page.locator("#small").screenshot(path=DOCS / "_static" / "thumbnails" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
