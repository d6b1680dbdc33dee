"""The joint model beside a model of one column that holds interactions (Goldstein, Carpenter & Browne 2014).

All other columns have their joint model; the response has a regression on them in their own units, with the declared
products: y = F b + v_j + e, or of a binary y a latent column of that form, with v_j ~ N(0, τ²) independent of the other
cluster effects. A joint normal model alone could not hold the products. Missing cells of the others are proposed by
their joint model and accepted with the ratio of the response's likelihoods (Metropolis-Hastings).
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from mice_sim.synthesis.joint import kernels
from mice_sim.synthesis.joint.chains import Chain, Columns, Plain, in_units
from mice_sim.synthesis.joint.gibbs import Sampler, Side
from mice_sim.synthesis.joint.model import JointModel, Kept


class Compatible:
    """The joint model of all columns but the response, and the response's; see `Plain` for the attributes."""

    def __init__(self, model: JointModel):
        assert model.response is not None
        self.model, self.response = model, model.response
        self.others = Plain(model)
        self.variable = self.response.coding.variable(model.values[self.response.column])
        start = Chain(self.others, np.random.default_rng(0)).completed()
        self.kept = Kept.standardised(self.matrix(start), self.response.formula.names)
        one = self.sampler_of(self.kept.X)
        self.names = [*self.others.names, *one.names]
        self.free = np.append(self.others.free, one.free)

    def sampler_of(self, F: np.ndarray) -> Sampler:
        return Sampler(Side((self.variable,), F, self.kept.names), None, self.model.cluster, self.model.priors(1))

    def matrix(self, columns: Columns, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return F' (r, rows) for columns (n,) by number, of which observed and kept cells are the table's."""
        values = self.model.values[:, rows].copy()
        for j, own in columns.items():
            values[j] = np.where(np.isnan(values[j]), own[rows], values[j])
        return self.response.formula.matrix(values).T

    def start(self, rng: np.random.Generator) -> CompatibleChain:
        return CompatibleChain(self, rng)

    def natural(self, draws: np.ndarray) -> np.ndarray:
        """Return draws (…, parameters) in the units of the columns."""
        at = len(self.others.names)
        own = draws[..., at:].copy()
        r = len(self.kept.names)
        mean, sd = self.response.coding.scale
        scales = np.array([[mean, sd]])
        own[..., :r] = in_units(draws[..., at : at + r, None], self.kept, scales)[..., 0]
        own[..., r:] *= sd**2  # variances
        return np.concatenate([self.others.natural(draws[..., :at]), own], axis=-1)

    def new(self, row: np.ndarray, k: int, rng: np.random.Generator) -> Columns:
        """Return the columns of k new records for a row of a trace, in the order of the model's clusters."""
        at = len(self.others.names)
        found = self.others.new(row[:at], k, rng)
        values = np.full((len(self.model.columns), k), np.nan)
        for j in self.model.kept_columns:
            values[j] = self.model.values[j]
        for j, own in found.items():
            values[j] = own
        F = (self.response.formula.matrix(values).T - self.kept.means[:, None]) / self.kept.sds[:, None]
        r = len(F)
        latent = row[at : at + r] @ F + np.sqrt(row[at + r]) * rng.standard_normal(k)
        variance = row[at + r]
        cluster = self.model.cluster
        if cluster is not None:
            variance += row[at + r + 1]
            latent += np.sqrt(row[at + r + 1]) * rng.standard_normal(int(cluster[-1]) + 1)[cluster]
        if self.variable.kind == "continuous" and self.model.options.noise:
            latent += np.sqrt(self.model.options.noise * variance) * rng.standard_normal(k)
        found[self.response.column] = self.response.coding.back(latent[None], None)
        return found


class CompatibleChain:
    """One chain of `Compatible`: in turn missing cells, the joint model of the others, and the response's."""

    def __init__(self, compatible: Compatible, rng: np.random.Generator):
        self.compatible, self.rng = compatible, rng
        self.others = Chain(compatible.others, rng)
        self.level = compatible.others.sampler.level_1
        self.still = compatible.others.sampler.without_missing()
        self.rows = np.sort(self.level.rows)
        self.columns = self.others.completed()
        self.response = compatible.sampler_of(self._scaled(compatible.matrix(self.columns)))
        self.states = self.response.start(rng)

    def run(self, cycles: int, adapting: bool = False) -> np.ndarray:
        """Run cycles and return all parameters after each, (cycles, parameters)."""
        trace = np.empty((cycles, len(self.compatible.names)))
        at = len(self.compatible.others.names)
        for t in range(cycles):
            if self.rows.size:
                self._move()
            trace[t, :at] = self.still.run(self.others.states, 1, self.rng, adapting)[0]
            trace[t, at:] = self.response.run(self.states, 1, self.rng, adapting)[0]
            self.others.last = trace[t, :at]
        return trace

    def completed(self) -> Columns:
        """Return all columns, with missing cells as they now are."""
        response = self.compatible.response
        return {**self.columns, response.column: response.coding.back(self.states[0].Y, None)}

    def _scaled(self, F: np.ndarray) -> np.ndarray:
        kept = self.compatible.kept
        return np.ascontiguousarray((F - kept.means[:, None]) / kept.sds[:, None])

    def _move(self) -> None:
        """Propose the missing cells of a record given its others, and keep them as the response's likelihood says."""
        state, rows = self.others.states[0], self.rows
        old_Y, old_R = state.Y[:, rows], state.R[:, rows]
        kernels.draw_unknown(self.level, state, kernels.inverse(state.covariance), self.rng)
        cuts = self.compatible.others.sampler.parameters(self.others.last).cuts
        new = self.compatible.model.columns_of(1, state.Y[:, rows], cuts)
        columns = {j: own.copy() for j, own in self.columns.items()}
        for j, own in new.items():
            columns[j][rows] = own
        F = self._scaled(self.compatible.matrix(columns, rows))
        level = self.response.level_1
        gain = self._log_likelihood(F, rows) - self._log_likelihood(level.X[:, rows], rows)
        kept = np.log(self.rng.random(rows.size)) < gain
        state.Y[:, rows[~kept]], state.R[:, rows[~kept]] = old_Y[:, ~kept], old_R[:, ~kept]
        for j, own in new.items():
            self.columns[j][rows[kept]] = own[kept]
        level.X[:, rows[kept]] = F[:, kept]
        level.gram[:] = level.X @ level.X.T

    def _log_likelihood(self, F: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the log likelihood of the response in these rows, but for a constant; 0 where it is missing."""
        one, two = self.states
        centre = one.B[:, 0] @ F
        if self.compatible.model.cluster is not None:
            centre = centre + two.Y[0, self.compatible.model.cluster[rows]]
        y = self.compatible.variable.values[rows]
        if self.compatible.variable.kind == "continuous":
            found = -0.5 * (y - centre) ** 2 / one.covariance[0, 0]
        else:
            found = log_ndtr((2 * y - 1) * centre)
        return np.where(np.isnan(y), 0.0, found)
