"""Training into a records store: what is there is not trained again, what is killed goes on."""

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fpanalysis as fpa
from fpanalysis import cli
from fpanalysis.records.content import content_hash
from fpanalysis.training import trainer

CONFIG = {
    "network": {"hidden_size": 4},
    "training": {"iterations": 2, "batch_size": 2, "validate_every": 1},
    "replicates": 2,
    "sweep": {"perturbation.field_std": [0.0, 0.4]},
}


@pytest.fixture
def db(tmp_path):
    with fpa.open_store(tmp_path / "results") as store:
        yield store


@pytest.fixture
def trained(monkeypatch):
    """Return a list of the sizes of the ensembles that were trained."""
    sizes = []
    original = trainer.train

    def train(config, **options):
        ensemble = original(config, **options)
        sizes.append(ensemble.sizes)
        return ensemble

    monkeypatch.setattr(trainer, "train", train)
    return sizes


def size(model):
    return xr.Dataset({"size": ((), float(np.abs(np.asarray(model.network.cell.weight_hh)).sum()))})


def test_what_is_recorded_is_not_trained_again(db, trained):
    found = db.train(CONFIG, progress=False)
    assert trained == [{"field_std": 2, "replicate": 2}] and len(found) == 4
    assert found.load().sizes == {"field_std": 2, "replicate": 2}
    again = db.train(CONFIG, progress=False)
    assert len(trained) == 1 and set(again.df().index) == set(found.df().index)
    wider = db.train(CONFIG | {"sweep": {"perturbation.field_std": [0.4, 0.8, 0.0, 1.2]}}, progress=False)
    assert len(wider) == 8 and [sizes["replicate"] for sizes in trained] == [2, 2]
    assert trained[1] == {"case": 2, "replicate": 2}
    assert wider.load().sizes == {"field_std": 4, "replicate": 2}
    known = fpa.train(CONFIG | {"sweep": {"perturbation.field_std": [0.0, 0.4]}}, progress=False)
    own = found.where(field_std=0.4, replicate=1).one()
    assert content_hash(own.load()) == content_hash(known.sel(field_std=0.4, replicate=1).one())
    assert own.results["validation_loss"] == pytest.approx(
        float(known.table["validation_loss"].sel(field_std=0.4, replicate=1)), rel=1e-6
    )
    assert len(db.models.where(is_best=True)) == 4
    histories = db.evaluations.where(type="training_history", train={"field_std": 0.8})
    assert histories.one().load().sizes["case"] == 2
    assert len(db.check(progress=False)) == 0


def test_a_run_that_was_killed_goes_on(db, trained, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as before:
        before.setattr("fpanalysis.records.training._recorded", killed)
        with pytest.raises(KeyboardInterrupt):
            db.train(CONFIG, progress=False)
    assert len(db.models) == 0
    (folder,) = (db.folder / "runs").iterdir()
    written = (folder / "models.safetensors").stat().st_mtime_ns
    assert len(db.train(CONFIG, progress=False)) == 4
    assert (folder / "models.safetensors").stat().st_mtime_ns == written
    assert len(list((db.folder / "runs").iterdir())) == 1


def test_another_seed_is_evaluated_once_more_and_nothing_else_is(db):
    calls = []

    def counted(model):
        calls.append(1)
        return size(model)

    for seed in (0, 1):
        for record in db.train(CONFIG | {"seed": seed}, progress=False):
            db.evaluate(record, counted, version="1")
        for record in db.models:
            db.evaluate(record, counted, version="1")
        assert len(calls) == 4 * (seed + 1)


def test_a_damaged_model_is_trained_again(db, trained):
    db.train(CONFIG, progress=False)
    path = db.models.where(field_std=0.4, replicate=0).one().path
    path.write_bytes(path.read_bytes()[:-10])
    db.train(CONFIG, progress=False)
    assert len(trained) == 2 and len(db.models) == 4
    assert len(db.check(progress=False)) == 0


def test_the_command_records_and_skips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_use_devices", lambda count, chosen: None)
    (tmp_path / "tiny.yaml").write_text(
        "network: {hidden_size: 4}\ntraining: {iterations: 2, batch_size: 2, validate_every: 1}\n"
        "replicates: 1\nsweep: {perturbation.field_std: [0.0, 0.4]}\n"
    )
    for message in ("finished", "2 of 2 networks are recorded already"):
        result = CliRunner().invoke(cli.app, ["train", "tiny.yaml"])
        assert (result.exit_code, result.stdout) == (0, "results\n") and message in result.stderr
    with fpa.open_store("results") as db:
        assert len(db.models.where(field_std=0.4, label="tiny")) == 1
