"""Calls that can't work; mypy --strict must refuse every line that says so."""

import mice_sim as ms

boys = ms.load_dataset("boys")
ms.imput(boys)  # wrong
ms.impute(boys, m="five")  # wrong
ms.impute(boys, donors=3, maxit=None)  # wrong
imputed = ms.impute(boys, m=5)
imputed.fit(["hc", "age"])  # wrong
imputed.complete(1)  # wrong
ms.pool(imputed)  # wrong
ms.synthesize(boys, method=ms.Method)  # wrong
synthetic: ms.Synthesizer = ms.synthesize(boys)  # wrong
ms.Synthesizer(m=5).generate(k="100")  # wrong
