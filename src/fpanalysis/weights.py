"""`weights`: what a trained network's weights are like, as a labelled dataset."""

import warnings
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis.cell_weights import GateWeights, eigenvalues, gate_weights, kind_of, singular_values
from fpanalysis.dataset import attributes
from fpanalysis.subject import Model, Subject, as_subject
from fpanalysis.vector_field import VectorField


def weights(model: Model) -> xr.Dataset:
    """Return the recurrent weights of a network, their spectra, and the norms of what goes in and out.

    Every gate has a recurrent matrix of its own, with its own singular values and eigenvalues: a GRU's
    `reset`, `update` and `candidate`, an LSTM's `input`, `forget`, `candidate` and `output`. The candidate
    is what the state may become, and the closest to the one matrix `recurrent` of a tanh network; the other
    gates decide how far the state goes there. `plot.weights` draws the result. What the network does near a
    certain state, all gates together, is the Jacobian of `find_fixed_points`.

    Args:
        model: a `Controller`, a `Network`, a `VectorField` of GRU, LSTM or plain recurrent cells (stacked or
            not), such a cell, or an `Ensemble`, whose hyperparameters become the first dims.

    Returns:
        A Dataset with `recurrent_weight` (gate, unit_out, unit), `singular_value` (gate, component),
        `eigenvalue` (gate, mode), `spectral_radius` (gate), `input_norm` (gate, input), `input_matrix_norm`
        (gate), and where there is a linear readout `readout_weight` (output, unit), `readout_norm` (output)
        and `readout_matrix_norm`. The schema page of the documentation says every variable.

    Raises:
        TypeError: the model's weights are not known, such as those of a function.
        ValueError: its weights are not finite, or the members of an ensemble are built differently.

    Warns:
        UserWarning: members of an ensemble have weights that are not finite; their norms and spectra are NaN.

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.weights(fpa.datasets.flipflop("gru"))
        >>> ds.gate.values.tolist(), ds.recurrent_weight.shape
        (['reset', 'update', 'candidate'], (3, 64, 64))
    """
    subject = as_subject(model)
    members = [gate_weights(field.function) for field in subject.fields]
    _check_alike(members, subject)
    _warn_of_members(subject)
    variables, coords = _recurrent(members, subject.fields[0])
    made, names = _readout(subject.fields, max(len(each.recurrent) for each in members[0]))
    variables, coords = variables | made, coords | names
    shape, lead = subject.template.shape, tuple(map(str, subject.template.dims))
    shaped = {
        name: ((*lead, *dims), values.reshape(shape + values.shape[1:]), {"long_name": said, "units": "1"})
        for name, (dims, values, said) in variables.items()
    }
    attrs = attributes(subject.fields, {"cell": kind_of(subject.fields[0].function)})
    ensemble = {str(name): coord.variable for name, coord in subject.template.coords.items()}
    return xr.Dataset(shaped, ensemble | coords, attrs)


def _check_alike(members: list[list[GateWeights]], subject: Subject) -> None:
    first = [(each.gate, each.recurrent.shape) for each in members[0]]
    for i, member in enumerate(members):
        if [(each.gate, each.recurrent.shape) for each in member] != first:
            raise ValueError(
                f"model: the members are built differently: {kind_of(subject.fields[0].function)} and, of "
                f"{subject.member(i)}, {kind_of(subject.fields[i].function)}; use sel on the ensemble"
            )


def _warn_of_members(subject: Subject) -> None:
    if bad := np.flatnonzero(subject.is_bad).tolist():
        shown = "; ".join(subject.member(k) for k in bad[:3]) + ("; …" if len(bad) > 3 else "")
        warnings.warn(
            f"model: {len(bad)} of {len(subject.fields)} members hold NaN or infinite weights ({shown}); "
            "their norms and spectra are NaN",
            stacklevel=3,
        )


def _recurrent(members: list[list[GateWeights]], field: VectorField) -> tuple[dict, dict]:
    """Return variables with their dims, `(member, …)`, and their coordinates; unused entries are NaN."""
    first = members[0]
    n_units = np.array([len(each.recurrent) for each in first])
    n, n_members, n_gates = int(n_units.max()), len(members), len(first)
    square, row = (n_members, n_gates, n, n), (n_members, n_gates, n)
    whole, singular = np.full(square, np.nan), np.full(row, np.nan)
    values = np.full(row, np.nan, complex)
    input_norm = np.full((n_members, n_gates, len(field.inputs)), np.nan)
    matrix_norm = np.empty((n_members, n_gates))
    for g, size in enumerate(n_units):
        matrices = np.stack([member[g].recurrent for member in members])
        whole[:, g, :size, :size] = matrices
        singular[:, g, :size], values[:, g, :size] = singular_values(matrices), eigenvalues(matrices)
        given = np.stack([member[g].input for member in members])
        matrix_norm[:, g] = np.linalg.norm(given, axis=(1, 2))
        if first[g].is_lowest:
            input_norm[:, g] = np.linalg.norm(given, axis=1)
    matrix_norm = np.where(np.isfinite(matrix_norm), matrix_norm, np.nan)
    variables: dict[str, Any] = {
        "recurrent_weight": (("gate", "unit_out", "unit"), whole, "recurrent weight"),
        "singular_value": (("gate", "component"), singular, "singular value of the recurrent matrix"),
        "eigenvalue": (("gate", "mode"), values, "eigenvalue of the recurrent matrix"),
        "spectral_radius": (("gate",), np.abs(values[..., 0]), "largest modulus of an eigenvalue"),
        "input_matrix_norm": (("gate",), matrix_norm, "Frobenius norm of the input matrix"),
    }
    if field.inputs:
        variables["input_norm"] = (("gate", "input"), input_norm, "2-norm of the weights of the input")
    if len(set(n_units)) > 1:
        many = np.broadcast_to(n_units, (n_members, n_gates))
        variables["n_units"] = (("gate",), many, "number of units of the layer")
    units = np.arange(n)
    coords: dict[str, Any] = {"gate": [each.gate for each in first], "unit_out": units, "unit": units}
    coords |= {"component": units, "mode": units}
    return variables, coords | ({"input": np.array(field.inputs, str)} if field.inputs else {})


def _readout(fields: tuple[VectorField, ...], n_units: int) -> tuple[dict, dict]:
    """Return the variables of a linear readout and their coordinates; nothing where there is none."""
    linear = [getattr(field.readout, "readout", None) for field in fields]
    found = [getattr(each, "weight", None) for each in linear]
    if not all(getattr(each, "ndim", 0) == 2 for each in found):
        return {}, {}
    rows = np.stack([np.asarray(each, np.float64) for each in found])
    whole = np.full((*rows.shape[:2], n_units), np.nan)
    whole[..., : rows.shape[2]] = rows
    each, together = np.linalg.norm(rows, axis=2), np.linalg.norm(rows, axis=(1, 2))
    variables = {
        "readout_weight": (("output", "unit"), whole, "weight of the readout"),
        "readout_norm": (("output",), each, "2-norm of the output's weights"),
        "readout_matrix_norm": ((), together, "Frobenius norm of the readout"),
    }
    return variables, {"output": np.array(fields[0].outputs, str)}
