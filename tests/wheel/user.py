"""A person's first program: tests/test_wheel.py runs it on installed wheels, and has mypy --strict read it."""

import mice_sim as ms
from mice_sim.api import Sets


def imputed_and_synthetic(seed: int) -> tuple[Sets, Sets]:
    numbers = ms.load_dataset("boys")[["age", "hgt", "wgt", "hc"]]
    bounds: dict[str, list[float | None]] = {"hc": [30, None]}
    return ms.impute(numbers, m=2, maxit=2, bounds=bounds, seed=seed), ms.synthesize(numbers, m=2, seed=seed)


def main() -> None:
    imputed, synthetic = imputed_and_synthetic(seed=1)
    for result in (imputed, synthetic):
        pooled = ms.pool(result.fit("hc ~ age + hgt"))
        assert (pooled["std_error"] > 0).all(), pooled
        print(pooled[["estimate", "std_error"]])
    ms.write_table(synthetic.original.to_pandas(), "numbers.csv")
    for number in range(1, synthetic.m + 1):
        ms.write_table(synthetic.completed(number), f"synthetic_{number}.csv")
    smoothed: Sets = ms.sdc(synthetic, smoothing="density", seed=1)
    print(smoothed)
    try:
        ms.impute(imputed.completed(1), method="pnm")
    except ms.MiceSimError as error:
        print(error)


if __name__ == "__main__":
    main()
