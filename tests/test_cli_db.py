"""The store on the command line: filters in words, tables, JSON and CSV, errors in a sentence."""

import json
import math
import shutil
from io import StringIO

import pandas as pd
import pytest
import xarray as xr
from plotly import graph_objects as go
from typer.testing import CliRunner

import fpanalysis as fpa
from fpanalysis import cli
from fpanalysis.cli_store import conditions_of

MODELS = fpa.datasets.reaching_ensemble().models[12:16]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "results"
    with fpa.open_store(folder) as db:
        for i, model in enumerate(MODELS):
            params = {"perturbation": {"field_std": 0.4 * (i // 2), "method": "std"}, "seed": i % 2}
            record = db.add_model(model, params, results={"loss": 0.1 * i})
            ds = xr.Dataset({"x": ("i", [float(i)])})
            parent = db.add_evaluation(ds, type="states", parents=[record], amplitude=1 + i)
            db.add_figure(go.Figure(go.Scatter(y=[i])), type="spectrum", parents=[parent])
    return folder


@pytest.fixture
def run(whole, tmp_path, monkeypatch):
    shutil.copytree(whole, tmp_path / "results")
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(cli.app, list(map(str, arguments)))
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.mark.parametrize(
    ("words", "conditions"),
    [
        (["x=1"], {"x": 1}),
        (["x=0.8,1e-3"], {"x": [0.8, 1e-3]}),
        (["x=1e-3..1e-2"], {"x": fpa.between(1e-3, 1e-2)}),
        (["x=..0.5,2"], {"x": [fpa.between(-math.inf, 0.5), 2]}),
        (["x=null,missing"], {"x": [None, fpa.missing]}),
        (["x=true", "y=False"], {"x": True, "y": False}),
        (['x="1"', "y=std"], {"x": "1", "y": "std"}),
        (['x="a,b"', "y=[1,2]", "z=[1],[2]"], {"x": "a,b", "y": [[1, 2]], "z": [[1], [2]]}),
        (["hash=12345678,0e1", "tag=1"], {"hash": ["12345678", "0e1"], "tag": ["1"]}),
        (["train.std=0.8", "test.a.b=1,2"], {"train": {"std": 0.8}, "test": {"a.b": [1, 2]}}),
        (["x=a=b", "y="], {"x": "a=b", "y": ""}),
        (["x=inf", "y=1_000"], {"x": math.inf, "y": "1_000"}),
    ],
)
def test_filters_are_written_in_words(words, conditions):
    assert conditions_of(words) == conditions


@pytest.mark.parametrize(
    ("words", "message"),
    [(["std"], "expected KEY=VALUE, got 'std'"), (["x=1", "x=2"], "twice"), (["x=[1"], "JSON")],
)
def test_filters_that_cannot_be_read_are_named(words, message):
    with pytest.raises(ValueError, match=message):
        conditions_of(words)


def test_ls_shows_what_varies_and_tells_all_on_request(run):
    text = run("db", "ls").stdout
    assert "field_std" in text and "method" not in text and "<4 models>" in text
    assert "<2 models>" in run("db", "ls", "models", "field_std=0.4").stdout
    table = pd.read_csv(StringIO(run("db", "ls", "field_std=0.4", "--csv").stdout), index_col="hash")
    assert table["perturbation.method"].tolist() == ["std", "std"] and table["seed"].tolist() == [0, 1]
    found = json.loads(run("db", "ls", "figures", "train.field_std=0.4", "test.amplitude=3", "--json").stdout)
    assert [each["type"] for each in found] == ["spectrum"]
    assert json.loads(run("fig", "ls", "train.field_std=0.4", "--json").stdout)[0]["kind"] == "figure"
    assert run("db", "ls", "seed=7").stdout == "<0 models>\n"


def test_show_tells_everything_of_one(run):
    hash_ = json.loads(run("db", "ls", "loss=0.1", "--json").stdout)[0]["hash"]
    assert "field_std: 0" in run("db", "show", hash_[:8]).stdout
    assert json.loads(run("db", "show", hash_, "--json").stdout)["params"]["seed"] == 1
    assert run("db", "show", "xyz", code=1).stderr == "there is no record 'xyz'\n"


def test_diff_and_varies_compare(run):
    one, two = (each["hash"] for each in json.loads(run("db", "ls", "seed=0", "--json").stdout))
    rows = json.loads(run("db", "diff", one[:10], two[:10], "--json").stdout)
    told = {(row["of"], row["name"]): (row[one[:8]], row[two[:8]]) for row in rows}
    assert told["params", "perturbation.field_std"] == (0, 0.4) and told["results", "loss"] == (0, 0.2)
    assert ("params", "seed") not in told and ("record", "created") in told
    assert "field_std" in run("db", "diff", "seed=0").stdout
    assert "at least two" in run("db", "diff", one, code=1).stderr
    rows = json.loads(run("db", "varies", "--json").stdout)
    assert {row["parameter"] for row in rows} == {"perturbation.field_std", "seed"}
    text = run("fig", "varies", "train.field_std=0.4").stdout
    assert "train" in text and "amplitude" in text


def test_the_store_is_looked_after(run, tmp_path):
    assert run("db", "check").stdout.startswith("all is well")
    assert run("db", "gc").stdout == "nothing is left over\n"
    assert run("db", "migrate").stdout == "the tables have the present version, 0002\n"
    assert run("db", "backup", "copy.sqlite").stdout == "copy.sqlite\n"
    run("db", "copy", "other", "figures", "train.field_std=0.4")
    assert "<2 models>" in run("db", "ls", "--store", "other").stdout
    run("db", "export", "--folder", "tables")
    assert len(pd.read_csv(tmp_path / "tables" / "models.csv")) == 4
    found = json.loads(
        run("db", "export", "--folder", "some", "figures", "test.amplitude=1,2", "--json").stdout
    )
    assert found == [{"file": str(tmp_path / "some" / "figures.csv")}]
    assert len(pd.read_csv(tmp_path / "some" / "figures.csv")) == 2
    assert "name another folder" in run("db", "export", "seed=0", code=1).stderr
    assert json.loads(run("db", "migrate", "--json").stdout) == [{"before": "0002", "now": "0002"}]
    before = run("db", "ls", "--csv").stdout
    (tmp_path / "results" / "records.sqlite").unlink()
    assert "db restore" in run("db", "ls", code=1).stderr
    assert "4 models" in run("db", "restore").stdout
    assert run("db", "ls", "--csv").stdout == before
    path = next((tmp_path / "results").glob("objects/??/*.eqx"))
    path.unlink()
    result = run("db", "check", code=1)
    assert path.name in result.stdout and result.stderr == "1 problem\n"
    bad = json.loads(run("db", "check", "--json", code=1).stdout)[0]["record"]
    run("db", "check", f"hash={bad}", code=1)
    assert run("db", "check", "evaluations").stdout.startswith("all is well")


def test_figures_are_saved(run, tmp_path):
    assert run("fig", "save", "out", "train.field_std=0.4", "--annotate").stdout == "2 figures in out\n"
    assert len(list((tmp_path / "out").glob("spectrum_seed=*_amplitude=*.html"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["db", "ls", "feild_std=1"], "did you mean 'field_std'"),
        (["db", "ls", "modls"], "expected models, evaluations, figures or KEY=VALUE, got 'modl'"),
        (["db", "ls", "--store", "nowhere"], "there is no store 'nowhere' here"),
        (["fig", "save", "out", "--formats", "htm"], "did you mean 'html'"),
        (["fig", "save", "out", "type=nothing"], "no figure meets"),
    ],
)
def test_errors_are_one_sentence(run, arguments, message):
    result = run(*arguments, code=1)
    assert message in result.stderr and result.stderr.count("\n") == 1 and result.stdout == ""
