"""Chains of the joint model of a table: what they draw, in the table's own units and columns."""

from __future__ import annotations

import numpy as np

from mice_sim.synthesis.joint.gibbs import Parameters
from mice_sim.synthesis.joint.model import JointModel, Kept

Columns = dict[int, np.ndarray]


class Plain:
    """The joint model without a response of its own.

    Attributes
    ----------
    names, free : of the parameters of a row of a trace, and which of them are not fixed.
    """

    def __init__(self, model: JointModel):
        self.model = model
        self.sampler = model.sampler()
        self.names, self.free = self.sampler.names, self.sampler.free

    def start(self, rng: np.random.Generator) -> Chain:
        return Chain(self, rng)

    def natural(self, draws: np.ndarray) -> np.ndarray:
        """Return draws (…, parameters) in the units of the columns and predictors."""
        sampler, at = self.sampler, 0
        result = draws.copy()
        scales_1 = self.scales(1)
        for level, side in ((1, sampler.one), (2, sampler.two)):
            if level == 2 and not sampler.two_level:
                break
            own = scales_1 if level == 1 else self.scales(2)
            r, q = len(side.x_names), side.width
            if r * q:
                block = draws[..., at : at + r * q].reshape(*draws.shape[:-1], r, q)
                result[..., at : at + r * q] = in_units(block, self.model.kept[level - 1], own).reshape(
                    *draws.shape[:-1], r * q
                )
            at += r * q
            sds = (own if level == 1 else np.vstack([scales_1, own]))[:, 1]
            lower = np.tril_indices(sds.size)
            result[..., at : at + lower[0].size] *= sds[lower[0]] * sds[lower[1]]
            at += lower[0].size + sum(max(len(v.levels) - 2, 0) for v in side.variables if v.kind == "ordered")
        return result

    def scales(self, level: int) -> np.ndarray:
        """Return mean and standard deviation that each latent column's unit stands for, (latent columns, 2)."""
        side = self.sampler.one if level == 1 else self.sampler.two
        codings = [self.model.codings[j] for j in self.model.drawn[level - 1]]
        pairs = [c.scale for c, v in zip(codings, side.variables, strict=True) for _ in range(v.width)]
        return np.array(pairs).reshape(-1, 2)

    def new(self, row: np.ndarray, k: int, rng: np.random.Generator) -> Columns:
        """Return the columns of k new records for a row of a trace, in the order of the model's clusters."""
        return self.new_columns(self.sampler.parameters(row), k, rng)

    def new_columns(self, parameters: Parameters, k: int, rng: np.random.Generator) -> Columns:
        model = self.model
        X = model.kept[0].X if k == model.order.size else np.ones((1, k))
        latent = draw_latent(parameters, (X, model.kept[1].X), model.cluster, rng)
        if noise := model.options.noise:
            variance = np.diag(parameters.omega_1).copy()
            total = np.diag(parameters.omega_2)
            variance += total[: variance.size] if total.size else 0
            latent = tuple(
                values + np.sqrt(noise * spread)[:, None] * rng.standard_normal(values.shape) * numbers[:, None]
                for values, spread, numbers in zip(
                    latent, (variance, total[variance.size :]), (self._numbers(1), self._numbers(2)), strict=True
                )
            )
        return self.columns(latent[0], latent[1], parameters.cuts)

    def _numbers(self, level: int) -> np.ndarray:
        side = self.sampler.one if level == 1 else self.sampler.two
        return np.array([v.kind == "continuous" for v in side.variables for _ in range(v.width)], float)

    def columns(self, one: np.ndarray, two: np.ndarray, cuts: dict[str, np.ndarray]) -> Columns:
        """Return columns of rows by number, for latent columns of rows and of clusters."""
        found = self.model.columns_of(1, one, cuts)
        for j, values in self.model.columns_of(2, two, cuts).items() if self.model.drawn[1] else ():
            found[j] = values[self.model.cluster]
        return found


class Chain:
    """One chain of `Plain`."""

    def __init__(self, plain: Plain, rng: np.random.Generator):
        self.plain, self.rng = plain, rng
        self.states = plain.sampler.start(rng)
        self.last = plain.sampler.row(self.states)

    def run(self, cycles: int, adapting: bool = False) -> np.ndarray:
        """Run cycles and return all parameters after each, (cycles, parameters)."""
        trace = self.plain.sampler.run(self.states, cycles, self.rng, adapting)
        self.last = trace[-1]
        return trace

    def completed(self) -> Columns:
        """Return all columns, with missing cells as they now are."""
        one, two = self.states
        p = one.Y.shape[0]
        return self.plain.columns(one.Y, two.Y[p:], self.plain.sampler.parameters(self.last).cuts)


def in_units(B: np.ndarray, kept: Kept, scales: np.ndarray) -> np.ndarray:
    """Return coefficients (…, r, p) in the units of predictors and latent columns, whose scales are (p, 2)."""
    result = kept.natural(B) * scales[:, 1]
    result[..., 0, :] += scales[:, 0]
    return result


def draw_latent(
    parameters: Parameters, kept: tuple[np.ndarray, np.ndarray], cluster: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return latent columns of new records (p, n) and of new clusters (q, clusters), given predictors of both."""
    p = parameters.omega_1.shape[0]
    one = parameters.B.T @ kept[0]
    one += np.linalg.cholesky(parameters.omega_1) @ rng.standard_normal(one.shape)
    if cluster is None:
        return one, np.zeros((0, 0))
    size = parameters.omega_2.shape[0], int(cluster[-1]) + 1
    effects = np.linalg.cholesky(parameters.omega_2) @ rng.standard_normal(size)
    one += effects[:p, cluster]
    two = effects[p:]
    if two.size:
        two = two + parameters.B_2.T @ kept[1]
    return one, two
