"""Pages with figures, in a browser that finds no network: all is drawn and can be read (`make browser`)."""

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio
import pytest
from needs import browser as chromium
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from reach_data import profiles, reaches

import fpanalysis.measures
import fpanalysis.plot

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "_build" / "html"
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

# Says what is wrong with the figures of a page.
CHECKS = (ROOT / "tests" / "pages.js").read_text(encoding="utf-8")
# Says whether all figures are drawn, as wide as the page has room.
DRAWN = """count => {
    const figures = [...document.querySelectorAll(".plotly-graph-div")];
    return figures.length === count && figures.every((figure) => figure.calcdata &&
        figure.querySelector(".main-svg") && figure._fullLayout.width === figure.clientWidth);
}"""
# Advice on speed, to plotly.js and to computers without a graphics card.
ADVICE = re.compile("GPU stall due to ReadPixels|software WebGL|willReadFrequently")


def _figures(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("Plotly.newPlot(")


PAGES = [path for path in sorted(SITE.rglob("*.html")) if _figures(path)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright leaves Chromium's sandbox off, which does not work for root.
    with sync_playwright() as playwright:
        offline = ["--host-resolver-rules=MAP * ~NOTFOUND"]
        browser = playwright.chromium.launch(executable_path=chromium(), args=offline)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path) -> Iterator[tuple[Page, list[str]]]:
    """Open a page, dark and narrow; give it, and a list of what goes wrong in it."""
    wrong: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not ADVICE.search(message.text):
            wrong.append(f"{message.type}: {message.text}")

    def requested(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            wrong.append(f"request: {request.url}")

    context = browser.new_context(color_scheme="dark", viewport={"width": 400, "height": 900})
    context.set_default_timeout(120_000)  # ms; without a graphics card, scenes take seconds
    page = context.new_page()
    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", requested)
    page.goto(path.as_uri())
    yield page, wrong
    context.close()


def _look(page: Page, path: Path, mode: str, width: int) -> list[str]:
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function("mode => document.documentElement.dataset.theme === mode", arg=mode)
    page.wait_for_function(DRAWN, arg=_figures(path))
    return [f"{mode}, {width} pixels: {what}" for what in page.evaluate(CHECKS)]


@pytest.mark.browser
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_figures_of_page_are_drawn_and_can_be_read(browser, path):
    with opened(browser, path) as (page, wrong):
        wrong += _look(page, path, "dark", 400)
        wrong += _look(page, path, "dark", 1280)
        page.emulate_media(color_scheme="light")
        wrong += _look(page, path, "light", 1280)
        wrong += _look(page, path, "light", 400)
    assert not wrong, "\n".join([f"{path.name}:", *wrong])


@pytest.mark.browser
def test_figures_follow_the_button_of_the_page(browser):
    path = min(PAGES, key=_figures)
    with opened(browser, path) as (page, wrong):
        page.set_viewport_size({"width": 1280, "height": 900})
        for mode in ("light", "dark"):
            page.locator(".theme-switch-button").first.click()
            page.locator(f"button[data-mode={mode}]").first.click()
            wrong += _look(page, path, mode, 1280)
    assert not wrong, "\n".join(wrong)


@pytest.mark.browser
def test_long_names_are_not_cut_off(browser, tmp_path):
    ds = reaches()
    ds["force"] = ds["force"].assign_attrs(long_name="force of the muscles of shoulder and elbow at the hand")
    peak = fpanalysis.measures.peak_force(
        ds.assign_coords(method=["a_method_of_long_name", "another_method"])
    )
    figures = [
        profiles(ds, "force"),
        fpanalysis.plot.compare(peak, by="method"),
        fpanalysis.plot.compare(peak.stack(run=["method", "replicate"]).reset_index("run"), by="run"),
    ]
    page = "".join(
        figure.to_html(full_html=False, include_plotlyjs=number == 0, config={"responsive": True})
        for number, figure in enumerate(figures)
    )
    path = tmp_path / "long.html"
    path.write_text(f"<!DOCTYPE html><body style='background: white; margin: 0'>{page}</body>", "utf-8")
    with opened(browser, path) as (page, wrong):
        page.wait_for_function(DRAWN, arg=len(figures))
        wrong += page.evaluate(CHECKS)
    assert not wrong, "\n".join(wrong)


@pytest.mark.browser
def test_every_example_has_figures():
    assert SITE.exists(), "the pages are not built: make docs"
    examples = [f"auto_examples/{path.stem}" for path in (ROOT / "examples").glob("plot_*.py")]
    notebooks = [f"notebooks/{path.stem}" for path in NOTEBOOKS]
    found = {str(path.relative_to(SITE).with_suffix("")) for path in PAGES}
    assert {"figures", *examples, *notebooks} <= found


def test_figure_at_the_end_of_a_block_is_shown_like_any_other(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    monkeypatch.setattr(pio.renderers, "default", pio.renderers.default)
    figures = importlib.import_module("figures")
    figures.reset({}, "")
    figure = go.Figure(go.Scatter(y=[1, 2]), layout={"width": 700})
    block = {"example_globals": {"___": figure}}
    shown = figures.scraper((), block, {})
    assert shown.count("Plotly.newPlot(") == 1 and "<script src" not in shown and "max-width: 700px" in shown
    assert block == {"example_globals": {"___": None}}
    pio.show(figure)
    again = figures.scraper((), block, {})
    first, second = (re.search('id="(.*?)"', html) for html in (shown, again))
    assert first and second and first[1] != second[1]


def test_page_of_figures_shows_every_function():
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```{code-cell}.*?\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    assert [name for name in fpanalysis.plot.__all__ if f"plot.{name}(" not in code] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
