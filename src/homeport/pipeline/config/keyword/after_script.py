"""`after_script`: commands that run after `script`, in a shell of their own; read as `script` is.

Source: GitLab's CI/CD YAML reference, `after_script`.
"""

from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="after_script", run=YES, cases=("after-script",))
