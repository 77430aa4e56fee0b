"""Draws the pictures of the gallery's index from the built pages: `make docs`, then run this file.

They are kept in `docs/_static/thumbnails`, so that building the documentation needs no browser. A new example
needs a line here, and any picture until its page is built.
"""

from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parents[1]
# Which figure of a page stands for it, counted from 0.
FIGURES = {
    "clamped_and_closed": 1,
    "exploding_losses": 2,
    "flipflop": 1,
    "goal_steady_states": 1,
    "line_attractor": 1,
    "lorenz": 0,
    "pytorch": 0,
    "records": 0,
    "ringing": 1,
    "trail": 1,
    "wilson_cowan": 0,
    "xarray": 0,
}
# Drawn anew on a small sheet, without words.
SMALL = """async (figure) => {
    const sheet = document.body.appendChild(document.createElement("div"));
    sheet.id = "small";
    sheet.style = "position: fixed; inset: 0; z-index: 9999; width: 500px; height: 350px";
    const margin = {...figure.layout.margin, t: 12, b: 40};
    const layout = {...figure.layout, title: {}, showlegend: false, width: 500, height: 350, margin};
    await Plotly.newPlot(sheet, figure.data, layout);
}"""


def main() -> None:
    """Draw one picture of 400 × 280 pixels for each page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_context(color_scheme="light", device_scale_factor=0.8).new_page()
        for name, number in FIGURES.items():
            page.goto((DOCS / "_build" / "html" / "auto_examples" / f"plot_{name}.html").as_uri())
            page.locator(".plotly-graph-div").nth(number).evaluate(SMALL)
            page.locator("#small").screenshot(path=DOCS / "_static" / "thumbnails" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
