"""Synthesis and imputation: a specification, one engine, methods, and what is decided on the way.

`spec.specify` checks all before the first draw; `engine.run` makes sets by `chained`, `sequential` or `joint/`.
"""
