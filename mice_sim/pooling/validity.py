"""For which sets a rule is not valid, and why: functions of an origin to a reason, or None."""

from __future__ import annotations

from mice_sim.origin import Origin

ONE_STEP = (
    "No combining rule is derived for missing and observed values drawn together in one step, and none covers (at most "
    "71 % of 95 % intervals in experiments/incomplete_boys); make the sets in two steps, missing='two-step'."
)


def describe(origin: Origin) -> str:
    """Return an origin in a few words, such as 'linked synthetic data'."""
    if origin.mode == "impute":
        return "imputed data"
    making: list[str] = [origin.missing] if origin.missing in ("one-step", "two-step") else []
    if origin.mode == "sequential":
        making.append("with parameters drawn anew" if origin.proper else "with fixed parameters")
    if not origin.complete:
        making.append("partly replaced")
    return f"{origin.mode} synthetic data" + (f" ({', '.join(making)})" if making else "")


def is_joint(origin: Origin) -> bool:
    """Return whether new records come from parameters that a joint model drew together with the missing values.

    The variance between such sets holds what the missing values add (Goldstein, Carpenter, Kenward & Levin 2009).
    """
    return origin.mode == "sequential" and origin.missing == "one-step" and origin.proper and origin.complete


def needs_imputed(origin: Origin) -> str | None:
    return None if origin.mode == "impute" else "it is for real data with imputed cells"


def needs_synthetic(origin: Origin) -> str | None:
    if origin.mode == "impute":
        return "it is for synthetic data"
    if origin.missing in ("one-step", "two-step"):
        return "it leaves out what the imputation of the missing values adds"
    return None


def _needs_all_new(origin: Origin, proper: bool) -> str | None:
    return needs_synthetic(origin) or _needs_new_records(origin, proper)


def _needs_new_records(origin: Origin, proper: bool) -> str | None:
    if origin.mode != "sequential":
        return "it is for new records, not for ones that stay linked to the real ones"
    if not origin.complete:
        return "it is for sets in which every cell is replaced"
    if origin.proper != proper:
        drawn, draw = ("drawn anew", "fixed") if proper else ("fixed", "drawn anew")
        return f"it is for parameters that are {drawn} for every set, and these were {draw}"
    return None


def needs_new_proper(origin: Origin) -> str | None:
    return _needs_all_new(origin, proper=True)


def needs_whole_columns(origin: Origin) -> str | None:
    return needs_synthetic(origin) or _needs_no_links(origin)


def _needs_no_links(origin: Origin) -> str | None:
    if origin.mode == "linked":
        return "linked sets are off the sample's own estimates by more than it allows for"
    return None


def needs_posterior(origin: Origin) -> str | None:
    """One synthesis of every imputation, with parameters drawn anew, is a draw from the joint posterior too."""
    if is_joint(origin):
        return None
    return _needs_new_records(origin, proper=True) if _is_nest_of_one(origin) else needs_new_proper(origin)


def _is_nest_of_one(origin: Origin) -> bool:
    return origin.mode != "impute" and origin.missing == "two-step" and origin.r == 1


def needs_new_plug_in(origin: Origin) -> str | None:
    return _needs_all_new(origin, proper=False)


def needs_one_synthesis(origin: Origin) -> str | None:
    if not _is_nest_of_one(origin):
        return "it is for synthetic data made in two steps, with one synthesis of every imputation"
    return _needs_new_records(origin, proper=False)


def needs_nests(origin: Origin) -> str | None:
    if origin.missing != "two-step":
        return "it is for synthetic data made in two steps, imputations first"
    return None if origin.r > 1 else "it needs two or more syntheses of every imputation"


def needs_whole_nests(origin: Origin) -> str | None:
    return needs_nests(origin) or _needs_no_links(origin)
