"""Recorded figures: annotated, saved under names that tell them apart, drawn as images."""

import os
import stat
import time

import needs
import pandas as pd
import pytest
import xarray as xr
from plotly import graph_objects as go

import fpanalysis as fpa
from fpanalysis.records import images

MODELS = fpa.datasets.reaching_ensemble().models[12:14]


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with fpa.open_store(tmp_path_factory.mktemp("results")) as store:
        for std, model in zip((0.4, 0.8), MODELS, strict=True):
            record = store.add_model(model, {"perturbation": {"field_std": std, "method": "std"}})
            for amplitude in (1, 2):
                ds = xr.Dataset({"x": ("i", [std, float(amplitude)])})
                parent = store.add_evaluation(ds, type="states", parents=[record], amplitude=amplitude)
                fig = go.Figure(go.Scatter(y=ds["x"].values, name="<b>"))
                fig.update_layout(title_text="Spectrum" if std == 0.4 else None)
                store.add_figure(fig, type="spectrum", parents=[parent], n_modes=3, words="a/b: ü")
        store.add_figure(go.Figure(), type="empty", parents=[])
        yield store


def test_a_line_says_what_distinguishes_each_figure(db):
    plain = db.figures.where(type="spectrum").load()
    figures = db.figures.where(type="spectrum").load(annotate="varying")
    lines = [figure.layout.title.subtitle.text for figure in figures]
    assert lines == [f"field_std = {std}, amplitude = {a}" for std in (0.4, 0.8) for a in (1, 2)]
    assert [figure.layout.title.text for figure in figures] == ["Spectrum"] * 2 + ["spectrum"] * 2
    assert all(figure.layout.title.subtitle.text is None for figure in plain)
    (alone,) = db.figures.where(type="empty").load(annotate="varying")
    assert alone.layout.title.subtitle.text is None


def test_names_are_made_from_what_varies(db, tmp_path):
    index = db.figures.save(tmp_path / "out", formats=["html", "json"], progress=False)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"plotly.min.js", "index.csv"} < names and len(names) == 2 + 2 * 5
    for row in index.itertuples():
        assert {f"{row.name}.html", f"{row.name}.json"} < names
        assert row.name.endswith(f"_{row.hash[:8]}")
    assert index["name"].tolist()[0].startswith("spectrum_field_std=0.4_amplitude=1_")
    table = pd.read_csv(tmp_path / "out" / "index.csv", dtype=str, keep_default_na=False)
    assert table["train.perturbation.field_std"].tolist() == ["0.4", "0.4", "0.8", "0.8", ""]
    assert table["own.words"].tolist()[0] == "a/b: ü"
    page = (tmp_path / "out" / f"{index['name'][0]}.html").read_text()
    assert "plotly.min.js" in page and "https://cdn" not in page and len(page) < 100_000
    exact = (tmp_path / "out" / f"{index['name'][0]}.json").read_text()
    assert exact == db.figures.where(type="spectrum").load()[0].to_json()


def test_names_stay_short_and_plain(db, tmp_path):
    for words in ("x" * 500, "a/b\\c:*?<>|\n"):
        db.add_figure(go.Figure(layout_title_text=words), type="odd/type", parents=[], words=words)
    index = db.figures.where(type="odd/type").save(tmp_path, formats=["json"], progress=False)
    assert all(len(name) < 140 and name.isprintable() and "/" not in name for name in index["name"])
    assert len(list(tmp_path.glob("odd-type_words=*.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"formats": ["htm"]}, ValueError, "'htm'.*did you mean 'html'"),
        ({"formats": []}, ValueError, "got none"),
        ({"formats": "html"}, TypeError, "expected a list"),
        ({"annotate": "all"}, ValueError, "annotate: expected 'varying'"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named(db, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        db.figures.save(tmp_path / "out", **arguments)
    with pytest.raises(ValueError, match="no figure meets"):
        db.figures.where(type="nothing").save(tmp_path / "out")


def test_images_are_drawn_by_one_browser(db, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", needs.browser())
    chosen = db.figures.where(type="spectrum")
    index = chosen.save(tmp_path, formats=["svg", "png", "pdf"], annotate="varying", progress=False)
    for name in index["name"]:
        assert b"field_std = 0" in (tmp_path / f"{name}.svg").read_bytes()
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_without_a_browser_there_is_a_clear_error_and_all_else(db, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeError, match="Chrome or Chromium, and none was found.*apt-get install"):
        db.figures.where(type="empty").save(tmp_path / "out", formats=["json", "svg"], progress=False)
    assert len(list((tmp_path / "out").glob("*.json"))) == 1
    assert list((tmp_path / "out").glob("*.svg")) == []


@pytest.mark.skipif(os.name != "posix", reason="the browser of the test is a shell script")
@pytest.mark.parametrize("does", ["sleep 600", "exit 1", "echo nonsense; exec sleep 600"])
def test_a_browser_that_hangs_or_dies_is_stopped(db, tmp_path, monkeypatch, does):
    path = tmp_path / "browser"
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("BROWSER_PATH", str(path))
    monkeypatch.setattr(images, "_START", 4.0)
    monkeypatch.setattr(images, "_EACH", 1.0)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="formats: the browser that draws images"):
        db.figures.where(type="empty").save(tmp_path / "out", formats=["png"], progress=False)
    assert time.monotonic() - began < 30
