"""A vector's data as what the loader would have made of it."""

import json
from collections.abc import Mapping
from typing import Any

from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import Document, Map, Seq


def load_given(given: Mapping[str, Any]) -> Document:
    """The file that a vector writes as `yaml`, or as data under `config`."""
    source = given.get("yaml")
    if source is None:
        source = json.dumps(given["config"], ensure_ascii=False)
    return load(source.encode(), ".gitlab-ci.yml")


def as_values(data: Any) -> Any:
    if isinstance(data, dict):
        return Map({key: as_values(item) for key, item in data.items()})
    return Seq([as_values(item) for item in data]) if isinstance(data, list) else data
