"""A variable of the settings with other values for some environments."""

from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.settings.load import load_settings


def load(root: Path, text: str) -> dict[str, str]:
    (root / "homeport.toml").write_text(text)
    variable = load_settings(root, {"HOME": str(root)}).variables["API"]
    return {"*": variable.value, **variable.environments}


def test_values_by_scope(tmp_path: Path) -> None:
    text = '[variables]\nAPI = { value = "dev", environments = { "review/*" = "r", prod = "p" } }\n'
    assert load(tmp_path, text) == {"*": "dev", "review/*": "r", "prod": "p"}


@pytest.mark.parametrize("environments", ['"prod"', "{ prod = 1 }", "[]"])
def test_wrong_types_are_refused_with_their_place(tmp_path: Path, environments: str) -> None:
    text = f'[variables]\nAPI = {{ value = "dev", environments = {environments} }}\n'
    with pytest.raises(UsageError, match=r"homeport\.toml:2"):
        load(tmp_path, text)
