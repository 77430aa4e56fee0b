"""How losses fell during training, and which checkpoints were chosen."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._curves import Curves
from fpanalysis.plot._styles import Style, styles
from fpanalysis.plot._text import escaped, joined, number
from fpanalysis.plot._theme import GREY, new_figure, say, set_notes

_MOST_ITERATIONS, _MOST_NAMED = 400, 3
_SYMBOLS_A_CURVE = 8
_SUM, _CHOSEN, _STOPPED = "sum of the terms", "chosen checkpoint", "stopped"
_ZERO_AT = 0.5
"""Where iteration 0 stands on the logarithmic axis."""


class _Line(NamedTuple):
    """One entry of the legend: its networks, and their losses `(network, iteration)`.

    `is_whole` says whether the losses are all that was trained for, so that a network's stop and its chosen
    checkpoint belong to this line.
    """

    name: str
    style: Style
    networks: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    is_whole: bool


class _Summary(NamedTuple):
    """Geometric mean, one standard deviation of the logarithm below and above it, and how many losses."""

    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray


def loss_history(history: xr.Dataset, color: str = "term") -> go.Figure:
    """Draw how the losses of a training fell, and mark the checkpoints that were chosen.

    Both axes are logarithmic. A curve is the geometric mean over networks, such as the replicates; its band
    reaches one standard deviation of the logarithm to both sides, so that it stays above zero. Losses of
    training batches are solid and have the band, those of validation are dashed. A star marks a checkpoint
    that was chosen for some of the networks, at the mean of their validation losses, all terms together.
    Iteration 0 stands at ½.

    Args:
        history: the history of a training, `ensemble.history`, or a selection of it.
        color: `"term"` for one curve for each term of the loss and one for their sum. Or a hyperparameter, or
            anything else with one value for each network: the sum of the terms by its values.

    Returns:
        The figure. It says in words which networks stopped before their end, which losses no logarithmic axis
        can show, and how many iterations of how many are shown, where there are more than 400.

    Raises:
        TypeError: `history` is not a dataset.
        ValueError: it is no history of a training, or `color` has not one value for each network.

    Example:
        >>> import fpanalysis as fpa
        >>> figure = fpa.plot.loss_history(fpa.datasets.reaching_ensemble().history)
        >>> [trace.name for trace in figure.data if trace.showlegend][:5]
        ['sum of the terms', 'position', 'final_velocity', 'force', 'hidden']
    """
    given = history
    history = _checked(given)
    networks = Curves(history, _network_dims(history))
    history, thinning = _thinned(history)
    lines = _lines(history, networks, color, is_whole="term" in given["loss"].dims)
    figure = new_figure("Losses during training", [])
    x, checks = (_places(history[dim].values) for dim in ("iteration", "validation_iteration"))
    has_losses = [_draw_line(figure, line, x, checks) for line in lines]
    drawn = [line for line, is_drawn in zip(lines, has_losses, strict=True) if is_drawn]
    for line in drawn:
        if line.is_whole:
            _draw_marks(figure, networks, line, x)
    marks = [kind for kind in (_CHOSEN, _STOPPED) if any(figure.select_traces({"name": kind}))]
    _frame(figure, networks.title(None if color == "term" else color) or "term", marks)
    if _ZERO_AT in (*x, *checks):
        figure.update_xaxes(title_text="iteration (0 stands at ½)")
    if "term" not in given["loss"].dims and "term" in given.coords:
        figure.update_yaxes(title_text=f"weighted loss, {escaped(history['term'].item())}")
    missing = [line.name for line, is_drawn in zip(lines, has_losses, strict=True) if not is_drawn]
    set_notes(figure, [*_averages(drawn), *thinning, *_not_shown(drawn, missing), *_stops(networks)])
    if not drawn:
        say(figure, "no loss is finite and positive" if history["loss"].size else "no losses to show")
    return figure


def _network_dims(history: xr.Dataset) -> tuple[str, ...]:
    return tuple(str(dim) for dim in history["loss"].dims if dim not in ("iteration", "term"))


def _checked(history: xr.Dataset) -> xr.Dataset:
    """Return the history with the dims `iteration`, `validation_iteration` and `term`, or raise."""
    if not isinstance(history, xr.Dataset):
        raise TypeError(
            f"history: expected an xarray.Dataset, such as ensemble.history, got {type(history).__name__}"
        )
    if "loss" not in history or "iteration" not in history["loss"].dims:
        raise ValueError(
            "history: expected the history of a training, ensemble.history, with 'loss' along 'iteration'; "
            f"it has {listed(map(str, history.data_vars)) or 'no variables'}"
        )
    if "monitored_loss" not in history or "validation_iteration" not in history["monitored_loss"].dims:
        nothing = xr.zeros_like(history["loss"].isel(iteration=slice(0), drop=True)).astype(float)
        nothing = nothing.drop_vars("iteration", errors="ignore").rename(iteration="validation_iteration")
        history = history.drop_vars("validation_iteration", errors="ignore").assign(monitored_loss=nothing)
    if "term" in history["loss"].dims:
        return history
    # A single term was selected.
    name = history["term"].values if "term" in history.coords else "loss"
    found = {key: history[key].variable.expand_dims("term") for key in ("loss", "monitored_loss")}
    return history.drop_vars("term", errors="ignore").assign(found).assign_coords(term=[name])


def _thinned(history: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    """Return at most so many iterations, evenly spaced on the axis, and a sentence on it."""
    notes = []
    for dim, kind in (("iteration", ""), ("validation_iteration", " of validation")):
        places = _places(history[dim].values)
        if len(places) <= _MOST_ITERATIONS:
            continue
        chosen = _nearest(places, np.geomspace(places[0], places[-1], _MOST_ITERATIONS))
        notes.append(f"{len(chosen):,} of {len(places):,} iterations{kind} shown, evenly on the axis")
        history = history.isel({dim: chosen})
    return history, notes


def _places(iterations: np.ndarray) -> np.ndarray:
    """Return where iterations stand on the logarithmic axis."""
    return np.where(iterations == 0, _ZERO_AT, iterations)


def _lines(history: xr.Dataset, networks: Curves, color: str, is_whole: bool) -> list[_Line]:
    curves = Curves(history, networks.dims)
    training = curves.values("loss", "iteration", "term").astype(float)
    validation = curves.values("monitored_loss", "validation_iteration", "term").astype(float)
    everyone = np.arange(len(networks))
    trained, judged = training.sum(axis=-1), validation.sum(axis=-1)
    if color != "term":
        groups = networks.groups(_checked_color(networks, color))
        return [
            _Line(name, style, index, trained[index], judged[index], is_whole)
            for name, style, index in groups
        ]
    terms = history["term"].values.tolist()
    lines = [
        _Line(
            escaped(name), style, everyone, training[..., k], validation[..., k], is_whole and len(terms) == 1
        )
        for k, (name, style) in enumerate(zip(terms, styles("term", terms), strict=True))
    ]
    if len(terms) == 1:
        return lines
    # First, so that the line of a term that makes up nearly all of the sum lies over it.
    return [_Line(_SUM, Style(GREY, "square-open", "solid"), everyone, trained, judged, is_whole), *lines]


def _checked_color(networks: Curves, color: str) -> str:
    variables = networks.ds.variables
    usable = ["term", *(str(name) for name in variables if set(variables[name].dims) <= set(networks.dims))]
    if color not in usable:
        raise ValueError(
            "color: expected 'term', or something with one value for each network, got "
            f"{color!r}{nearest(str(color), usable)}; it could be {listed(usable, most=12)}"
        )
    return color


def _summary(losses: np.ndarray) -> _Summary:
    """Return mean and spread over networks of the losses that a logarithm has a place for."""
    usable = np.isfinite(losses) & (losses > 0)
    logs = np.log(np.where(usable, losses, 1.0))
    count = usable.sum(axis=0)
    mean = logs.sum(axis=0) / np.where(count > 0, count, np.nan)
    squares = (np.where(usable, logs - mean, 0.0) ** 2).sum(axis=0)
    spread = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    return _Summary(np.exp(mean), np.exp(mean - spread), np.exp(mean + spread), count)


def _draw_line(figure: go.Figure, line: _Line, x: np.ndarray, checks: np.ndarray) -> bool:
    """Draw training and validation of a line; return whether there was anything to draw."""
    training, validation = _summary(line.training), _summary(line.validation)
    trained, judged = training.count.any(), validation.count.any()
    _draw_band(figure, line, x, training)
    if trained:
        style = {"color": line.style.color, "width": 4 if line.name == _SUM else 2}
        _draw_curve(figure, line, x, training, "training", style, is_first=True)
    if judged:
        style = {"color": line.style.color, "width": 1.5, "dash": "dash"}
        _draw_curve(figure, line, checks, validation, "validation", style, is_first=not trained)
    return bool(trained or judged)


def _draw_band(figure: go.Figure, line: _Line, x: np.ndarray, summary: _Summary) -> None:
    inside = np.isfinite(summary.low)
    if inside.any():
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([x[inside], x[inside][::-1]]),
                y=np.concatenate([summary.low[inside], summary.high[inside][::-1]]),
                mode="lines",
                fill="toself",
                fillcolor=line.style.color,
                opacity=0.2,
                line={"width": 0},
                hoverinfo="skip",
                name=line.name,
                legendgroup=f"line {line.name}",
                showlegend=False,
            )
        )


def _draw_curve(
    figure: go.Figure, line: _Line, x: np.ndarray, summary: _Summary, kind: str, style: dict, is_first: bool
) -> None:
    """Draw a mean; the first curve of a line has its symbols, and its entry in the legend."""
    there = np.flatnonzero(summary.count)
    size = np.zeros(len(x))
    if is_first:
        wanted = np.geomspace(x[there[0]], x[there[-1]], _SYMBOLS_A_CURVE)
        size[there[_nearest(x[there], wanted)]] = 9
    figure.add_trace(
        go.Scatter(
            x=x,
            y=summary.middle,
            mode="lines+markers",
            line=style,
            marker={"symbol": line.style.symbol, "color": line.style.color, "size": size, "opacity": 1},
            marker_line_width=1.5 if line.style.symbol.endswith("open") else 0,
            hovertext=_texts(line, x, summary, kind),
            hoverinfo="text",
            name=line.name,
            legendgroup=f"line {line.name}",
            showlegend=is_first,
        )
    )


def _nearest(places: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the entries of ascending places that are nearest to those wanted, each once."""
    middles = np.sqrt(places[1:] * places[:-1])
    return np.unique(np.searchsorted(middles, wanted))


def _texts(line: _Line, places: np.ndarray, summary: _Summary, kind: str) -> list[str]:
    texts = []
    for place, middle, low, high, count in zip(places, *summary, strict=True):
        text = f"<b>{line.name}</b>, {kind}<br>iteration {0 if place == _ZERO_AT else int(place):,}<br>"
        if count < 2:
            texts.append(f"{text}loss = {number(middle)}")
        else:
            spread = f"one standard deviation: {number(low)} to {number(high)}"
            texts.append(f"{text}geometric mean of {count:,} networks = {number(middle)}<br>{spread}")
    return texts


def _draw_marks(figure: go.Figure, networks: Curves, line: _Line, x: np.ndarray) -> None:
    """Mark the checkpoints that were chosen for the networks of a line, and where they stopped."""
    own = line.networks
    chosen = _of_networks(networks, "selected_checkpoint", -1)[own]
    loss = _of_networks(networks, "validation_loss", np.inf)[own]
    usable = (chosen >= 0) & np.isfinite(loss) & (loss > 0)
    checkpoints = np.unique(chosen[usable])
    theirs = [usable & (chosen == checkpoint) for checkpoint in checkpoints]
    means = np.array([np.exp(np.log(loss[mask]).mean()) for mask in theirs])
    texts = [
        _checkpoint_text(networks, len(own), own[mask], f"{checkpoint:,}", mean)
        for checkpoint, mask, mean in zip(checkpoints, theirs, means, strict=True)
    ]
    _draw_mark(figure, line, _CHOSEN, _places(checkpoints), means, texts)

    stopped = _of_networks(networks, "stopped_at", -1)
    rows = np.flatnonzero((stopped[own] >= 0) & np.isfinite(line.training).any(axis=1))
    last = np.array([np.flatnonzero(np.isfinite(line.training[row]))[-1] for row in rows], int)
    reasons = _of_networks(networks, "stop_reason", "")[own[rows]]
    where = [f"<b>stopped at iteration {stopped[i]:,}</b>" for i in own[rows]]
    texts = joined([where, networks.texts(own[rows]), [escaped(reason) for reason in reasons]])
    _draw_mark(figure, line, _STOPPED, x[last], line.training[rows, last], texts)


def _of_networks(networks: Curves, name: str, missing: Any) -> np.ndarray:
    return networks.values(name) if name in networks.ds else np.full(len(networks), missing)


def _checkpoint_text(networks: Curves, n: int, index: np.ndarray, checkpoint: str, mean: float) -> str:
    """Return the hover text of a checkpoint: for how many it was chosen, and for which if they are few."""
    lines = [f"<b>checkpoint {checkpoint}</b>"]
    if n > 1:
        lines.append(f"chosen for {len(index):,} of {n:,} networks")
    kind = "validation loss" if len(index) == 1 else "geometric mean of the validation losses"
    lines.append(f"{kind} = {number(mean)}")
    if len(index) <= _MOST_NAMED:
        lines += [text.replace("<br>", ", ") for text in networks.texts(index) if text]
    return "<br>".join(lines)


def _draw_mark(
    figure: go.Figure, line: _Line, kind: str, x: np.ndarray, y: np.ndarray, texts: list[str]
) -> None:
    """Draw grey marks of this kind around the symbol of the line."""
    if len(x) == 0:
        return
    shared = {"x": x, "y": y, "mode": "markers", "legendgroup": f"line {line.name}", "showlegend": False}
    color, symbol, _ = line.style
    inner = {"symbol": symbol, "color": color, "size": 8, "line": {"width": 1.5}}
    figure.add_trace(go.Scatter(marker=inner, hovertext=texts, hoverinfo="text", name=line.name, **shared))
    figure.add_trace(go.Scatter(marker=_outer(kind), hoverinfo="skip", name=kind, **shared))


def _outer(kind: str) -> dict:
    symbol = {_CHOSEN: "star-open", _STOPPED: "x-thin-open"}[kind]
    return {"symbol": symbol, "color": GREY, "size": 18, "line": {"width": 2}}


def _frame(figure: go.Figure, title: str, marks: list[str]) -> None:
    """Title the axes, and explain in the legend what all lines have in common."""
    figure.update_xaxes(type="log", title_text="iteration")
    figure.update_yaxes(type="log", title_text="weighted loss")
    figure.update_layout(legend_title_text=title)
    keys = [("training", "lines", {"line": {"color": GREY, "width": 2}})]
    keys += [("validation", "lines", {"line": {"color": GREY, "width": 1.5, "dash": "dash"}})]
    keys += [(kind, "markers", {"marker": _outer(kind)}) for kind in marks]
    for name, mode, style in keys:
        figure.add_trace(go.Scatter(x=[None], y=[None], mode=mode, name=name, hoverinfo="skip", **style))


def _averages(drawn: list[_Line]) -> list[str]:
    """Return what a curve and its band are."""
    counts = sorted({len(line.networks) for line in drawn})
    if not counts or counts[-1] < 2:
        return []
    many = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    each = " each" if len(drawn) > 1 else ""
    return [f"geometric mean of {many} networks{each},", "band: one standard deviation of the logarithm"]


def _not_shown(drawn: list[_Line], missing: list[str]) -> list[str]:
    notes = [f"{name}: no loss above 0, not shown" for name in missing] if drawn else []
    n = sum(int((losses <= 0).sum()) for line in drawn for losses in (line.training, line.validation))
    return [*notes, f"{n:,} losses are not above 0 and do not count"] if n else notes


def _stops(networks: Curves) -> list[str]:
    """Return which networks stopped, and how many have no checkpoint."""
    stopped = _of_networks(networks, "stopped_at", -1)
    index = np.flatnonzero(stopped >= 0)
    notes = [f"{len(index):,} of {len(networks):,} networks stopped before the end"] if len(index) else []
    for i, text in zip(index[:_MOST_NAMED], networks.texts(index[:_MOST_NAMED]), strict=True):
        which = text.replace("<br>", ", ")
        notes.append(f"{which}{': ' if which else ''}at iteration {stopped[i]:,}")
    if len(index) > _MOST_NAMED:
        notes.append(f"and {len(index) - _MOST_NAMED:,} more")
    without = int((_of_networks(networks, "selected_checkpoint", 0) < 0).sum())
    return [*notes, f"{without:,} networks without a checkpoint"] if without else notes
