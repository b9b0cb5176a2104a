"""The deep merge that `include` and `extends` share (Rails' `deep_merge`)."""

from homeport.pipeline.model.document import Map


def deep_merge(base: Map, over: Map) -> Map:
    """`base` with `over` on top: mappings are merged key by key, anything else is replaced.

    Neither argument is changed; values that meet no counterpart are shared. Keys keep the order
    of `base`, and the place of whichever value won.
    """
    if not base:
        return over
    merged = Map(base, over.mark, {**base.marks, **over.marks})
    for key, value in over.items():
        if isinstance(value, Map):
            under = merged.get(key)
            if isinstance(under, Map):
                value = deep_merge(under, value)  # noqa: PLW2901 - the value that goes in
        merged[key] = value
    return merged
