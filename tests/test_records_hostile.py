"""Stores from elsewhere, names that collide, texts that would be run, passwords: no one gets in or out."""

import csv
import hashlib
import io
import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from plotly import graph_objects as go
from typer.testing import CliRunner

import fpanalysis as fpa
from fpanalysis import cli
from fpanalysis.csv_text import as_text, from_text
from fpanalysis.records import StoreError, figures, places, restore
from fpanalysis.records.apart import Described

HOSTILE = [
    "=HYPERLINK(\"http://x/?\"&A1)", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "＝1", "'quoted", "'=1",
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "'; DROP TABLE records; --",
    "a\"b,c\nd", "../../etc/passwd", "javascript:alert(1)",
]  # fmt: skip


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["objects/../../outside", "/etc/hostname", "../outside", "objects/ab/outside"]
)
def test_a_record_that_names_a_file_elsewhere_is_followed_by_nobody(tmp_path, name):
    payload = b"payload"
    (tmp_path / "outside").write_bytes(payload)
    with fpa.open_store(tmp_path / "evil") as db:
        record = db.add_figure(go.Figure(), type="t", parents=[], i=1)
        sidecar = db.objects.sidecar(record.entry)
    with sqlite3.connect(tmp_path / "evil" / "records.sqlite") as connection:
        said = (name, hashlib.sha256(payload).hexdigest(), len(payload))
        connection.execute("UPDATE records SET file=?, file_sha256=?, size=?", said)
    connection.close()
    before = files(tmp_path)
    with pytest.warns(UserWarning, match="lacks 1 of 1"):
        db = fpa.open_store(tmp_path / "evil")
    with db, fpa.open_store(tmp_path / "mine") as mine:
        for act in (lambda: db.copy(db.figures, mine), db.figures.load, lambda: db.figures.one().path):
            with pytest.raises(StoreError, match="no store writes such a record"):
                act()
        assert "damaged" in set(db.check(progress=False).problem)
        db.gc(dry_run=False, min_age=0)
    assert {each for each in files(tmp_path) - before if not each.startswith(("mine/", "evil/"))} == set()
    # The same in a sidecar, with or without a checksum that fits.
    told = json.loads(sidecar.read_text())
    for changed in ({"file": name}, {"file": name, "sha256": None}, {"content_hash": "../../x"}):
        data = {k: v for k, v in {**told, **changed}.items() if v is not None}
        sidecar.write_text(json.dumps(data))
        for path in (tmp_path / "evil").glob("records.sqlite*"):
            path.unlink()
        for path in (tmp_path / "evil").glob("*.csv"):
            path.unlink()
        assert len(restore(tmp_path / "evil")) == 1
        assert {each for each in files(tmp_path) - before if not each.startswith(("mine/", "evil/"))} == set()


def test_links_out_of_a_store_are_not_followed(tmp_path):
    with fpa.open_store(tmp_path / "store") as db:
        record = db.add_figure(go.Figure(), type="t", parents=[], i=1)
        path = record.path
        path.rename(tmp_path / "outside")
        path.symlink_to(tmp_path / "outside")
        with pytest.raises(StoreError, match="leads out of the store"):
            record.load()
        side = db.objects.sidecar
        path.unlink()
        (tmp_path / "outside").rename(path)
        sidecar = side(record.entry)
        sidecar.rename(tmp_path / "told")
        sidecar.symlink_to(tmp_path / "told")
        assert set(db.check(progress=False).problem) == {"changed"}


def test_names_of_figures_never_collide(monkeypatch, tmp_path):
    about = Described("spectrum", {}, {"source": "x" * 200})
    hashes = ["01234567" + c * 56 for c in "abc"] + ["0123456789abcdef" + c * 48 for c in "de"]
    names = figures._names(dict.fromkeys(hashes, about), {})
    assert len({name.lower() for name in names.values()}) == 5
    known = {figures.file_name(about, hashes[0]).lower(): hashes[1]}
    assert len(figures._names({hashes[0]: about}, known)[hashes[0]]) == 120 + 1 + 16


def test_texts_stay_texts_everywhere(tmp_path):
    with fpa.open_store(tmp_path / "store") as db:
        for i, text in enumerate(HOSTILE):
            fig = go.Figure(go.Scatter(y=[1], name=text, text=[text]), layout_title_text=text)
            record = db.add_figure(fig, type=text, parents=[], label=text, source=text, k=i)
            db.add_figure(fig, type=text, parents=[], label=text, source=text, k=-i)
            db.tag(record, text)
            assert len(db.figures.where(type=text, label=text, source=text, tag=text)) == 1
        index = db.figures.save(tmp_path / "out", ["html", "json"], annotate="varying", progress=False)
        assert set(index["label"]) == set(HOSTILE)
        known = {entry.hash: entry for entry in db.figures.entries()}
    for path in (tmp_path / "store" / "figures.csv", tmp_path / "out" / "index.csv"):
        with open(path, newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[:1] in {*"=+@\t＝"}]
        assert not [cell for cell in cells if cell[:1] == "-" and not cell[1:].replace(".", "").isdigit()]
    for page in (tmp_path / "out").glob("*.html"):
        assert "<script>alert" not in page.read_text() and "<img src=x" not in page.read_text()
    for name in ("ls", "varies"):
        said = CliRunner().invoke(
            cli.app, ["db", name, "figures", "--store", str(tmp_path / "store"), "--csv"]
        )
        assert said.exit_code == 0
        cells = [cell for row in csv.reader(io.StringIO(said.stdout)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in {*"=+@\t＝"}]
    for path in (tmp_path / "store").glob("records.sqlite*"):
        path.unlink()
    for path in (tmp_path / "store").glob("objects/??/*.json"):
        if not path.name.endswith(".plotly.json"):
            path.unlink()
    assert len(restore(tmp_path / "store")) == 0
    with fpa.open_store(tmp_path / "store") as db:
        assert {entry.hash: entry for entry in db.figures.entries()} == known
    assert not {Path("/etc/passwd")} & set((tmp_path / "out").iterdir())


@pytest.mark.parametrize("text", [*HOSTILE, "-1.5", "", "a", "''", "+", "-inf"])
def test_a_text_comes_back_from_its_cell(text):
    assert from_text(as_text(text)) == text


SECRET = "s3cr3t"
URLS = [
    f"postgresql://me:{SECRET}@localhost:1/x", f"postgres://me:{SECRET}@localhost:1/x",
    f"postgre://me:{SECRET}@localhost/x", f"mysql://me:{SECRET}@localhost/x",
    f"postgresql://me@localhost:1/x?password={SECRET}", f"postgresql://localhost:1/x?user=me&password={SECRET}",
    f"postgresql://me:a@{SECRET}@localhost:1/x", f"postgresql://me:a/{SECRET}@localhost:1/x",
    f"postgresql://me:pass:{SECRET}@localhost:1/x", f"postgresql://me:{SECRET}@localhost:port/x",
    f"postgresql+psycopg://me:{SECRET}@localhost:1/x?sslpassword={SECRET}",
    f"postgresql:/me:{SECRET}@localhost/x",
    f"postgresql://me@localhost:{SECRET}/x", f"postgresql+asyncpg://me:{SECRET}@localhost:1/x",
    f"postgresql://me:{SECRET}@[::1:1/x", f"postgresql://me:a#{SECRET}@localhost:1/x",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_no_password_is_told(tmp_path, url, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    try:
        fpa.open_store(url, files=tmp_path / "files").close()
    except Exception as error:
        told = []
        cause: BaseException | None = error
        while cause is not None:
            told.append(f"{cause} {cause!r}")
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        assert SECRET not in " ".join(told) or "localhost:s3cr3t" in url
    Path("a.yaml").write_text("replicates: 1\n")
    for arguments in (["db", "ls"], ["train", "a.yaml"], ["db", "check"]):
        said = CliRunner().invoke(cli.app, [*arguments, "--store", url, "--files", str(tmp_path / "files")])
        assert said.exit_code != 0
        assert SECRET not in said.output
    assert SECRET not in " ".join(capfd.readouterr())
    assert SECRET not in " ".join(map(str, tmp_path.rglob("*")))
    assert SECRET not in places.shown(url) or "localhost:s3cr3t" in url


def test_listing_makes_no_store(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        said = CliRunner().invoke(cli.app, ["db", "ls", "--store", str(tmp_path / name)])
        assert said.exit_code == 1 and "there is no store" in said.output
    assert files(tmp_path) == set() and not (tmp_path / "nowhere").exists()


def test_tables_of_a_store_stay_readable(tmp_path):
    with fpa.open_store(tmp_path) as db:
        db.add_evaluation(xr.Dataset({"x": 1.0}), type="t", parents=[], rate=-0.5, word="=1")
        db.export()
        table = pd.read_csv(tmp_path / "evaluations.csv")
        assert table["params.rate"].tolist() == [-0.5] and table["params.word"].tolist() == ["'=1"]
