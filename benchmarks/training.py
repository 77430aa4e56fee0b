"""What training shows: one compilation, what many networks cost, and how the bundled ones reach.

    python benchmarks/training.py                        everything, about ten minutes on two cores
    python benchmarks/training.py --only step plants     some sections
    python benchmarks/training.py --markdown             tables for docs/performance.md

Two devices of the host are asked for, whatever the machine has. Times of a step are compared within one run,
in turn, so that a slow minute of the machine meets all of them.
"""

import os

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from measure import machine
from report import Row, Table, at_least, at_most, exactly, measured, run

import fpanalysis as fpa
from fpanalysis.training import step as training_step
from fpanalysis.training.build import jobs_of
from fpanalysis.training.config import Config
from fpanalysis.training.folder import read_arrays
from fpanalysis.training.sweep import expand

METHODS = ["active", "amplitude", "std", "std_uniform"]
UNSEEN = (1.0, 2.0)  # N s/m


def compiled(networks: int, **config: Any) -> tuple[Any, Any]:
    """Return learners and jobs of 1 or 16 networks of 50 units, 250 trials of 99 steps."""
    sweep = {"perturbation.method": METHODS, "perturbation.field_std": [0.0, 0.4, 0.8, 1.2]}
    chosen = {"replicates": 1, "perturbation": {"field_std": 0.4}} | config
    plan = expand(Config.from_dict(chosen | ({"sweep": sweep} if networks > 1 else {})))
    assert len(plan.groups()) == 1 and len(plan.members) == networks
    jobs, weights = jobs_of(plan.members, None)
    learners = [training_step.begin(job, each) for job, each in zip(jobs, weights, strict=True)]
    return training_step.stacked(learners), training_step.stacked(jobs)


def compile_section() -> Iterator[Table]:
    """How often a training compiles its step."""
    table = Table("One compilation for everything that shares shapes")
    traced: list[int] = []

    def seen(model: Any, trial: Any, rollout: Any) -> Any:
        traced.append(1)
        return jnp.sum(rollout.position**2)

    def train(**config: Any) -> tuple[int, float, int]:
        traced.clear()
        loss = fpa.losses.reaching_loss() + fpa.losses.term("seen", seen)
        base = {"network": {"hidden_size": 20}, "training": {"iterations": 3, "batch_size": 8}}
        began = time.perf_counter()
        ensemble = fpa.train(base | config, loss=loss, progress=False)
        return len(traced), time.perf_counter() - began, len(ensemble)

    one, first, _ = train(replicates=1)
    sweep = {"perturbation.method": METHODS, "perturbation.field_std": [0.0, 0.4, 0.8]}
    many, second, networks = train(replicates=3, sweep=sweep)
    table.rows.append(exactly("times that the loss was traced for one network", [one], None))
    table.rows.append(
        exactly(f"for {networks} networks: 4 methods × 3 stds × 3 replicates", [many], one, one)
    )
    table.rows.append(Row("seconds in all, one network and 36", f"{first:.1f}, {second:.1f}"))
    yield table


def step_section() -> Iterator[Table]:
    """What a step of 16 networks costs."""
    table = Table("16 networks of 50 units, 250 trials, 99 steps, on two devices of the host")
    iteration = jnp.asarray(0, jnp.int32)
    one, many = compiled(1), compiled(16)
    single = jax.tree_util.tree_map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, one)
    local = jax.device_put(eqx.filter(single, eqx.is_array), jax.devices()[0])
    single = eqx.combine(local, single)
    plain = eqx.filter_jit(training_step.step)
    calls: dict[str, Callable[[], Any]] = {
        "plain jit": lambda: plain(*single, iteration),
        "one network through the ensemble": lambda: training_step.advance(*one, iteration),
        "16 networks": lambda: training_step.advance(*many, iteration),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(6):
        for name, call in calls.items():
            began = time.perf_counter()
            jax.block_until_ready(eqx.filter(call(), eqx.is_array))
            if turn:  # the first compiles
                times[name].append(time.perf_counter() - began)
    for name, seconds in times.items():
        table.rows.append(Row(f"a step: {name}", measured(seconds, "s")))
    base = min(median(times["plain jit"]), median(times["one network through the ensemble"]))
    table.rows.append(at_most("16 networks over one", [t / base for t in times["16 networks"]], 11, 9, "×"))
    yield table


def bundled() -> Iterator[Table]:
    """How the bundled networks reach."""
    ensemble = fpa.datasets.reaching_ensemble()
    task = fpa.tasks.SimpleReaches()
    table = Table("Bundled ensemble: unperturbed reaches (2×2×24, no field, context 0)")
    ds = fpa.simulate(ensemble, task.validation(2, 24), progress=False)
    error = fpa.measures.end_point_error(ds)
    within = (error <= 0.02).mean(["trial", "replicate"])
    straight = fpa.measures.lateral_deviation(ds).mean(["trial", "replicate"])
    for method in ensemble.table["method"].values:
        for std in ensemble.table["field_std"].values:
            at = {"method": method, "field_std": std}
            row = at_least(
                f"{method}, A = {std:g}: % within 0.02 m", [100 * float(within.sel(at))], 95, None, "%"
            )
            table.rows.append(row)
    table.notes.append(f"largest mean lateral deviation without a field: {float(straight.max()):.1f} %")
    yield table
    for amplitude in UNSEEN:
        for context in (0.0, 1.0):
            field = fpa.fields.Curl(amplitude)
            trials = task.validation(2, 24, context=context, field=field)
            deviation = fpa.measures.lateral_deviation(fpa.simulate(ensemble, trials, progress=False))
            mean = deviation.mean(["trial", "replicate"])
            table = Table(f"Lateral deviation, % of reach, curl {amplitude:g} N s/m, context {context:g}")
            for method in ensemble.table["method"].values:
                base = float(mean.sel({"method": method, "field_std": 0.0}))
                table.rows.append(Row(f"{method}, A = 0", f"{base:.2f} %"))
                for std in ensemble.table["field_std"].values[1:]:
                    value = float(mean.sel({"method": method, "field_std": std}))
                    verdict = "meets must" if value < base else "falls short"
                    table.rows.append(
                        Row(f"{method}, A = {std:g}", f"{value:.2f} %", f"< {base:.2f} %", "", verdict)
                    )
            yield table


def plants() -> Iterator[Table]:
    """Plants against closed forms and independent derivations."""
    table = Table("Plants, in float64")
    with jax.enable_x64(True):
        drift = max(abs(_energy(a) / _energy(a, steps=1) - 1) for a in (-1.6, 0.4, 1.6, 5.0))
        table.rows.append(at_most("energy in a curl field, 10,000 steps: relative drift", [drift], 1e-11))
        table.rows.append(at_most("arm: torques against its Lagrangian, relative", [_arm_error()], 1e-11))
        wrong = [d for d in range(8) if not _delayed(d)]
    table.rows.append(exactly("delays from 0 to 7 steps that are not as long as asked", [len(wrong)], 0))
    yield table


def _energy(amplitude: float, steps: int = 10_000) -> float:
    move = fpa.plants.PointMass().stepper(fpa.fields.Curl(amplitude), 0.05)
    state = {"position": jnp.zeros(2, float), "velocity": jnp.array([0.6, -0.8], float)}
    end = jax.lax.scan(lambda s, _: (move(s, jnp.zeros(2, float)), None), state, length=steps)[0]
    return float(jnp.sum(end["velocity"] ** 2)) / 2


def _arm_error() -> float:
    """Return the largest relative error of the arm's torques against the derivatives of its Lagrangian."""
    arm = fpa.plants.TwoLinkArm()
    l1, m2, s2 = arm.lengths[0], arm.masses[1], arm.centers_of_mass[1]

    def centre(q: Any) -> Any:
        elbow = l1 * jnp.stack([jnp.cos(q[0]), jnp.sin(q[0])])
        return elbow + s2 * jnp.stack([jnp.cos(q[0] + q[1]), jnp.sin(q[0] + q[1])])

    def kinetic(q: Any, v: Any) -> Any:
        moving = jax.jvp(centre, (q,), (v,))[1]
        own = (arm.inertias[1] - m2 * s2**2) * (v[0] + v[1]) ** 2  # inertias are about the proximal joint
        return 0.5 * (arm.inertias[0] * v[0] ** 2 + m2 * moving @ moving + own)

    @jax.jit
    def error(q: Any, v: Any, torque: Any) -> Any:
        state = {"angle": q, "angular_velocity": v}
        a = arm.derivative(state, torque, jnp.zeros_like(q))["angular_velocity"]
        momentum = jax.grad(kinetic, 1)
        rate = jax.jvp(momentum, (q, v), (v, a))[1]  # d/dt of the momentum along the motion
        left = rate - jax.grad(kinetic)(q, v) + jnp.asarray(arm.friction) @ v
        return jnp.abs(left - torque).max() / jnp.abs(torque).max()

    rng = np.random.default_rng(0)
    draws = [(rng.uniform(-2, 2, 2), rng.uniform(-3, 3, 2), rng.normal(size=2)) for _ in range(200)]
    return max(float(error(*map(jnp.asarray, draw))) for draw in draws)


def _delayed(delay: int) -> bool:
    controller = fpa.Controller.create(hidden_size=8, feedback_delay=delay, key=jax.random.key(0))
    trials = fpa.tasks.SimpleReaches(n_steps=20).validation()
    ds = fpa.simulate(controller, trials, progress=False)
    path = np.concatenate([ds["start"].values[:, None], ds["position"].values], axis=1)
    felt = ds["u"].sel(input=["feedback.position[0]", "feedback.position[1]"]).values
    late = np.stack([path[:, max(k - delay, 0)] for k in range(20)], axis=1)
    return bool(np.array_equal(felt, late))


KILLED = f"""
network: {{hidden_size: 20}}
perturbation: {{field_std: 0.8}}
training: {{iterations: 600, batch_size: 32, checkpoints: {list(range(10, 601, 10))}}}
replicates: 2
sweep: {{perturbation.method: [active, std]}}
"""


def killed() -> Iterator[Table]:
    """The same YAML again, and killed ten times."""
    table = Table("The same bits")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "killed.yaml"
        config.write_text(KILLED)

        def run(name: str) -> tuple[Path, subprocess.Popen]:
            out = Path(folder) / name
            command = [str(Path(sys.executable).with_name("fpanalysis")), "train", str(config), "--quiet"]
            command += ["--folder", str(out)]
            return out, subprocess.Popen(command, stdout=subprocess.DEVNULL)

        began = time.perf_counter()
        whole, process = run("whole")
        assert process.wait() == 0
        took = time.perf_counter() - began
        again, process = run("again")
        assert process.wait() == 0
        draw, progress, finished, differ = random.Random(0), [], 0, 0
        while len(progress) < 10 or process.returncode != 0:
            out, process = run(f"killed{finished}")
            if len(progress) < 10:
                time.sleep(draw.uniform(0.0, took))
                process.send_signal(signal.SIGKILL)
            if process.wait() == 0:  # it came to its end before the signal
                differ += _differ(whole, out)
                finished += 1
                continue
            state = out / "state0.safetensors"
            progress.append(read_arrays(state)[1]["iteration"] if state.exists() else 0)
        table.rows.append(exactly("arrays that differ when trained again", [_differ(whole, again)], 0))
        table.rows.append(
            exactly(f"arrays that differ after 10 kills (SIGKILL) of {finished} runs", [differ], 0)
        )
        table.notes.append(f"states found after the kills: iterations {progress} of 600")
    yield table


def _differ(a: Path, b: Path) -> int:
    one, other = (read_arrays(path / "models.safetensors")[0] for path in (a, b))
    count = sum(not np.array_equal(one[name], other[name]) for name in one)
    histories = [fpa.open_dataset(path / "history.nc") for path in (a, b)]
    return count + (not histories[0].drop_attrs().identical(histories[1].drop_attrs()))


SECTIONS: dict[str, Callable[[], Iterator[Table]]] = {
    "compile": compile_section,
    "step": step_section,
    "bundled": bundled,
    "plants": plants,
    "killed": killed,
}


if __name__ == "__main__":
    run(SECTIONS, __doc__, machine())
