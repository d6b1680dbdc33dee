"""Synthesis and imputation: a specification, one engine, methods, and what is decided on the way.

`spec.specify` checks everything before the first draw; `engine.run` makes the sets, by `chained`, `sequential` or `joint/`.
"""
