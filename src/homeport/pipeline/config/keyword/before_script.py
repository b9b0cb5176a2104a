"""`before_script`: commands that run before `script`, in the same shell; read as `script` is.

Source: GitLab's CI/CD YAML reference, `before_script`.
"""

from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="before_script", run=YES, cases=("stages-in-order",))
