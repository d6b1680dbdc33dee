"""One replicate: sample, synthesise by every method, analyse, pool. The atom of every study."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any

import numpy as np

from mice_sim import streams
from mice_sim.data import Table
from mice_sim.errors import MiceSimError, nearest
from mice_sim.origin import Origin
from mice_sim.pooling import Rule, default_rule
from mice_sim.study import analyses, resampling
from mice_sim.study.config import sample_source, variants
from mice_sim.study.populations import Population, make_population
from mice_sim.study.rows import Failure, Layout, ReplicateRows
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.spec import Specification, specify

COMPLETE = "complete_cases"
CHOSEN = "the rule for sets that are made like these"
SAMPLES = ("incomplete", "complete")


class Replicator:
    """Everything that the replicates of one study share; `run(r)` is a pure function of r.

    links : the steps of a replicate's hash chain, with the names of the streams that they draw from.
    """

    def __init__(self, key: str):
        science = json.loads(key)
        self.seed: int = science["seed"]
        self.population = _population(json.dumps(science["data"]), self.seed)
        self.truth = self.population.reference
        self.sampled_as = sample_source(science["resampling"])
        self.sample = resampling.make(science["resampling"], self.population, self.seed)
        self.ampute = resampling.make_amputer(science["resampling"], self.truth.columns, self.seed, self.sample)
        given = variants(science["synthesis"])
        self.methods = {name: self._specify(options) for name, options in given.items()}
        self.of_complete = {name for name, options in given.items() if _of_complete(name, options)}
        self.analyses = analyses.make(science["analysis"], science["pooling"], self.truth)
        self._given = science["analysis"]
        self.chosen = analyses.chosen(self._given, self.methods)
        self._check_sets()
        singles = [self.sampled_as, *([COMPLETE] if self.ampute else [])]
        for name in self.methods:
            if name in (*singles, "original"):
                raise MiceSimError(f"A method can't be called '{name}', as other rows are; rename the variant.")
        # The parts of a replicate in their order: which analyses are done on what.
        self.parts = [(source, name) for source in singles for name, a in self.analyses.items() if a.on_single]
        self.parts += [(method, name) for method in self.methods for name in self.chosen[method]]
        self.layout = self._layout(self.parts)
        self.original_layout = self._layout([("original", n) for n, a in self.analyses.items() if a.on_single])
        self.links = self._links(singles)

    def _specify(self, given: dict) -> Specification:
        # null takes an option away again, such as a tree's from a variant that grows none.
        options = {k: v for k, v in given.items() if k not in ("predictors", "sample") and v is not None}
        if isinstance(options.get("rules"), dict):  # a key has them as pairs
            options["rules"] = {name: dict(r) if isinstance(r, list) else r for name, r in options["rules"].items()}
        return specify(self._typical(), predictor_matrix=given["predictors"], **options)

    def _check_sets(self) -> None:
        """Raise MiceSimError where a method makes fewer sets than a rule that pools them takes."""
        for method, names in self.chosen.items():
            for name in names:
                _check_least(name, self.analyses[name].rule, self.methods[method].m)

    def _typical(self) -> Table:
        """Return rows that show what all samples are like: the reference, or the first of the samples it is made of.

        In such a reference a cluster's number stands for another cluster in every sample. The first sample is one in
        which every column varies, lest a column be taken for a constant.
        """
        truth, n = self.truth, self.population.n
        if not self.population.fixed_n or n > truth.n_rows:
            return truth
        samples = (truth.take(np.arange(start, start + n)) for start in range(0, truth.n_rows - n + 1, n))
        return next((sample for sample in samples if np.ptp(sample.values, axis=1).all()), truth)

    def _layout(self, parts: list[tuple[str, str]]) -> Layout:
        return Layout.of(
            (source, block.analysis, term, statistic)
            for source, name in parts
            for block in self.analyses[name].blocks
            for statistic in block.statistics
            for term in block.terms
        )

    def _links(self, singles: list[str]) -> list[dict[str, str]]:
        seed = self.seed
        links = [{"link": "sample", "stream": f"{seed}/{self.sampled_as}/REPLICATE"}]
        if self.ampute:
            links.append({"link": "incomplete sample", "stream": f"{seed}/amputation/REPLICATE"})
        links += [{"link": f"{s} {n}", "stream": ""} for s, n in self.parts if s in singles]
        for method, spec in self.methods.items():
            links += [
                {"link": f"{method} set {i}", "stream": f"{seed}/synthesis/REPLICATE/{i}/COLUMN/ITERATION"}
                for i in range(1, _number_of_sets(spec) + 1)
            ]
            links += [
                {"link": f"{method} {name}", "stream": f"{seed}/analysis/REPLICATE/{name}"}
                for name in self.chosen[method]
            ]
        return links

    # ---- running

    def original(self) -> ReplicateRows:
        """Return the truth: the analyses of the reference data, or what is known of them."""
        found = []
        for name, analysis in self.analyses.items():
            if analysis.on_single:
                values, _ = analysis.single(self.truth.values)
                found.append(analyses.true_values(name, self._given[name], analysis.blocks[0], values, self.population))
        value, variance = (np.concatenate([np.zeros(0), *part]) for part in zip(*found, strict=True))
        return ReplicateRows(-1, value, variance, [*self._rules()], [], [])

    def _rules(self) -> Iterator[dict]:
        """Yield an event for each rule that is chosen, or not valid, for the sets that it pools.

        They are taken as the first sample makes them. Raises MiceSimError where no rule is, or it takes more sets.
        """
        first = _Replicate(self, 0)
        complete, incomplete = first.samples()
        for method, spec in self.methods.items():
            sample = complete if method in self.of_complete else incomplete
            if isinstance(sample, Failed):
                continue
            origin = spec.origin(sample)
            for name in self.chosen[method]:
                rule = self.analyses[name].rule
                if isinstance(self.analyses[name], analyses.ModelAnalysis) and rule is None:
                    rule, why = _chosen(name, origin, spec.m), CHOSEN
                else:
                    why = rule.refusal(origin) or "" if rule else ""
                if rule and why:
                    yield {"replicate": -1, "source": method} | vars(Event(name, f"pooled by {rule.name}", why))

    def run(self, replicate: int) -> ReplicateRows:
        """Return the rows of one replicate; what fails in it is recorded, not raised."""
        return _Replicate(self, replicate).run()

    def streams(self, replicate: int) -> engine.Streams:
        return lambda i, name, k: streams.stream(self.seed, "synthesis", replicate, i, name, k)


class _Replicate:
    """One replicate at work: its rows, failures and hash chain grow part by part."""

    def __init__(self, shared: Replicator, number: int):
        self.shared, self.number = shared, number
        self.found: list[analyses.Values] = []
        self.failures: list[Failure] = []
        self.passport: list[str] = []
        self.events: list[dict] = []

    def run(self) -> ReplicateRows:
        shared, r = self.shared, self.number
        complete, sample = self.samples()
        self._stamp(complete)
        self._analyse_single(shared.sampled_as, complete)
        if shared.ampute:
            self._stamp(sample)
            self._analyse_single(COMPLETE, self._try("", lambda: _complete(_given(sample))))
        for method, spec in shared.methods.items():
            self._analyse_sets(
                method, self._synthesise(method, spec, complete if method in shared.of_complete else sample)
            )
        value, variance = (np.concatenate(part) for part in zip(*self.found, strict=True))
        return ReplicateRows(r, value, variance, self.events, self.failures, self.passport)

    def samples(self) -> tuple[Table | Failed, Table | Failed]:
        """Return the sample, and what is left of it after amputation, if there is one."""
        shared, r = self.shared, self.number
        sample = self._try(f"{shared.seed}/{shared.sampled_as}/{r}", lambda: shared.sample(r))
        if not shared.ampute:
            return sample, sample
        ampute = shared.ampute
        return sample, self._try(f"{shared.seed}/amputation/{r}", lambda: ampute(r, _given(sample)))

    def _synthesise(self, method: str, spec: Specification, sample: Table | Failed) -> analyses.Sets | Failed:
        log = EventLog()
        made = self._try(
            f"{self.shared.seed}/synthesis/{self.number}",
            lambda: analyses.Sets(
                engine.run(_given(sample), spec, self.shared.streams(self.number), log),
                _given(sample).values,
                spec.origin(_given(sample)),
            ),
        )
        for i in range(_number_of_sets(spec)):
            # A complete sample has no imputations to nest its sets in, so there are fewer.
            there = isinstance(made, analyses.Sets) and i < len(made.values)
            self._stamp(made.values[i] if there else np.zeros(0))
        self.events += [{"replicate": self.number, "source": method, **vars(event)} for event in log]
        return made

    def _analyse_single(self, source: str, sample: Table | Failed) -> None:
        for name, analysis in self.shared.analyses.items():
            if analysis.on_single:
                self._attempt(source, name, partial(_on_one, analysis, sample))

    def _analyse_sets(self, method: str, made: analyses.Sets | Failed) -> None:
        for name in self.shared.chosen[method]:
            rng = streams.stream(self.shared.seed, "analysis", self.number, name)
            self._attempt(method, name, partial(_on_sets, self.shared.analyses[name], made, rng))

    def _attempt(self, source: str, name: str, compute: Callable[[], list[analyses.Values]]) -> None:
        blocks = self.shared.analyses[name].blocks
        found = self._try(f"{self.shared.seed}/analysis/{self.number}/{name}", compute)
        if isinstance(found, Failed):
            self.failures.append(Failure(source, name, found.error, found.stream))
            found = [(np.full(block.size, np.nan), np.full(block.size, np.nan)) for block in blocks]
        self.found += found
        self._stamp(np.concatenate([value for value, _ in found]))

    def _try(self, stream: str, compute: Callable[[], Any]) -> Any:
        """Return what `compute` gives, or its failure; a failure that it was given keeps its first cause."""
        try:
            return compute()
        except Failed as earlier:
            return earlier
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}", stream)

    def _stamp(self, made: Table | np.ndarray | Failed) -> None:
        """Add a link to the hash chain: of the link before it and the bytes of what was made."""
        content = b"" if isinstance(made, Failed) else (made.values if isinstance(made, Table) else made).tobytes()
        before = self.passport[-1].encode() if self.passport else b""
        self.passport.append(blake2b(before + content, digest_size=8).hexdigest())


class Failed(Exception):
    """Stands for what could not be made, with the error and the stream that it drew from."""

    def __init__(self, error: str, stream: str):
        super().__init__(error)
        self.error, self.stream = error, stream


def _given(made):
    """Return what was made, or raise the failure that stands for it."""
    if isinstance(made, Failed):
        raise made
    return made


def _on_one(analysis: analyses.Analysis, sample: Table | Failed) -> list[analyses.Values]:
    return [analysis.single(_given(sample).values)]


def _on_sets(
    analysis: analyses.Analysis, made: analyses.Sets | Failed, rng: np.random.Generator
) -> list[analyses.Values]:
    return analysis.pooled(_given(made), rng)


def _chosen(analysis: str, origin: Origin, m: int) -> Rule:
    """Return the rule for sets of this origin; raises MiceSimError if there is none, or it takes more sets."""
    try:
        rule = default_rule(origin)
    except MiceSimError as error:
        raise MiceSimError(f"{error} To study it all the same, name a rule: +pooling.{analysis}=RULE.") from None
    _check_least(analysis, rule, m)
    return rule


def _check_least(analysis: str, rule: Rule | None, m: int) -> None:
    if rule and m < rule.least:
        raise MiceSimError(
            f"m is {m}; by the rule '{rule.name}' of analysis.{analysis} pooling needs at least two sets, so give "
            "synthesis.m=2 or more."
        )


def _number_of_sets(spec: Specification) -> int:
    return spec.m * (spec.r if spec.missing == "two-step" else 1)


def _of_complete(method: str, given: Mapping[str, Any]) -> bool:
    """Return whether a method is given the samples as they were before values went missing."""
    sample = given.get("sample")
    if sample not in (None, *SAMPLES):
        raise MiceSimError(f"The sample of '{method}' is {sample!r}{nearest(str(sample), SAMPLES)}")
    return sample == "complete"


def _complete(sample: Table) -> Table:
    return sample.take(np.flatnonzero(~np.isnan(sample.values).any(axis=0)))


@lru_cache(maxsize=4)
def _population(config: str, seed: int) -> Population:
    """Return the population of a `data` configuration (JSON); the points of a sweep often share it."""
    return make_population(json.loads(config), seed)


@lru_cache(maxsize=4)
def replicator(key: str) -> Replicator:
    """Return this process's Replicator of a study (`StudyConfig.key()`)."""
    return Replicator(key)
