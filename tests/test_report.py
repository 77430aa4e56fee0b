"""A report is one page that holds what fits, says what does not, and loads nothing."""

import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from needs import browser
from playwright.sync_api import sync_playwright
from plot_data import build

import fpanalysis as fpa
from fpanalysis.plot import _fitting, _report


@pytest.fixture(autouse=True)
def short(monkeypatch, request):
    """Leave out plotly.js, four megabytes that take long to read, where a test does not need it."""
    if "whole" not in request.fixturenames:
        monkeypatch.setattr(_report, "get_plotlyjs", lambda: "// plotly.js")


@pytest.fixture
def whole():
    """Keep plotly.js in the page."""


def movements():
    """Return reaches of two methods in five directions."""
    rng = np.random.default_rng(0)
    angle = np.arange(5) * 2 * np.pi / 5
    goals = 0.2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    share = np.minimum(np.linspace(0, 1.5, 30), 1.0)[:, None]
    position = goals[:, None] * share + rng.normal(size=(2, 5, 30, 2)) * 1e-3
    trial = ("trial", "time", "axis")
    return xr.Dataset(
        {
            "position": (("method", *trial), position, {"units": "m", "long_name": "position"}),
            "velocity": (("method", *trial), np.gradient(position, 0.05, axis=2), {"units": "m/s"}),
            "force": (("method", *trial), rng.normal(size=position.shape), {"units": "N"}),
            "start": (("trial", "axis"), np.zeros((5, 2)), {"units": "m"}),
            "target_position": (trial, np.broadcast_to(goals[:, None], (5, 30, 2)), {"units": "m"}),
        },
        coords={
            "method": ["active", "std"],
            "trial": np.arange(5),
            "time": ("time", np.arange(1, 31) * 0.05, {"units": "s"}),
            "axis": ["x", "y"],
            "direction": ("trial", angle, {"units": "rad"}),
        },
        attrs={"created": "2030-01-02T03:04:05+00:00", "fpanalysis_version": "9.8.7", "dt": 0.05},
    )


def history():
    loss = np.exp(-np.arange(60.0)).reshape(2, 15, 2)
    coords = {"method": ["a", "b"], "iteration": np.arange(15), "term": ["x", "y"]}
    return xr.Dataset({"loss": (("method", "iteration", "term"), loss)}, coords)


class Page(HTMLParser):
    """What is in a page: tags with their attributes, text, and the content of its scripts."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.scripts, self.within = [], [], {}, None
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.within = (tag, dict(attrs).get("id"))

    def handle_endtag(self, tag):
        self.within = None

    def handle_data(self, data):
        if self.within and self.within[0] == "script":
            self.scripts[self.within[1]] = data
        else:
            self.text.append(data)

    def calls(self):
        return [html.unescape(call) for call in re.findall(r"<code>(fpa\.plot\..*?)</code>", self.source)]

    def figures(self):
        return [json.loads(text) for name, text in self.scripts.items() if re.match(r"figure-\d", name or "")]


def written(tmp_path, ds, **options):
    return Page(fpa.plot.report(ds, tmp_path / "report.html", **options))


def test_movements_come_with_their_figures_and_measures(tmp_path):
    ds = movements()
    page = written(tmp_path, ds)
    calls = page.calls()
    assert calls[:4] == [
        "fpa.plot.trajectories(ds, color='direction')",
        "fpa.plot.aligned_trajectories(ds, color='method')",
        "fpa.plot.profiles(ds, 'velocity', color='method')",
        "fpa.plot.profiles(ds, 'force', color='method')",
    ]
    assert "fpa.plot.compare(fpa.measures.peak_force(ds), by='method')" in calls
    assert len(page.figures()) == len(calls) == 9
    for call, figure in zip(calls, page.figures(), strict=True):
        made = json.loads(eval(call, {"fpa": fpa, "ds": ds}).to_json())
        assert figure["data"] == made["data"]
        assert figure["layout"] == {k: v for k, v in made["layout"].items() if k != "template"}
    assert "created 2030-01-02T03:04:05+00:00 with fpanalysis 9.8.7" in page.source


@pytest.mark.parametrize(
    ("ds", "title", "calls"),
    [
        (
            build(),
            "Fixed points",
            ["fpa.plot.spectrum(ds, color='context')", "fpa.plot.fixed_points(ds)"],
        ),
        (history(), "Training", ["fpa.plot.loss_history(ds)", "fpa.plot.loss_history(ds, color='method')"]),
        (
            movements()[["velocity"]].rename(velocity="y", axis="output"),
            "Simulation",
            ["fpa.plot.profiles(ds, 'y', color='method')"],
        ),
    ],
)
def test_what_a_dataset_holds_decides(tmp_path, ds, title, calls):
    page = written(tmp_path, ds)
    assert f"<h1>{title}</h1>" in page.source
    assert page.calls()[: len(calls)] == calls


def test_what_cannot_be_drawn_is_said_with_the_reason(tmp_path):
    page = written(tmp_path, build().drop_vars("eigenvalue"))
    shown, left_out = page.source.split("<h2>Left out</h2>")
    assert "fpa.plot.fixed_points(ds)" in shown and "fpa.plot.spectrum" not in shown
    assert "fpa.plot.spectrum(ds, color=&#x27;context&#x27;)</code>: ds: it has no variable" in left_out
    assert "call fpa.follow(ds, &quot;context&quot;) first" in left_out
    trail = written(tmp_path, build(conditions={"time": [0.1, 0.2]}))
    assert "fpa.plot.fixed_point_trail(ds, states)</code>: states: the movements are in" in trail.source
    whole = written(tmp_path, history())
    assert "Left out" not in whole.source


def test_a_dataset_that_no_figure_fits_has_a_page(tmp_path):
    page = written(tmp_path, xr.Dataset({"a": ("b", [1.0, 2.0])}))
    assert "No figure could be made of this dataset." in page.source
    assert page.figures() == []
    assert written(tmp_path, xr.Dataset()).source.count("<p>none</p>") == 3


def test_tables_say_what_is_in_the_dataset(tmp_path):
    ds = movements()
    ds["kind"] = ("trial", np.zeros(5, np.int8), {"flag_meanings": "none fixed", "long_name": "the kind"})
    source = written(tmp_path, ds).source
    assert "<td>time</td><td>30</td><td>0.05, 0.1, …, 1.5 s</td>" in source
    assert "<td>method</td><td>2</td><td>active, std</td>" in source
    assert (
        "<td>position</td><td>position</td><td>method, trial, time, axis</td><td>m</td><td>float64</td>"
        in source
    )
    assert "<td>kind</td><td>the kind: none fixed</td>" in source
    assert "<td>dt</td><td>0.05</td>" in source


def test_configurations_are_pretty_and_folded(tmp_path):
    config = {"task": {"kind": "reach", "steps": [1, 2]}}
    ds = history().assign_attrs(configuration=json.dumps(config), rule="word " * 60, odd="{not json")
    source = written(tmp_path, ds).source
    folded = re.findall(r"<details><summary>(.*?)</summary><pre>(.*?)</pre></details>", source, re.DOTALL)
    assert len(folded) == 2
    assert html.unescape(folded[0][1]) == json.dumps(config, indent=2)
    assert folded[1][0] == "text, 300 characters"
    assert "<td>{not json</td>" in source


def test_all_text_is_escaped(tmp_path):
    evil = "</script><script>alert('x')</script>&\"$title"
    ds = movements().assign_coords(method=[evil, "b"]).rename(direction="<i>").assign_attrs({evil: evil})
    ds["position"].attrs |= {"long_name": evil, "units": evil}
    page = written(tmp_path, ds, title=evil)
    assert "alert(" not in "".join(text for name, text in page.scripts.items() if name is None)
    assert not [tag for tag, attrs in page.tags if tag == "i"]
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 3 + len(page.figures())
    assert page.text.count(evil) >= 4
    assert len(page.figures()) == 9


def test_the_page_loads_nothing_and_holds_plotly_once(tmp_path, whole):
    page = written(tmp_path, movements())
    assert [attrs for _, attrs in page.tags if "src" in attrs] == []
    assert {attrs["href"] for _, attrs in page.tags if "href" in attrs} == {"data:,"}
    assert page.source.count("plotly.js v") == 1
    assert "@import" not in page.source.split("<body>")[0]


def test_the_same_dataset_gives_the_same_page(tmp_path):
    first, second = (fpa.plot.report(movements(), tmp_path / f"{name}.html") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert first == (tmp_path / "a.html").resolve()


def test_a_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old page")

    def broken(*args, **kwargs):
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr(_fitting, "loss_history", broken)
    with pytest.raises(ValueError, match="broadcast"):
        fpa.plot.report(history(), path)
    assert path.read_text() == "the old page"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("unchecked")
def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(TypeError, match="ds: expected an xarray.Dataset, got DataArray"):
        fpa.plot.report(history().loss, tmp_path / "a.html")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="path: expected a name that ends in '.html', got 'a.pdf'"):
        fpa.plot.report(history(), tmp_path / "a.pdf")
    with pytest.raises(FileNotFoundError, match="path: the folder .* does not exist"):
        fpa.plot.report(history(), tmp_path / "no" / "a.html")
    (tmp_path / "b.html").mkdir()
    with pytest.raises(IsADirectoryError, match="path: .*is a folder"):
        fpa.plot.report(history(), tmp_path / "b.html")


def test_in_a_browser_every_figure_is_drawn_in_light_and_dark(tmp_path, whole):
    path = fpa.plot.report(movements(), tmp_path / "report.html")
    wrong = []
    drawn = "() => [...document.querySelectorAll('.plotly-graph-div')].filter((each) => each.calcdata).length"
    ground = "() => getComputedStyle(document.querySelector('.main-svg')).backgroundColor"
    with sync_playwright() as playwright:
        offline = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        chromium = playwright.chromium.launch(executable_path=browser(), args=offline)
        page = chromium.new_page(color_scheme="light", viewport={"width": 400, "height": 900})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_function(f"({drawn})() === 9")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"({ground})() === 'rgb(20, 24, 30)'")
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"
        assert page.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth")
        chromium.close()
    assert [each for each in wrong if not each.startswith(("data:", "blob:"))] == [path.as_uri()]
