"""Whether a module itself does more at each step than its recurrent layer."""

from typing import Any

import numpy as np

from fpanalysis.load._whole_run import Call, Run, rows, tensors_in


def check_steps(run: Run, layer: str, kind: str, linear: str | None) -> None:
    """Raise `ValueError` where one step of a module is another than one of its recurrent layer.

    Args:
        run: a run of the module.
        layer: name of the recurrent layer.
        kind: its class, such as `"GRU"`.
        linear: name of the linear layer that may be the readout, if any.
    """
    calls = _calls(run.calls, layer)
    is_step = len(calls) == 1 and (kind.endswith("Cell") or _is_one_time(calls[0]))
    if len(calls) > 1 or is_step:
        _check_inputs(run, layer, calls)
    _check_given(run, layer, is_step)
    _check_returned(run, layer, linear, n_parts=1 + kind.startswith("LSTM"))


def _calls(calls: list[Call], layer: str) -> list[Call]:
    return [call for call in calls if call.name == layer]


def _is_one_time(call: Call) -> bool:
    """Whether a layer was given one time of a batch: it returns as many outputs as states."""
    returned = tensors_in(call.returned)
    return returned[0][..., 0].numel() == returned[-1].shape[-2]


def _check_inputs(run: Run, layer: str, calls: list[Call]) -> None:
    """See that the layer's input is the same for other states, and that it is called once per step."""
    again = _calls(run.again, layer)
    pairs = zip(calls, again, strict=False)
    if len(calls) != len(again) or not all(_same(a.given[0], b.given[0]) for a, b in pairs):
        raise ValueError(
            f"source: the input of {layer!r} depends on the state (an output that is fed back, a gate on the "
            f"input), so that the module is not its recurrent layer alone; {_instead(layer)}"
        )
    # Calls without a state are none after another, such as those for two inputs that share a layer.
    n_given = sum(call.given[0][..., 0].numel() for call in calls if tensors_in(call.given[1:]))
    if len(calls) > 1 and n_given > run.n_samples:
        raise ValueError(
            f"source: this module calls {layer!r} several times per time step, so that "
            f"its step is another than that of its recurrent layer; {_instead(layer)}"
        )


def _same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and np.array_equal(a.double().numpy(), b.double().numpy(), equal_nan=True)


def _check_given(run: Run, layer: str, is_step: bool) -> None:
    """See that the layer is given states that it has made itself, or in a single step those of the module."""
    calls = _calls(run.calls, layer)
    n_units = tensors_in(calls[0].returned)[0].shape[-1]
    still, given_first = np.zeros(n_units).tobytes(), rows(run.state, n_units)
    made: set[bytes] = set()
    for i, call in enumerate(calls):
        given = rows(tensors_in(call.given[1:]), n_units) - {still}
        # What a first state is made of is no part of the dynamics, unless the module makes single steps.
        if i > 0 and not given <= made or is_step and given_first and not given <= given_first:
            raise ValueError(_changes_state(layer))
        made |= rows(tensors_in(call.returned), n_units)


def _check_returned(run: Run, layer: str, linear: str | None, n_parts: int) -> None:
    """See that a state that the module returns is the layer's, all parts of it where it returns as many."""
    returned = [tensors_in(call.returned) for call in _calls(run.calls, layer)]
    n_units = returned[0][0].shape[-1]
    made = rows([tensor for tensors in returned for tensor in tensors], n_units)
    shapes = [tensor.shape for tensor in run.state]
    read = rows([t for call in run.calls if call.name == linear for t in tensors_in(call.returned)], n_units)
    ends = [rows([tensor], n_units) for tensor in tensors_in(run.returned) if tensor.shape in shapes]
    ends = [end for end in ends if not end <= read]
    parts = [made]
    if len(ends) >= n_parts > 1:
        # The parts of the state are the last that recurrent modules return.
        parts = [rows([tensors[p - n_parts] for tensors in returned], n_units) for p in range(n_parts)]
    if ends and not all(any(end <= part for end in ends) for part in parts):
        raise ValueError(_changes_state(layer))


def _changes_state(layer: str) -> str:
    return (
        f"source: this module changes the state of {layer!r} itself, from step to step (a leak, a clip, a "
        f"norm, noise), so that its next state is not that of the recurrent layer; {_instead(layer)}"
    )


def _instead(layer: str) -> str:
    return (
        "write its equations as a function for fpanalysis.vector_field, or pass the layer alone: "
        f"load_torch(module.{layer})"
    )
