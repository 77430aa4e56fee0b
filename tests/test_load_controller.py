"""Controllers and networks in checkpoints: what comes back is what was saved, and what is wrong is said."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.load._container import checksum

PLANTS = {
    "point_mass": fpa.plants.PointMass(
        mass=1.7, damping=0.1, integrator="euler", workspace=((-0.5, -0.3), (0.7, 0.4)), reach_length=0.2
    ),
    "arm": fpa.plants.TwoLinkArm(
        lengths=(0.31, 0.32),
        masses=(1.5, 1.1),
        inertias=(0.03, 0.05),
        centers_of_mass=(0.12, 0.17),
        friction=((0.06, 0.02), (0.03, 0.04)),
        workspace=((-0.1, 0.25), (0.1, 0.45)),
        reach_length=0.07,
    ),
}


def assert_same(model, back):
    assert type(back) is type(model)
    assert jax.tree_util.tree_structure(back) == jax.tree_util.tree_structure(model)
    for old, new in zip(jax.tree_util.tree_leaves(model), jax.tree_util.tree_leaves(back), strict=True):
        assert type(old) is type(new)
        if isinstance(old, jax.Array):
            assert old.dtype == new.dtype
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()


def as_float64(model):
    """Return the model in float64, with weights that float32 cannot hold."""
    with jax.enable_x64(True):
        return jax.tree.map(
            lambda leaf: jnp.asarray(leaf, "float64") / 3 if eqx.is_array(leaf) else leaf, model
        )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "controller.eqx"
    fpa.save(fpa.Controller.create(PLANTS["arm"], hidden_size=4, key=jr.key(0)), path)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("kind", ["gru", "lstm", "tanh"])
def test_controllers_round_trip(tmp_path, kind, plant, dtype):
    controller = fpa.Controller.create(
        PLANTS[plant],
        inputs={"context": 1, "target.position": 2, "target.velocity": 2, "größe": 3},
        kind=kind,
        hidden_size=5,
        feedback_delay=3,
        feedback_noise=0.1 + 0.2,
        motor_noise=0.0,
        dt=0.07,
        key=jr.key(1),
    )
    controller = controller.renamed({"context": "sisu", PLANTS[plant].command_name: "muscle"})
    controller = as_float64(controller) if dtype == "float64" else controller
    fpa.save(controller, tmp_path / "controller.eqx")
    back = fpa.load(tmp_path / "controller.eqx")
    assert_same(controller, back)
    assert back.network.readout.weight.dtype == dtype
    assert back.plant == PLANTS[plant] and back.feedback_delay == 3
    assert [p.name for p in tmp_path.iterdir()] == ["controller.eqx"]


@pytest.mark.parametrize("kind", ["gru", "lstm", "tanh"])
@pytest.mark.parametrize("dt", [None, 0.03])
def test_networks_round_trip(tmp_path, kind, dt):
    network = fpa.Network.create(
        {"pulse": 3, "go": 1}, {"bit": 3}, kind=kind, hidden_size=4, dt=dt, key=jr.key(2)
    ).renamed({"go": "cue", "bit": "memory"})
    fpa.save(network, tmp_path / "network.eqx")
    assert_same(network, fpa.load(tmp_path / "network.eqx"))


@pytest.mark.parametrize(
    ("kind", "plant"), [("gru", "point_mass"), ("lstm", "arm"), ("tanh", "point_mass")], ids=str
)
def test_a_loaded_controller_moves_alike(tmp_path, kind, plant):
    controller = fpa.Controller.create(
        PLANTS[plant], kind=kind, hidden_size=6, feedback_delay=2, key=jr.key(3)
    )
    fpa.save(controller, tmp_path / "controller.eqx")
    workspace, reach = PLANTS[plant].workspace, PLANTS[plant].reach_length
    trials = fpa.tasks.SimpleReaches(n_steps=5, workspace=workspace, reach_length=reach).validation()
    before = fpa.simulate(controller, trials, seed=0)
    after = fpa.simulate(fpa.load(tmp_path / "controller.eqx"), trials, seed=0)
    xr.testing.assert_identical(after.drop_attrs(deep=False), before.drop_attrs(deep=False))
    assert float(np.ptp(before["position"].values)) > 0


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
def test_numbers_of_other_libraries_come_back_as_pythons(tmp_path, unchecked):
    controller = fpa.Controller.create(
        inputs={"context": np.int64(1)},  # pyright: ignore[reportArgumentType]
        hidden_size=4,
        feedback_delay=np.int64(2),  # pyright: ignore[reportArgumentType]
        feedback_noise=jnp.asarray(0.3),  # pyright: ignore[reportArgumentType]
        motor_noise=np.float64(0.2),
        dt=np.float64(0.05),
        key=jr.key(0),
    )
    fpa.save(controller, tmp_path / "controller.eqx")
    back = fpa.load(tmp_path / "controller.eqx")
    assert jax.tree_util.tree_structure(back) == jax.tree_util.tree_structure(controller)
    for name, value in {"feedback_noise": float(jnp.asarray(0.3)), "motor_noise": 0.2, "dt": 0.05}.items():
        assert type(getattr(back, name)) is float and getattr(back, name) == value
    assert type(back.feedback_delay) is int and type(back.network.inputs[0].size) is int


class OwnPlant(fpa.plants.PointMass):
    """A plant that no header describes."""


class OwnController(fpa.Controller):
    """A controller that no header describes."""


class OwnCell(eqx.Module):
    """A cell that no header describes."""

    input_size: int = 9
    hidden_size: int = 4


def controller(plant=None):
    return fpa.Controller.create(plant, hidden_size=4, key=jr.key(0))


def swapped(where, value):
    return eqx.tree_at(where, controller(), value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (controller(OwnPlant()), r"expected 'PointMass', .* got 'OwnPlant', .*save the controller's network"),
        (swapped(lambda c: c.network.cell, OwnCell()), "got a network of 'OwnCell', which a file without"),
        (swapped(lambda c: c.network.readout, jnp.tanh), "expected an equinox.nn.Linear as readout, got"),
        (swapped(lambda c: c.motor_noise, jnp.ones(2)), r"one number as motor_noise, got .* shape \(2,\)"),
        (
            swapped(lambda c: c.network.cell.bias, jnp.zeros(13)),
            r"expected .*bias to be of shape and dtype \(12,\) float32, got \(13,\)",
        ),
        (
            OwnController(controller().network, PLANTS["arm"], 0, 0.0, 0.0, 0.05),
            "this controller holds more than a network, a plant and numbers",
        ),
    ],
    ids=["plant", "cell", "readout", "noise", "shape", "controller"],
)
def test_what_cannot_be_described_is_refused(tmp_path, unchecked, model, message):
    with pytest.raises(TypeError, match=f"model: .*{message}"):
        fpa.save(model, tmp_path / "controller.eqx")
    assert not list(tmp_path.iterdir())


def test_the_way_out_for_ones_own_plant_works(tmp_path):
    own = controller(OwnPlant(mass=2.0))
    fpa.save(own.network, tmp_path / "network.eqx")
    network = fpa.load(tmp_path / "network.eqx")
    assert_same(own, fpa.Controller(network, OwnPlant(mass=2.0), 0, 0.01, 0.01, 0.05))


def test_ensembles_are_not_saved(tmp_path, unchecked):
    models = [controller(), controller()]
    table = xr.Dataset({"member": ("replicate", [0, 1])}, {"replicate": [0, 1]})
    ensemble = fpa.Ensemble(models, table)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"got Ensemble; save its members, .*sel\(...\).one\(\).* folder"):
        fpa.save(ensemble, tmp_path / "models.eqx")  # pyright: ignore[reportArgumentType]
    fpa.save(ensemble.sel(replicate=1).one(), tmp_path / "one.eqx")
    assert_same(models[1], fpa.load(tmp_path / "one.eqx"))


@pytest.mark.parametrize(
    ("make", "what"),
    [(controller, "a controller"), (lambda: controller().network, "a network")],
    ids=["controller", "network"],
)
def test_a_wrong_suffix_is_named(tmp_path, make, what):
    with pytest.raises(ValueError, match=f"{what} is saved under a name that ends in '.eqx', got 'a.nc'"):
        fpa.save(make(), tmp_path / "a.nc")


def test_options_are_refused(saved):
    with pytest.raises(TypeError, match="says all of this itself and takes none, got 'dt'"):
        fpa.load(saved, dt=0.1)


def test_a_flipped_byte_is_refused(saved):
    content = saved.read_bytes()
    for at in (content.index(b"0.31"), content.index(b'"GRUCell"') + 1, -1):
        wrong = bytearray(content)
        wrong[at] ^= 1
        saved.write_bytes(bytes(wrong))
        with pytest.raises(ValueError, match="'controller.eqx' is damaged or cut short: .*its checksum"):
            fpa.load(saved)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_file_cut_short_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="'controller.eqx' is damaged or cut short: its header"):
        fpa.load(saved)


def rewrite(path, change):
    """Change the header as someone would who also sets the checksum right."""
    line, content = path.read_bytes().split(b"\n", 1)
    header = json.loads(line)
    change(header)
    header["sha256"] = checksum(header, content)
    path.write_bytes(json.dumps(header).encode() + b"\n" + content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.pop("plant"), "the controller lacks 'plant'"),
        (lambda h: h["network"].pop("cell"), "the network lacks 'cell'"),
        (lambda h: h["plant"].pop("class"), "the plant lacks 'class'"),
        (lambda h: h["plant"].pop("masses"), "the plant lacks 'masses'"),
        (lambda h: h.pop("bytes"), "its header lacks 'bytes'"),
        (lambda h: h["plant"].update({"class": "Pendulum"}), "one of 'PointMass', .*, got 'Pendulum'"),
        (lambda h: h["plant"].update(color="red"), "color"),
        (lambda h: h["plant"].update(masses=[1.0, -1.0]), r"masses\[1\]: expected a positive"),
        (lambda h: h["network"]["inputs"][0].update(size=7), "inputs: expected 9 entries in all"),
        (lambda h: h["network"]["outputs"].pop(), "outputs: expected 2 entries in all"),
        (lambda h: h["network"]["cell"].update(kind="os.system"), "does not fit its arrays"),
        (lambda h: h["network"]["cell"].update(hidden_size=5), "does not fit its arrays"),
        (lambda h: h.update(feedback_delay=-1), "feedback_delay: expected a number of steps from 0"),
        (lambda h: h.update(motor_noise=-0.1), "motor_noise: expected a standard deviation"),
        (lambda h: h.update(model="ensemble"), "describes a model of unknown kind 'ensemble'"),
        (lambda h: h.update(model="network"), "the network lacks 'cell', 'inputs'"),
        (lambda h: h.pop("model"), "the vector field lacks 'cells', 'inputs'"),
    ],
)
def test_a_wrong_header_is_refused(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(ValueError, match=f"path: .*'controller.eqx' is damaged or cut short: .*{message}"):
        fpa.load(saved)
