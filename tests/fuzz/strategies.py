"""Text that looks right for a while: pieces of each grammar, put together at random."""

from typing import Any

import yaml
from hypothesis import strategies as st

JUNK = st.text(max_size=12)


def pieces(*words: str, limit: int = 30) -> st.SearchStrategy[str]:
    """Words of a grammar, junk among them."""
    return st.lists(st.one_of(st.sampled_from(words), JUNK), max_size=limit).map("".join)


EXPRESSIONS = pieces(
    "$A", "$B", "$C", " ", "==", "!=", "=~", "!~", "&&", "||", "!", "(", ")", '"x"', "'y'", "null",
    "true", "false", "/ab/", "/a.*b/i", "/(/", "$[[ inputs.a ]]", "\\", "/", "\n",
)  # fmt: skip
YAML = pieces(
    "a", ":", " ", "\n", "- ", "  ", "[", "]", "{", "}", ",", "&x", "*x", "<<: *x", "!reference ",
    "!!int ", "|", ">", "'", '"', "#", "---\n", "...\n", "? ", "%YAML 1.1\n", "\t", "1e999", "0x1",
    "2001-01-01", ":sym", "~", "\x00", "\u2028", limit=40,
)  # fmt: skip
BLOCKS = pieces(
    "$[[", "]]", " inputs.a ", " inputs.l ", "inputs.l[0]", "[9]", "|", " truncate(0,1) ",
    "expand_vars", " posix_escape ", "split(',')", "matrix.X", ".", "$A", "$[[ inputs.a ]]",
)  # fmt: skip
GLOBS = pieces(
    "*", "**", "/", "?", "[", "]", "!", "^", "-", "{", "}", ",", "\\", "a", "b", ".", "..", "\n",
)  # fmt: skip
VARIABLES = pieces(
    "A=", "B=", "C=", "\n", "$A", "${B}", "%C%", "$$", "%%", "$", "{", "}", "x", limit=40
)
SECRETS = pieces("secret-value", "tok3nValue99", "\n", "a", "A", "%", "\x1b[0m", "\\", "'", "=")

KEYWORDS = (
    "script", "stage", "stages", "needs", "dependencies", "rules", "if", "when", "only", "except",
    "changes", "exists", "paths", "variables", "value", "expand", "parallel", "matrix", "extends",
    "include", "local", "default", "workflow", "name", "image", "services", "artifacts", "reports",
    "cache", "key", "files", "retry", "max", "timeout", "environment", "on_stop", "action",
    "trigger", "project", "job", "optional", "inherit", "before_script", "allow_failure",
    "exit_codes", "start_in", "release", "secrets", "id_tokens", "pages", "run", "inputs", "spec",
    "tags", "interruptible", "resource_group", "hooks", "coverage", "auto_cancel", "refs",
)  # fmt: skip
NAMES = ("a", "b", "c", ".base", "build", "test", "deploy", "", "A", "a 1/2", "a: [x]")
SCALARS = st.one_of(
    st.sampled_from((*NAMES, "x", "$A", "/a+b/", "/(/", "manual", "delayed", "never", "1 hour",
                     '$A == "x"', "$A =~", "$[[ matrix.A ]]", "**/*.rb", "{a,b}")),
    st.none(), st.booleans(), st.integers(-3, 300), st.floats(allow_nan=False), JUNK,
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from((*KEYWORDS, *NAMES)), inner, max_size=4),
    ),
    max_leaves=12,
)
JOBS = st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=6).map(
    lambda job: {"script": "x", **job}
)
FILES = st.dictionaries(st.sampled_from((*NAMES, *KEYWORDS)), st.one_of(JOBS, VALUES), max_size=6)
PIPELINES = FILES.map(lambda file: yaml.safe_dump(file, sort_keys=False, allow_unicode=True))
