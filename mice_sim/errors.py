"""The one exception that users are meant to read."""


class MiceSimError(ValueError):
    """Wrong input or a study that can't go on: one sentence that names the thing and the remedy."""


class PlacedError(MiceSimError):
    """An error that says where its cause was written: in a file, or on the command line."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a hint such as `; did you mean 'cart'?`, or the list of known names."""
    import difflib

    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {_listed(list(map(str, known)))}."


def _listed(names: list[str], room: int = 200) -> str:
    """Return the names, or as many as there is room for."""
    shown = names
    while len(shown) > 1 and len(", ".join(shown)) > room:
        shown = shown[:-1]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
