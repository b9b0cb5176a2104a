from pathlib import Path

import pytest

from homeport.pipeline.execute.coverage import find_coverage


@pytest.mark.parametrize(
    ("expression", "log", "expected"),
    [
        (r"\d+\.\d+% covered", "Coverage 98.29% covered\n", "98.29"),
        (r"Coverage (\d+\.\d+)%", "Coverage 98.29% of 120 lines\n", "98.29"),
        (r"TOTAL.*? (100(?:\.0+)?\%|[1-9]?\d(?:\.\d+)?\%)$", "TOTAL 10 2 80%\n", "80"),
        (r"(\d+)%", "10%\n20%\nend\n", "20"),
        (r"(\d+)%", "10% 30%\n", "30"),
        (r"(\d+)/(\d+)", "3/4\n", "4"),
        (r"\d+%", "50%", "50"),
        (r"\d+%$", "50%\r\n", "50"),
        (r"cov: (\w+)", "cov: 70\ncov: none\n", "70"),
        (r"(\d+)%|(none)", "50%\n", None),
        (r"\d+%", "nothing\n", None),
        (r"\d+%", "", None),
        (r"(?=x)", "x\n", None),
        (r"^(\d+)%", "\x1b[32m50%\x1b[0m\n", None),
    ],
)
def test_the_last_figure_counts(
    tmp_path: Path, expression: str, log: str, expected: str | None
) -> None:
    (tmp_path / "log").write_text(log, newline="")
    assert find_coverage(expression, tmp_path / "log") == expected


@pytest.mark.parametrize("before", [0, 1, 65_530, 65_536, 200_000])
def test_a_long_log_is_read_from_its_end(tmp_path: Path, before: int) -> None:
    (tmp_path / "log").write_text("x" * before + "\ncoverage: 41.5\n" + "y\n" * before)
    assert find_coverage(r"coverage: \S+", tmp_path / "log") == "41.5"
