import pytest

from homeport.pipeline.execute.environment import (
    Environment,
    compose_environment,
    expand_as_runner,
    parse_duration,
)
from homeport.pipeline.model.config import Image
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import ExpansionError

V = ScopedVariable


def compose(
    *variables: V, dotenv: dict[str, str] | None = None, overrides: tuple[V, ...] = ()
) -> Environment:
    return compose_environment(
        variables,
        dotenv=dotenv or {},
        overrides=overrides,
        project_dir="/builds/g/n",
        builds_dir="/builds",
        started_at="2026-01-02T03:04:05Z",
    )


@pytest.mark.parametrize(
    ("variables", "key", "expected"),
    [
        ([V(key="A", value="1")], "A", "1"),
        ([V(key="A", value="$B"), V(key="B", value="2")], "A", "2"),
        ([V(key="A", value="${B}/$C"), V(key="B", value="$C"), V(key="C", value="3")], "A", "3/3"),
        ([V(key="A", value="$B"), V(key="B", value="$C", raw=True)], "A", "$C"),
        ([V(key="A", value="$B", raw=True), V(key="B", value="2")], "A", "$B"),
        ([V(key="A", value="-$UNKNOWN-")], "A", "--"),
        ([V(key="A", value="$$B"), V(key="B", value="2")], "A", "$B"),
        ([V(key="A", value="cost: 5$")], "A", "cost: 5$"),
        ([V(key="A", value="$CI_PROJECT_DIR/x")], "A", "/builds/g/n/x"),
        ([V(key="A", value="$CI_BUILDS_DIR")], "A", "/builds"),
        ([], "CI_JOB_STATUS", "running"),
        ([], "CI_JOB_STARTED_AT", "2026-01-02T03:04:05Z"),
        ([], "CI_JOB_STARTED_AT_SLUG", "2026-01-02t03-04-05z"),
        ([], "RUNNER_TEMP_PROJECT_DIR", "/builds/g/n.tmp"),
        ([V(key="F", value="content", file=True)], "F", "/builds/g/n.tmp/F"),
        (
            [V(key="A", value="at $F"), V(key="F", value="x", file=True)],
            "A",
            "at /builds/g/n.tmp/F",
        ),
    ],
)
def test_values(variables: list[V], key: str, expected: str) -> None:
    assert compose(*variables).env[key] == expected


def test_later_layers_win_and_are_seen_by_references() -> None:
    made = compose(
        V(key="A", value="written"),
        V(key="B", value="written"),
        V(key="C", value="$A $B"),
        dotenv={"A": "dotenv", "B": "dotenv"},
        overrides=(V(key="B", value="user"),),
    )
    assert made.env["C"] == "dotenv user"


def test_dotenv_values_are_expanded() -> None:
    assert compose(V(key="A", value="1"), dotenv={"B": "<$A>"}).env["B"] == "<1>"


def test_files_keep_their_content_and_secrets_are_final_values() -> None:
    made = compose(
        V(key="CERT", value="line $A\n", file=True, masked=True),
        V(key="A", value="1"),
        V(key="TOKEN", value="x-$A", masked=True),
    )
    assert made.files == {"CERT": "line 1\n"}
    assert made.secrets == {"line 1\n", "x-1"}


def test_a_cycle_is_an_error() -> None:
    with pytest.raises(ExpansionError, match="circular variable reference detected"):
        compose(V(key="A", value="$B"), V(key="B", value="$A"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$A${A}$AB", "11"),
        ("$$A", "$A"),
        ("$1$*$@$?", ""),
        ("a$", "a$"),
        ("$ A", "$ A"),
        ("${A", "A"),
        ("${}", ""),
        ("%A%", "%A%"),
    ],
)
def test_the_runners_expansion(text: str, expected: str) -> None:
    assert expand_as_runner(text, {"A": "1"}) == expected


def test_every_part_of_an_image_is_expanded() -> None:
    made = compose(V(key="A", value="1"))
    image = Image(name="i:$A", entrypoint=("e$A", ""), docker_user="u$A", docker_platform="p/$A")
    assert made.expand_image(image) == Image(
        name="i:1", entrypoint=("e1", ""), docker_user="u1", docker_platform="p/1"
    )
    assert made.expand_image(Image(name="i")) == Image(name="i")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("200ms", 0.2),
        ("0", 0.0),
        ("10", None),
        ("", None),
        ("1h x", None),
        ("10 minutes", None),
        ("-5m", None),
    ],
)
def test_go_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "on", "off"),
    [("true", True, False), ("1", True, False), ("false", False, True), ("0", False, True),
     ("", False, False), ("yes", False, False)],
)  # fmt: skip
def test_switches(value: str, on: bool, off: bool) -> None:
    made = compose(V(key="A", value=value))
    assert (made.is_on("A"), made.is_off("A")) == (on, off)
