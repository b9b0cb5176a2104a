import pytest

from homeport.errors import ExitCode
from homeport.pipeline.conditions.expression import (
    ExpressionError,
    evaluate,
    input_names,
    is_true,
    parse,
    variables_read,
)

VARIABLES = {"A": "abc", "EMPTY": "", "BLANK": "  ", "RE": "/^a.c$/", "BAD": "/(/", "SLASH": "a/b"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # precedence: ! before comparison before && before ||, left to right
        ('"x" || "y" && null', "x"),
        ('$A == "abc" == true', True),
        ('!$EMPTY == "x"', False),
        ("!!$A", True),
        ("!($A && $NONE)", True),
        ('null || $EMPTY && "last"', "last"),
        # postfix and prefix orders that the shunting-yard takes as well
        ("$A !", False),
        ('== $A "abc"', True),
        # strings
        ("'it is \"quoted\"' == 'it is \"quoted\"'", True),
        ('"" == $EMPTY', True),
        ("$A=='abc'", True),
        # patterns
        ("$A =~ /^ABC$/i", True),
        ("$SLASH =~ /a\\/b/", True),
        ("$A =~ $RE", True),
        ("$A !~ $RE", False),
        ("$A =~ $BAD", False),
        ("$NONE =~ $RE", False),
        ("$NONE =~ $NONE", False),
        ("$NONE !~ $NONE", True),
        # what is no pattern is searched for the left text
        ('"bc" =~ $A', True),
        ('$EMPTY =~ "x"', True),
        ("/abc/ == /abc/", True),
        ("true", True),
        ("false || null", None),
    ],
)
def test_values(text: str, value: object) -> None:
    assert evaluate(parse(text), VARIABLES) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Empty parse tree"),
        ("   ", "Empty parse tree"),
        ("$A = 1", "Unknown lexeme found!"),
        ('"open', "Unknown lexeme found!"),
        ('"two\nlines"', "Unknown lexeme found!"),
        ("//", "Unknown lexeme found!"),
        ("/a/", "Unknown lexeme found!"),
        ("nulltrue", "Unknown lexeme found!"),
        ("trueish", "Unknown lexeme found!"),
        ("$", "Unknown lexeme found!"),
        ("$[[ inputs. ]]", "Unknown lexeme found!"),
        ("$A $B", "Unreachable nodes in parse tree"),
        ('== "x"', "Invalid left operand"),
        ("!", "Invalid operand"),
        ("$A == (", "Unprocessable token found in parse tree: parenthesis_open"),
        ('($A == "x"))', "Unmatched parenthesis"),
        ("$A =~ /a(b/", "Invalid regular expression!"),
        ("$A =~ /(?=ab)/", "Invalid regular expression!"),
        (" && ".join(["$A"] * 50), None),
        (" && ".join(["$A"] * 51), "Too many tokens!"),
        ("(" * 5000, "Too many tokens!"),
    ],
)
def test_invalid_expressions_have_gitlab_s_words(text: str, message: str | None) -> None:
    if message is None:
        assert is_true(parse(text), VARIABLES)
        return
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.problems[0].message == message
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "truth"),
    [("$BLANK", False), ("$EMPTY", False), ("$A", True), ('"false"', True), ("$A =~ true", False)],
)
def test_truth(text: str, truth: bool) -> None:
    assert is_true(parse(text), VARIABLES) is truth


def test_names_read_are_listed_once_in_order() -> None:
    expression = parse('$B == "x" || $A && $B && $[[ inputs.i ]]')
    assert variables_read(expression) == ("B", "A")
    assert input_names(expression) == ("i",)


def test_inputs_may_be_of_any_type() -> None:
    expression = parse("$[[ inputs.on ]] == true && $[[inputs.list]]")
    assert evaluate(expression, {}, {"on": True, "list": ["a"]}) == ["a"]
    assert not is_true(expression, {}, {"on": 1, "list": ["a"]})
    assert not is_true(expression, {}, {"on": True, "list": []})


def test_a_hostile_pattern_takes_linear_time() -> None:
    assert not is_true(parse("$A =~ /^(a+)+$/"), {"A": "a" * 50_000 + "!"})
