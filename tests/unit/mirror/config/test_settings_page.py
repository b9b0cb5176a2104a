"""The page of the mirror's settings: every key, and examples that are valid."""

import re
from pathlib import Path

import pytest
from msgspec import Struct

from homeport.mirror.config.load import load_config
from homeport.mirror.model import config as model

DOCS = Path(__file__).parents[4] / "docs"
PAGE = DOCS / "reference" / "mirror-settings.md"
SECTIONS: dict[str, tuple[type[Struct], ...]] = {
    "mirror": (model.MirrorConfig,),
    "mirror.listeners": (model.ListenerConfig, model.TlsConfig),
    "mirror.upstreams": (model.UpstreamConfig, model.CredentialsConfig, model.TagTtl),
    "mirror.namespaces": (model.NamespaceConfig,),
    "mirror.rules": (model.RuleConfig,),
    "mirror.auth": (model.AuthConfig, model.IssuerConfig, model.LdapConfig),
    "mirror.limits": (model.LimitsConfig,),
    "mirror.bandwidth": (model.BandwidthConfig, model.NetworkConfig),
    "mirror.audit": (model.AuditConfig,),
    "mirror.store": (model.StoreConfig,),
}
OWN_SECTION = {
    *(name.removeprefix("mirror.") for name in SECTIONS),
    "name",  # of upstreams and namespaces: their tables'
}


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_has_every_key(name: str) -> None:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    words = set(re.findall(r"\w+", found.group(1)))
    missing = [
        field
        for kind in SECTIONS[name]
        for field in kind.__struct_fields__
        if field not in words | OWN_SECTION
    ]
    assert missing == []


def examples() -> list[str]:
    return [
        text
        for page in (PAGE, DOCS / "how-to" / "run-a-mirror.md")
        for text in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize("text", examples(), ids=range(len(examples())))
def test_every_example_is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "homeport.toml"
    path.write_text(text)
    assert load_config(path, {"HOME": "/home/ann"}, files=False).listeners
