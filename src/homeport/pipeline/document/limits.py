"""How big a configuration may be before it is refused."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one file, and of all included files together.

    `size` is the file's size in bytes and `depth` the nesting of its collections, as GitLab's
    settings `max_yaml_size_bytes` and `max_yaml_depth` name them. `values` bounds the number of
    values after aliases are expanded, so that a small file cannot stand for a huge one.
    `includes` and `total_size` are GitLab's `ci_max_includes` and `ci_max_total_yaml_size_bytes`
    (GitLab documentation, "Instance limits").
    """

    size: int = 2 * 1024 * 1024
    depth: int = 100
    values: int = 1_000_000
    includes: int = 150
    total_size: int = 300 * 1024 * 1024
