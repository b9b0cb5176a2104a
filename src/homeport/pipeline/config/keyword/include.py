"""`include`: other files of the configuration; `pipeline/include/` reads them before this package.

Source: GitLab's CI/CD YAML reference, `include`.
"""

from homeport.pipeline.config.status import Keyword

STATUS = Keyword(
    name="include",
    evaluated=True,
    note="what cannot be read is named, the rest is evaluated: "
    "[how to](../how-to/work-with-includes-from-elsewhere.md)",
    parts=(
        Keyword(name="local", evaluated=True, note="with `*` and `**`", cases=("include-local",)),
        Keyword(name="project", evaluated=True),
        Keyword(name="remote", evaluated=True),
        Keyword(name="template", evaluated=True),
        Keyword(name="component", evaluated=True),
        Keyword(name="integrity", evaluated=True),
        Keyword(name="cache", evaluated=True),
        Keyword(name="inputs", evaluated=True),
        Keyword(name="rules", evaluated=True),
    ),
    cases=("unreachable-include",),
)
