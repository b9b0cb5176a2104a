"""The `spec:` header of a file that is included with inputs; `pipeline/document/` reads it.

Source: GitLab's CI/CD YAML reference, `spec`.
"""

from homeport.pipeline.config.status import Keyword

STATUS = Keyword(
    name="spec",
    evaluated=True,
    parts=(
        Keyword(name="inputs", evaluated=True, note="of the file itself with its defaults"),
        Keyword(name="inputs:default", evaluated=True),
        Keyword(name="inputs:description"),
        Keyword(name="inputs:options", evaluated=True),
        Keyword(name="inputs:regex", evaluated=True),
        Keyword(name="inputs:rules", evaluated=True),
        Keyword(name="inputs:type", evaluated=True),
        Keyword(name="component", evaluated=True),
        Keyword(name="include", evaluated=True),
    ),
)
