"""What is derived from the points of a dataset, added to it: Jacobians, spectra, the long form."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed
from fpanalysis._progress import progress_bar
from fpanalysis._rounding import usual_errors
from fpanalysis.control.fields import AbstractField
from fpanalysis.dataset import time_domain, time_units, variables
from fpanalysis.linearization import Linearization, jacobians
from fpanalysis.rows import Rows, in_order_of, rows_of
from fpanalysis.schema import TimeDomain
from fpanalysis.spectra.rounding import may_be_open, rounding_margin
from fpanalysis.spectra.stability import stability, time_scales
from fpanalysis.spectrum import DEFECTIVE_CONDITION, Spectrum, eigenpairs
from fpanalysis.subject import Model, Subject, as_subject
from fpanalysis.vector_field import VectorField

CHUNK = 256


def linearize(
    model: Model, ds: xr.Dataset, *, field: AbstractField | None = None, progress: bool = True
) -> xr.Dataset:
    """Add the Jacobians at every point of a result.

    Args:
        model: the vector field (or cell, controller, network, ensemble) that the points belong to.
        ds: a dataset made by `find_fixed_points`, or a selection of one. Of an ensemble's result, select
            members with `ensemble.sel` and on the dataset alike.
        field: the force field in which the points of a closed loop were found.
        progress: whether to show a bar for work that takes more than a second.

    Returns:
        The dataset with `jacobian` ∂F/∂x `(..., fixed_point, state_out, state)`, and, where the model has
        inputs or outputs, `input_jacobian` ∂F/∂u `(..., fixed_point, state_out, input)` and
        `output_jacobian` ∂y/∂x `(..., fixed_point, output, state)`. In continuous time they are per second.

    Raises:
        ValueError: the dataset is no result, or its states or inputs are not the model's.

    Example:
        >>> import fpanalysis as fpa
        >>> model = fpa.datasets.flipflop("tanh")
        >>> ds = fpa.find_fixed_points(model, n_candidates=128, spectra=False)
        >>> fpa.linearize(model, ds).jacobian.dims
        ('fixed_point', 'state_out', 'state')
    """
    with usual_errors():
        subject = as_subject(model, ds.attrs.get("loop", "clamped"), field)
        ds = _as_the_models(subject.fields[0], ds)
        rows = rows_of(ds, first=[str(dim) for dim in subject.template.dims])
        _check_members(subject, rows)
        return _linearized(subject.fields, rows, progress)


def _linearized(fields: Sequence[VectorField], rows: Rows, progress: bool) -> xr.Dataset:
    points = _points(fields, rows)
    lines = [jacobians(*args) for args in _parts(fields, points, "Jacobians", progress)]
    joined = Linearization(*map(np.concatenate, zip(*lines, strict=True)))
    return _with_jacobians(fields[0], rows, joined)


def eigendecompose(ds: xr.Dataset, *, vectors: bool = True, progress: bool = True) -> xr.Dataset:
    """Add eigenvalues, eigenvectors, time scales and stability to a linearised result.

    Left and right eigenvectors come from one factorisation by LAPACK's `geev` (Anderson et al. 1999,
    LAPACK Users' Guide). A mode whose condition number exceeds 1e10 is labelled `is_defective`; its left
    eigenvector keeps unit norm, and nothing is derived from it.

    Args:
        ds: a dataset with the variable `jacobian`, as `linearize` makes it.
        vectors: whether to keep eigenvectors and condition numbers.
        progress: whether to show a bar for work that takes more than a second.

    Returns:
        The dataset with `eigenvalue`, `time_constant`, `frequency` `(..., fixed_point, mode)`, `stability`,
        `is_stable`, `n_unstable` `(..., fixed_point)`, and with vectors `right_eigenvector`
        `(..., fixed_point, state, mode)`, `left_eigenvector` `(..., fixed_point, mode, state)`,
        `eigenvalue_condition` and `is_defective` `(..., fixed_point, mode)`. Modes within the result's
        `stability_margin` of the boundary of stability are neutral; it is raised where rounding may have
        moved ill-conditioned modes across. Where its `is_smooth` is False the
        Jacobian is not the system's derivative: the spectrum is NaN there, and `stability` is `undecided`.

    Raises:
        ValueError: the dataset has no `jacobian`.

    Example:
        >>> import fpanalysis as fpa
        >>> model = fpa.datasets.flipflop("tanh")
        >>> ds = fpa.find_fixed_points(model, n_candidates=128, spectra=False)
        >>> ds = fpa.eigendecompose(fpa.linearize(model, ds))
        >>> bool((abs(ds.eigenvalue) < 1).all("mode").equals(ds.is_stable))
        True
    """
    with usual_errors():
        rows = rows_of(ds)
        if "jacobian" not in ds:
            raise ValueError("ds: expected the variable 'jacobian'; call linearize(model, ds) first")
        jacobian, domain = rows.jacobian(rows.used), time_domain(ds)
        n, parts = len(jacobian), []
        with progress_bar(n, "spectra", progress) as done:
            for start in range(0, max(n, 1), CHUNK):
                parts.append(_judged(jacobian[start : start + CHUNK], domain, vectors))
                done(min(CHUNK, n - start))
        return _with_spectrum(rows, *_joined(parts))


def add_spectra(fields: Sequence[VectorField], ds: xr.Dataset, spectra: str, progress: bool) -> xr.Dataset:
    """Add Jacobians and eigenpairs (`"full"`), or eigenvalues and time scales alone (`"values"`).

    Args:
        fields: the vector field, or those of an ensemble, whose dims come first in the dataset.
        ds: the result.
        spectra: `"full"` or `"values"`.
        progress: whether to show a bar for work that takes more than a second.
    """
    if spectra == "full":
        return eigendecompose(_linearized(fields, rows_of(ds), progress), progress=progress)
    rows = rows_of(ds)
    points = _points(fields, rows)
    # The Jacobians are let go part by part: all of them together may not fit in memory.
    spectrums = [
        _judged(jacobians(*args).state, fields[0].time_domain, vectors=False)
        for args in _parts(fields, points, "spectra", progress)
    ]
    return _with_spectrum(rows, *_joined(spectrums))


class _Points(NamedTuple):
    """The points of a result: states, inputs, and the number of the model that each belongs to."""

    x: np.ndarray
    u: np.ndarray
    member: np.ndarray


def _parts(
    fields: Sequence[VectorField], points: _Points, what: str, progress: bool
) -> Iterator[tuple[VectorField, np.ndarray, np.ndarray]]:
    """Yield vector field, states and inputs of the points part by part (one empty part for none)."""
    with progress_bar(len(points.x), what, progress) as done:
        if len(points.x) == 0:
            yield fields[0], points.x, points.u
        for k, field in enumerate(fields):
            rows = np.flatnonzero(points.member == k)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                yield field, points.x[part], points.u[part]
                done(len(part))


def spectra_bytes(field: VectorField, ds: xr.Dataset) -> int:
    """Return how many bytes the full spectra of a result take, its unused rows included."""
    n, rows = len(field.state), ds["kind"].size
    return rows * n * (8 * (n + len(field.inputs) + len(field.outputs)) + 2 * 16 * n)


def to_long(ds: xr.Dataset) -> xr.Dataset:
    """Return a result with one unpadded `fixed_point` axis, the conditions as coordinates on it.

    Args:
        ds: a dataset made by `find_fixed_points`.

    Returns:
        The same content. Variables of a condition (`n_failed`, `u`, …) are repeated for each of its points;
        the row that a point had in its condition is the coordinate `rank`. Conditions without points leave
        no row.

    Raises:
        ValueError: the dataset is no result.

    Example:
        >>> import fpanalysis as fpa, xarray as xr
        >>> model = fpa.datasets.flipflop("tanh")
        >>> pulses = xr.DataArray([[0.0, 0, 0], [1.0, 0, 0]], dims=("pulse", "input"))
        >>> ds = fpa.find_fixed_points(model, pulses, n_candidates=128, spectra="values")
        >>> long = fpa.to_long(ds)
        >>> long.sizes["fixed_point"] == int(ds.n_fixed_points.sum())
        True
    """
    with usual_errors():
        rows = rows_of(ds)
        where = np.nonzero(rows.used)
        places = dict(zip((*rows.dims, "fixed_point"), where, strict=True))
        whole = rows.ds
        if "rank" in whole.coords:  # a long one has the ranks already
            whole = whole.drop_vars("fixed_point", errors="ignore")
        long = whole.isel({dim: xr.DataArray(index, dims="point") for dim, index in places.items()})
        long = long.rename({"fixed_point": "rank"} if "fixed_point" in long.coords else {})
        long = long.rename({"point": "fixed_point"})
        repeated = {
            name: long[name].expand_dims(fixed_point=len(where[0]))
            for name in long.data_vars
            if "fixed_point" not in long[name].dims
        }
        return long.assign(repeated).assign_coords(fixed_point=np.arange(len(where[0])))


def _as_the_models(field: VectorField, ds: xr.Dataset) -> xr.Dataset:
    """Return a result with the entries of state, input and output in the order of the model's."""
    for dim, names in (("state", field.state), ("input", field.inputs), ("output", field.outputs)):
        ds = in_order_of(ds, dim, names)
    return ds


def _check_members(subject: Subject, rows: Rows) -> None:
    """Raise `ValueError` unless the first dims of a result are those of the ensemble."""
    members, dims = subject.template, rows.dims
    if dims[: members.ndim] != members.dims:
        raise ValueError(
            f"ds: expected the ensemble's dims {listed(map(str, members.dims))} first, got {listed(dims)}"
        )
    for dim in members.dims:
        expected, got = members[dim].values.tolist(), rows.ds[dim].values.tolist()
        if expected != got:
            raise ValueError(
                f"ds: expected the ensemble's values of {str(dim)!r}, {listed(map(str, expected))}, "
                f"got {listed(map(str, got))}"
            )


def _points(fields: Sequence[VectorField], rows: Rows) -> _Points:
    """Return the points of a result."""
    field, used = fields[0], rows.used
    for dim, names in (("state", field.state), ("input", field.inputs)):
        given = tuple(map(str, rows.ds[dim].values)) if dim in rows.ds.coords else ()
        if given != names:
            raise ValueError(
                f"ds: its {dim} entries are not the model's: expected {listed(names)}, "
                f"got {listed(given) or 'no names'}"
            )
    x = rows.of("x", used)
    u = rows.of("u", used) if field.inputs else np.zeros((len(x), 0))
    each = np.repeat(np.arange(len(fields)), used.size // len(fields)).reshape(used.shape)
    return _Points(x, u, each[used])


def _with_jacobians(field: VectorField, rows: Rows, lines: Linearization) -> xr.Dataset:
    units = "1/s" if rows.ds.attrs.get("time_domain") == "continuous" else "1"
    made: dict[str, tuple[np.ndarray, str | None]] = {"jacobian": (lines.state, units)}
    if field.inputs:
        made["input_jacobian"] = (lines.input, None)
    if field.outputs:
        output = lines.output
        if "output" in rows.ds.coords:  # some outputs may have been selected
            output = output[:, [field.outputs.index(str(name)) for name in rows.ds["output"].values]]
        made["output_jacobian"] = (output, None)
    return rows.added(variables(rows.dims, rows.used, made), state_out=np.array(field.state, str))


def _judged(jacobian: np.ndarray, domain: TimeDomain, vectors: bool) -> tuple[Spectrum, np.ndarray]:
    """Return the spectra of Jacobians, and the margins of stability that rounding makes necessary."""
    spectrum = eigenpairs(jacobian, domain, vectors)
    if spectrum.condition is not None:
        return spectrum, rounding_margin(jacobian, spectrum.eigenvalue, spectrum.condition, domain)
    margin = np.zeros(len(jacobian))
    # Condition numbers come with vectors only, which are not kept.
    rows = np.flatnonzero(may_be_open(jacobian, spectrum.eigenvalue, domain))
    if len(rows):
        whole = eigenpairs(jacobian[rows], domain)
        spectrum.eigenvalue[rows] = whole.eigenvalue
        margin[rows] = rounding_margin(jacobian[rows], whole.eigenvalue, whole.condition, domain)
    return spectrum, margin


def _with_spectrum(rows: Rows, spectrum: Spectrum, margin: np.ndarray) -> xr.Dataset:
    ds, used = rows.ds, rows.used
    domain = time_domain(ds)
    if "stability_margin" in ds:
        margin = np.fmax(margin, rows.of("stability_margin", used))
    if "is_smooth" in ds:
        for array in filter(lambda each: each is not None, vars(spectrum).values()):
            array[~rows.of("is_smooth", used)] = np.nan
    time_constant, frequency = time_scales(spectrum.eigenvalue, domain, ds.attrs.get("dt"), margin)
    time_unit, frequency_unit = time_units(ds)
    made: dict[str, tuple[np.ndarray, str | None]] = {
        "eigenvalue": (spectrum.eigenvalue, "1/s" if domain == "continuous" else "1"),
        "time_constant": (time_constant, time_unit),
        "frequency": (frequency, frequency_unit),
        "stability_margin": (margin, "1/s" if domain == "continuous" else "1"),
    }
    for name, values in stability(spectrum.eigenvalue, domain, margin)._asdict().items():
        made[name] = (values, None)
    if spectrum.right is not None and spectrum.left is not None and spectrum.condition is not None:
        made["right_eigenvector"] = (spectrum.right, None)
        made["left_eigenvector"] = (spectrum.left, None)
        made["eigenvalue_condition"] = (spectrum.condition, None)
        made["is_defective"] = (spectrum.condition > DEFECTIVE_CONDITION, None)
    return rows.added(variables(rows.dims, used, made), mode=np.arange(spectrum.eigenvalue.shape[-1]))


def _joined(parts: list[tuple[Spectrum, np.ndarray]]) -> tuple[Spectrum, np.ndarray]:
    def column(name: str) -> Any:
        arrays = [getattr(spectrum, name) for spectrum, _ in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    spectrum = Spectrum(*map(column, ("eigenvalue", "right", "left", "condition")))
    return spectrum, np.concatenate([margin for _, margin in parts])
