"""`interruptible`: whether a job may be cancelled when it has become redundant.

Source: GitLab's CI/CD YAML reference, `interruptible`.
"""

from homeport.pipeline.config.status import NO_EFFECT, Keyword

STATUS = Keyword(
    name="interruptible",
    evaluated=True,
    run=NO_EFFECT,
    note="a newer run beside an older one leaves that alone",
)
