"""What GitLab's form for a new pipeline asks for: the CI file's inputs, and those of its variables
that have a description. Asked on a terminal where a web pipeline is simulated."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homeport.cli.output import printable
from homeport.cli.prompt import can_ask, read_answer
from homeport.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.include.api import Choose
    from homeport.pipeline.model.config import Variable


def is_asked(args: argparse.Namespace) -> bool:
    """Whether there is a form, and somebody to fill it in."""
    return args.kind == "web" and can_ask(args)


def inputs_of(args: argparse.Namespace) -> "Choose | None":
    """What chooses the values of the CI file's inputs; None where nothing does. What is asked goes
    into the arguments, so that nobody is asked twice."""
    asked = is_asked(args)
    if not asked and not args.input:
        return None

    def choose(specs: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked:
            _ask_inputs(specs, args.input)
        return parse_inputs(args.input, specs)

    return choose


def parse_inputs(pairs: Sequence[str], specs: Mapping[str, Any]) -> dict[str, Any]:
    """`--input NAME=VALUE`, each of the type that is specified. Raises `UsageError` for a pair that
    is none; what GitLab has against a value is found later."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UsageError.of(
                f"--input {name or pair}: not of the form NAME=VALUE", code="bad-input"
            )
        values[name] = typed(specs.get(name), text)
    return values


def typed(spec: Any, text: str) -> Any:
    """The value that a text means for an input; the text itself where it means none of its type."""
    import msgspec

    kind = str(spec.get("type")) if isinstance(spec, dict) else "string"
    wanted = {"boolean": bool, "number": int | float, "array": list[Any]}.get(kind, str)
    if wanted is str:
        return text
    try:
        return msgspec.json.decode(text.encode(), type=wanted)
    except msgspec.DecodeError:
        return text


def _ask_inputs(specs: Mapping[str, Any], pairs: list[str]) -> None:
    """Ask for the inputs that are not given; each rule sees the values before it. What is wrong in
    the file itself is not asked for: it is refused soon."""
    from homeport.pipeline.document.inputs import TYPES, check_input, settle

    known = parse_inputs(pairs, specs)
    for key, spec in specs.items():
        name = str(key)
        rule = settle(spec, known) if isinstance(spec, dict) else {}
        if name in known or str(rule.get("type", "string")) not in TYPES:
            continue
        if "default" in rule and check_input(rule, None):
            continue
        default = rule.get("default")

        def faults(text: str, rule: Mapping[Any, Any] = rule) -> list[str]:
            return check_input(rule, typed(rule, text))

        text = _ask(
            name,
            description=rule.get("description"),
            options=[_text(option) for option in _listed(rule.get("options"))],
            default=None if default is None else _text(default),
            faults=faults,
            required="default" not in rule,
        )
        if text is None:
            known[name] = default
            continue
        known[name] = typed(rule, text)
        pairs.append(f"{name}={text}")


def ask_variables(evaluation: "Evaluation", args: argparse.Namespace) -> bool:
    """Ask for the variables of the CI file that have a description and were not given; the answers
    go into the arguments, as variables of the pipeline. Whether there were any."""
    settings = evaluation.request.settings
    given = settings.variables
    wanted = {
        key: variable
        for key, variable in evaluation.config.variables.items()
        if variable.description is not None and key not in given
    }
    for key, variable in wanted.items():
        hidden = settings.masks(key)
        text = _ask_variable(key, variable, hidden=hidden)
        args.variable.append(f"{key}={variable.value if text is None else text}")
    return bool(wanted)


def _ask_variable(key: str, variable: "Variable", *, hidden: bool) -> str | None:
    def faults(text: str) -> Iterator[str]:
        if variable.options and text not in variable.options:
            yield f"{text} is not one of {', '.join(variable.options)}"

    return _ask(
        key,
        description=variable.description,
        options=variable.options,
        default=variable.value or None,
        faults=faults,
        hidden=hidden,
    )


def _ask(
    name: str,
    *,
    description: Any,
    options: Sequence[str],
    default: str | None,
    faults: Any,
    required: bool = False,
    hidden: bool = False,
) -> str | None:
    """The answer, once nothing is against it; None for the default."""
    if description:
        print(printable(str(description)).rstrip(), file=sys.stderr)
    if options:
        print(f"  one of {', '.join(map(printable, options))}", file=sys.stderr)
    shown = "" if default is None else f" [{'hidden' if hidden else printable(default)}]"
    while True:
        answer = read_answer(f"{printable(name)}{shown}: ", hidden=hidden)
        if answer is None or (answer == "" and not required):
            return None
        found = list(faults(answer)) if answer else ["a value is required"]
        if not found:
            return answer
        for fault in found:
            print(f"  {printable(fault)}", file=sys.stderr)


def _listed(options: Any) -> list[Any]:
    return options if isinstance(options, list) else []


def _text(value: Any) -> str:
    """A value as it is typed."""
    import msgspec

    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
