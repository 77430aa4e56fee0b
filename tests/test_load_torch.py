"""Which weights are whose: layers and readouts by name, sizes, dtypes, and how refusals read."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpanalysis.load import load_torch
from fpanalysis.vector_field import bad_arrays, model_hash


def read(source, nonlinearity="tanh", **options: Any):
    """Load weights; those of plain layers are tanh, unless an option says something else."""
    return load_torch(source, nonlinearity=nonlinearity, **options)


def rnn(prefix="rnn.", inputs=2, hidden=3, gates=1, depth="_l0", dtype: type = np.float32, bias=True):
    rng, rows = np.random.default_rng(0), gates * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden)}
    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
    return {f"{prefix}{part}{depth}": rng.normal(size=shape).astype(dtype) for part, shape in shapes.items()}


def linear(prefix, inputs=3, outputs=2, bias=True):
    arrays = {f"{prefix}.weight": np.ones((outputs, inputs), np.float32)}
    return arrays | ({f"{prefix}.bias": np.full(outputs, 0.5, np.float32)} if bias else {})


@pytest.mark.parametrize(("gates", "state"), [(1, 3), (3, 3), (4, 6)])
@pytest.mark.parametrize("depth", ["_l0", ""])
def test_kinds_are_told_apart_by_shape(gates, state, depth):
    field = read(rnn(gates=gates, depth=depth))
    assert len(field.state) == state and field.inputs == ("input[0]", "input[1]") and field.outputs == ()


@given(prefix=st.text(max_size=8).map(lambda s: s.replace("\n", "") and s.replace("\n", "") + "."))
def test_any_prefix_will_do(prefix):
    assert model_hash(read(rnn(prefix))) == model_hash(read(rnn("a.")))


def test_names_and_dt_are_passed_on():
    field = read(rnn() | linear("out"), inputs=["go", "stop"], outputs=["v", "w"], dt=0.01)
    assert (field.inputs, field.outputs, field.dt) == (("go", "stop"), ("v", "w"), 0.01)


@pytest.mark.parametrize("bias", [True, False])
def test_a_readout_is_found(bias):
    others = linear("encoder", inputs=5) | {"embedding.weight": np.ones((9, 4), np.float32)}
    field = read(others | rnn() | linear("decoder", bias=bias))
    assert field.outputs == ("output[0]", "output[1]")
    np.testing.assert_array_equal(field.output(jnp.ones(3)), [3 + bias * 0.5] * 2)


def test_a_readout_is_chosen():
    weights = rnn() | linear("value", outputs=1) | linear("policy", outputs=4)
    assert len(read(weights, readout="policy").outputs) == 4
    assert len(read(weights, readout="policy.weight").outputs) == 4
    assert read(weights, readout=False).outputs == ()
    with pytest.raises(ValueError, match=r"2 linear layers read 3 hidden units, 'value', 'policy'; name one"):
        read(weights)
    with pytest.raises(
        ValueError, match=r"expected one of 'value', 'policy', got 'polcy' \(did you mean 'policy'"
    ):
        read(weights, readout="polcy")


@pytest.mark.parametrize(
    ("extra", "options", "error", "message"),
    [
        (
            linear("a", inputs=4),
            {"readout": "a"},
            ValueError,
            r"to read the 3 hidden units .* shape \(2, 4\)",
        ),
        ({}, {"readout": "a"}, ValueError, "no linear layer, as none was found"),
        (
            {},
            {"readout": True},
            TypeError,
            "readout: expected the name of a linear layer, False or None, got True",
        ),
        (linear("a.0") | linear("a.2", inputs=2), {}, ValueError, r"'a.0' is followed by 'a.2'"),
        (
            {"a.weight": np.ones((2, 3)), "a.bias": np.ones(3)},
            {},
            ValueError,
            r"'a.bias' to have shape \(2,\)",
        ),
        ({}, {"outputs": ["v"]}, ValueError, r"outputs: expected 0 .*no readout was found.*got 1: 'v'"),
        ({}, {"inputs": 3}, ValueError, "inputs: expected 2 for the recurrent layer, got 3"),
        (linear("a"), {"outputs": 1}, ValueError, "outputs: expected 2 for the readout, got 1"),
        ({}, {"nonlinearity": "rely"}, ValueError, r"got 'rely' \(did you mean 'relu'\?\)"),
        ({}, {"layer": "rn"}, ValueError, r"layer: expected one of 'rnn', got 'rn' \(did you mean 'rnn'\?\)"),
        (rnn("top."), {}, ValueError, r"2 recurrent layers were found, 'rnn', 'top'; name one"),
        (rnn(depth="_l0_reverse"), {}, ValueError, "is bidirectional .*_reverse"),
        ({"rnn.weight_hr_l0": np.ones((2, 3))}, {}, ValueError, "has projections .*weight_hr_l0"),
        (
            {"rnn.bias_hh_l0": np.ones(3, int)},
            {},
            ValueError,
            "'rnn.bias_hh_l0' to be of a floating dtype.*int64",
        ),
        ({"rnn.bias_hh_l0": np.ones(3, complex)}, {}, ValueError, "floating dtype.*got complex128"),
        (
            {"rnn.weight_hh_l0": np.ones((6, 3))},
            {},
            ValueError,
            r"1 \(RNN\), 3 .* columns, got shape \(6, 3\)",
        ),
        ({"rnn.weight_hh_l0": np.ones(3)}, {}, ValueError, r"columns, got shape \(3,\)"),
        ({"rnn.weight_ih_l0": np.ones((4, 2))}, {}, ValueError, r"have shape \(3, inputs\), got \(4, 2\)"),
        (
            {"rnn.bias_ih_l0": np.ones(4)},
            {},
            ValueError,
            r"'rnn.bias_ih_l0' to have shape \(3,\), got \(4,\)",
        ),
        (rnn(depth="_l1"), {}, ValueError, r"'rnn.weight_ih_l1' to have shape \(3, 3\), got \(3, 2\)"),
        (rnn(depth="_l2"), {}, ValueError, "layers are missing at 'rnn'"),
        (rnn(depth=""), {}, ValueError, "layers are missing at 'rnn'"),
        (
            {"rnn.weight_hh_l1": np.ones((3, 3))},
            {},
            ValueError,
            "'weight_ih' is missing beside 'rnn.weight_hh_l1'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(extra, options, error, message):
    with pytest.raises(error, match=message):
        read(rnn() | extra, **options)


def test_half_a_bias_is_refused():
    weights = rnn()
    del weights["rnn.bias_hh_l0"]
    with pytest.raises(ValueError, match="'bias_hh' is missing beside"):
        read(weights)


def test_relu_is_no_choice_for_a_gru():
    with pytest.raises(ValueError, match="'relu' is for plain recurrent layers, but a GRUCell was found"):
        read(rnn(gates=3), nonlinearity="relu")


def test_one_of_two_layers_is_chosen():
    weights = rnn("a.", hidden=3) | rnn("b.", hidden=4)
    assert len(read(weights, layer="b").state) == 4
    assert len(read(rnn("") | rnn("b.", hidden=4), layer="").state) == 3


@pytest.mark.parametrize(("source", "message"), [({}, "no arrays"), (linear("a"), "'a.weight', 'a.bias'")])
def test_no_recurrent_layer(source, message):
    with pytest.raises(ValueError, match=f"expected the weights of a recurrent layer.*found {message}"):
        read(source)


def test_sources_of_another_type_are_refused():
    with pytest.raises(
        TypeError, match="source: expected a path, a state dict or a PyTorch module, got builtins.int"
    ):
        read(3)


@pytest.mark.parametrize(
    ("dtype", "kept"), [(np.float32, "float32"), (np.float64, "float64"), (np.float16, "float32")]
)
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_dtypes(dtype, kept, gates):
    weights = rnn(gates=gates, dtype=dtype)
    leaves = jax.tree_util.tree_leaves(read(weights))
    assert {leaf.dtype.name for leaf in leaves} == {kept}
    assert any(np.array_equal(leaf, weights["rnn.weight_hh_l0"]) for leaf in leaves)


def test_mixed_dtypes_become_the_widest():
    weights = rnn() | {"rnn.weight_hh_l0": np.eye(3) / 3}
    assert {leaf.dtype.name for leaf in jax.tree_util.tree_leaves(read(weights))} == {"float64"}


def test_jax_setting_is_left_alone():
    read(rnn(dtype=np.float64))
    assert jnp.ones(1).dtype == jnp.float32


def test_nan_weights_are_loaded_and_seen():
    assert bad_arrays(read(rnn() | {"rnn.weight_hh_l0": np.full((3, 3), np.nan, np.float32)}))


@pytest.mark.parametrize("wrap", [lambda w: {"state_dict": w}, lambda w: {"run": {"model": w, "epoch": 1}}])
def test_checkpoints_are_entered(wrap):
    around = {
        "epoch": 3,
        "metrics": {"loss": np.float32(0.1)},
        "optimizer": {"state": {0: {"m": np.ones(3)}}},
    }
    assert model_hash(read(around | wrap(rnn()))) == model_hash(read(rnn()))


def test_two_models_in_a_checkpoint_are_ambiguous():
    with pytest.raises(ValueError, match=r"2 mappings of weights were found, 'model', 'ema'; .*\['model'\]"):
        read({"model": rnn(), "ema": rnn()})


class TestLiveModules:
    """What only a module can say."""

    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    def test_its_own_nonlinearity(self, torch):
        field = load_torch(torch.nn.RNN(2, 3, nonlinearity="relu"))
        assert field.function.cell.nonlinearity == "relu"
        with pytest.raises(ValueError, match="the module at '' says 'tanh', got 'relu'"):
            load_torch(torch.nn.RNN(2, 3), nonlinearity="relu")

    def test_unknown_equations_are_refused(self, torch):
        class Leaky(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight_ih, self.weight_hh = (torch.nn.Parameter(torch.ones(3, n)) for n in (2, 3))

        with pytest.raises(ValueError, match="got Leaky, whose equations are unknown.*state_dict"):
            load_torch(Leaky())
        assert len(read(Leaky().state_dict()).state) == 3

    def test_bfloat16_and_float64(self, torch):
        for dtype, kept in {
            torch.bfloat16: "float32",
            torch.float16: "float32",
            torch.float64: "float64",
        }.items():
            module = torch.nn.LSTM(2, 3).to(dtype)
            leaves = jax.tree_util.tree_leaves(load_torch(module))
            assert {leaf.dtype.name for leaf in leaves} == {kept}
            np.testing.assert_array_equal(leaves[0], module.weight_ih_l0.detach().double().numpy())

    @pytest.mark.parametrize("options", [{"bidirectional": True}, {"proj_size": 2}])
    def test_what_pytorch_makes_is_refused(self, torch, options):
        with pytest.raises(ValueError, match="bidirectional|projections"):
            load_torch(torch.nn.LSTM(2, 3, **options))


def test_the_kind_of_jax_keys_makes_no_difference():
    # Of a shape of its own, because what is cached of other shapes has its keys already.
    weights = {name: np.ones((3 * 13, size)) for name, size in (("weight_ih", 2), ("weight_hh", 13))}
    with jax.default_prng_impl("rbg"):
        assert len(load_torch({**weights, "out.weight": np.ones((1, 13))}).state) == 13


@pytest.mark.parametrize("prefix", ["", "cell."])
@pytest.mark.parametrize(
    ("name", "shape"),
    [("alpha", ()), ("alpha", (1,)), ("mask", (3, 3)), ("weight_fb", (3, 2)), ("tau", (3,)), ("bias", ())],
)
def test_what_stands_beside_the_weights_of_a_cell_is_told(prefix, name, shape):
    weights = rnn(prefix, depth="") | {f"{prefix}{name}": np.ones(shape, np.float32)}
    with pytest.warns(UserWarning, match=f"'{prefix}{name}' beside the weights .* is not used") as caught:
        assert read(weights | linear("out") | {f"{prefix}n_steps": np.array(3)}).outputs
    assert len(caught) == 1


@pytest.mark.parametrize("prefix", ["", "cell."])
@pytest.mark.parametrize(("gates", "depth"), [(1, ""), (3, ""), (4, "_l0")])
def test_one_bias_where_torch_has_two_is_refused(prefix, gates, depth):
    weights = rnn(prefix, gates=gates, depth=depth, bias=False)
    lone = {f"{prefix}bias{depth}": np.ones(3 * gates, np.float32)}
    with pytest.raises(
        ValueError, match=f"source: '{prefix}bias{depth}' is one bias, .* unknown where it enters"
    ):
        read(weights | lone)


def test_a_readout_beside_the_weights_is_known():
    weights = rnn("", depth="") | {"weight": np.ones((3, 3)), "bias": np.ones(3)}
    assert read(weights).outputs and not read(weights, readout=False).outputs
