"""What is attacked: each takes text and answers with anything but an exception of its own."""

from collections.abc import Callable, Mapping

from conformance.conditions import Tree
from conformance.configuration import read_config
from conformance.life import trigger_of
from homeport.errors import Severity, UsageError
from homeport.lib.redact import Redactor
from homeport.pipeline.conditions import patterns
from homeport.pipeline.conditions.expression import is_true, parse
from homeport.pipeline.conditions.globs import (
    compile_doublestar,
    compile_fnmatch,
    doublestar,
    doublestar_exclude,
    ruby_fnmatch,
)
from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.document.interpolation import interpolate
from homeport.pipeline.document.load import load
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.include.glob import match_paths
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import expand, expand_all, expand_nested

REFUSALS = (UsageError, InputsError)


def attack_expression(text: str) -> None:
    is_true(parse(text), {"A": "a", "B": "/b/", "C": text})


def attack_yaml(text: str) -> None:
    load(text.encode("utf-8", "surrogatepass"), "ci.yml")


def attack_bytes(data: bytes) -> None:
    load(data, "ci.yml")


def attack_interpolation(text: str) -> None:
    header = "spec: {inputs: {a: {default: x}, l: {type: array, default: [1]}}}\n---\n"
    body = load(f"{header}job: {{}}\n".encode(), "ci.yml")
    body.content["job"]["script"] = text
    interpolate(body, {}, {"A": text})


def attack_globs(text: str) -> None:
    pattern, _, path = text.partition("\n")
    ruby_fnmatch(pattern, path)
    doublestar(pattern, path)
    doublestar_exclude(pattern, path)
    match_paths(pattern, (path,))


def attack_expansion(text: str) -> None:
    variables = [
        ScopedVariable(key=key, value=value)
        for key, _, value in (line.partition("=") for line in text.split("\n"))
        if key
    ]
    expand(text, {variable.key: variable.value for variable in variables})
    expand_nested(text, {variable.key: variable.value for variable in variables})
    expand_all(variables)


def attack_redactor(text: str) -> None:
    secret, _, output = text.partition("\n")
    redactor = Redactor([secret])
    data = output.encode("utf-8", "surrogatepass")
    middle = len(data) // 2
    whole = redactor.feed(data[:middle]) + redactor.feed(data[middle:]) + redactor.flush()
    if len(secret) >= 8 and secret.isascii() and secret.isalnum():
        assert secret.encode() not in whole


def attack_pipeline(text: str) -> None:
    config = read_config({"yaml": text.encode("utf-8", "replace").decode()})
    if not any(problem.severity is Severity.ERROR for problem in config.problems):
        evaluate(config, trigger_of({}), Tree({None: ("a", "b/c")}, ("a", "b/c")))


def forget() -> None:
    """Empty the caches of what was read before."""
    for cached in (parse, compile_fnmatch, compile_doublestar, patterns._compile):
        cached.cache_clear()


TARGETS: Mapping[str, Callable[[str], None]] = {
    "expression": attack_expression,
    "yaml": attack_yaml,
    "interpolation": attack_interpolation,
    "globs": attack_globs,
    "expansion": attack_expansion,
    "redactor": attack_redactor,
    "pipeline": attack_pipeline,
}
