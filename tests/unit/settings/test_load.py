"""Settings: which source wins, what a repository may not set, and how mistakes are told."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.gitlab.host import Host
from homeport.settings.load import load_settings
from homeport.settings.model import (
    ContainerSettings,
    ExecutorChoice,
    PullPolicy,
    Settings,
    SettingsVariable,
    TagRule,
    TagRuns,
)


class Place:
    """A repository and a home; `load` reads the settings that are in force there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.home = folder / "home"
        self.root.mkdir()
        self.user_file = self.home / ".config" / "homeport" / "config.toml"
        self.user_file.parent.mkdir(parents=True)

    def repository(self, text: str) -> None:
        (self.root / "homeport.toml").write_text(text)

    def user(self, text: str) -> None:
        self.user_file.write_text(text)

    def load(
        self, env: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
    ) -> Settings:
        return load_settings(self.root, {"HOME": str(self.home), **(env or {})}, flags)

    def problems(self, env: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(UsageError) as caught:
            self.load(env)
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_any_source_every_value_is_its_default(place: Place) -> None:
    expected = Settings(concurrency=len(os.sched_getaffinity(0)))
    assert place.load() == expected


def test_a_later_source_wins_and_each_value_knows_its_source(place: Place) -> None:
    place.repository('\ndefault_image = "repo"\nconcurrency = 1\npull_policy = "always"\n')
    place.user('concurrency = 2\nkeep_runs = 5\nshell = "sh"\n')
    settings = place.load({"HOMEPORT_KEEP_RUNS": "6", "HOMEPORT_SHELL": "bash"}, {"shell": "sh"})
    assert settings.default_image == "repo"
    assert settings.pull_policy == (PullPolicy.ALWAYS,)
    assert (settings.concurrency, settings.keep_runs, settings.shell) == (2, 6, "sh")
    assert settings.origin == {
        "default_image": "homeport.toml:2",
        "pull_policy": "homeport.toml:4",
        "concurrency": "~/.config/homeport/config.toml:1",
        "keep_runs": "HOMEPORT_KEEP_RUNS",
        "shell": "command line",
    }


def test_flags_that_were_not_given_change_nothing(place: Place) -> None:
    place.user("concurrency = 3\n")
    assert place.load(flags={"concurrency": None, "executor": None}).concurrency == 3


def test_variables_and_tags_are_merged_by_name(place: Place) -> None:
    place.repository(
        '[variables]\nA = "repo"\nB = "repo"\n[tags]\ndocker = "container"\ngpu = "not-run"\n'
    )
    place.user(
        '[variables]\nB = { value = "$x", masked = true, expand = false }\n'
        'F = { value = "text", file = true }\n[tags]\ngpu = "shell"\nnode = { image = "node:22" }\n'
    )
    settings = place.load({"HOMEPORT_VARIABLE_C": "env"}, {"variables": {"D": "flag"}})
    assert settings.variables == {
        "A": SettingsVariable(value="repo"),
        "B": SettingsVariable(value="$x", masked=True, expand=False),
        "F": SettingsVariable(value="text", file=True),
        "C": SettingsVariable(value="env"),
        "D": SettingsVariable(value="flag"),
    }
    assert settings.tags == {
        "docker": TagRule(runs=TagRuns.CONTAINER),
        "gpu": TagRule(runs=TagRuns.SHELL),
        "node": TagRule(runs=TagRuns.CONTAINER, image="node:22"),
    }
    assert settings.origin["variables.B"] == "~/.config/homeport/config.toml:2"
    assert settings.origin["variables.C"] == "HOMEPORT_VARIABLE_C"
    assert settings.origin["tags.gpu"] == "~/.config/homeport/config.toml:5"


def test_the_user_grants_a_container_more(place: Place) -> None:
    place.user(
        '[container]\nprivileged = true\ndevices = ["/dev/kvm"]\nvolumes = ["/srv:/srv:ro"]\n'
    )
    settings = place.load({"HOMEPORT_CONTAINER_SSH_AGENT": "true"})
    assert settings.container == ContainerSettings(
        privileged=True, devices=("/dev/kvm",), volumes=("/srv:/srv:ro",), ssh_agent=True
    )


def test_the_user_sets_how_containers_run(place: Place) -> None:
    place.user(
        '[container]\nmemory = "2 GiB"\ncpus = 1.5\nulimits = ["nofile=1024:2048"]\n'
        'extra_hosts = ["db:10.0.0.1", "me:host-gateway"]\nnetworks = ["corp"]\n'
        'userns = "host"\ngpus = "device=0,1"\nmac_address = "02:42:ac:11:00:02"\n'
        'ca_file = "/etc/ca.pem"\nvolumes = ["/certs/client"]\n'
    )
    environment = {"HOMEPORT_CONTAINER_SHM_SIZE": "64 MB", "HOMEPORT_CONTAINER_NETWORKS": "a, b"}
    assert place.load(environment).container == ContainerSettings(
        memory=2 * 1024**3,
        cpus=1.5,
        shm_size=64 * 1024**2,
        ulimits=("nofile=1024:2048",),
        extra_hosts=("db:10.0.0.1", "me:host-gateway"),
        networks=("a", "b"),
        userns="host",
        gpus="device=0,1",
        mac_address="02:42:ac:11:00:02",
        ca_file="/etc/ca.pem",
        volumes=("/certs/client",),
    )


@pytest.mark.parametrize(
    "text",
    [
        'ulimits = ["1024"]',
        'extra_hosts = ["db"]',
        'gpus = "some"',
        'mac_address = "02:42"',
        'networks = ["a b"]',
        'volumes = ["certs"]',
        "cpus = 0",
        'memory = "much"',
        'ca_file = "ca.pem"',
    ],
)
def test_a_wrong_option_of_containers_is_pointed_at(place: Place, text: str) -> None:
    place.user(f"[container]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        place.load()
    [problem] = caught.value.problems
    assert problem.span is not None
    assert problem.span.line == 2
    assert f"container.{text.partition(' ')[0]}" in problem.message


def test_the_user_names_servers_and_where_addresses_lead(place: Place) -> None:
    place.user(
        'ca = "/etc/ca.pem"\nvariables_from = "gitlab"\n'
        '[hosts."GitLab.corp:8443"]\ntoken_env = "T"\nca = "/c"\n'
        'api_url = "https://gitlab.corp/x/api/v4/"\n'
        '[rewrite]\n"gitlab.com/a" = "/srv/a"\n"https://x.org" = "http://mirror.corp/x"\n'
    )
    settings = place.load({"HOMEPORT_CA": "/own.pem"})
    assert (settings.ca, settings.variables_from) == ("/own.pem", "gitlab")
    api_url = "https://gitlab.corp/x/api/v4"
    assert settings.hosts == {
        "gitlab.corp:8443": Host(token_env="T", ca="/c", api_url=api_url)  # noqa: S106 - a name
    }
    assert settings.rewrite == {"gitlab.com/a": "/srv/a", "https://x.org": "http://mirror.corp/x"}


def test_a_host_without_quotes_is_told_what_is_missing(place: Place) -> None:
    place.user('[hosts.gitlab.corp]\ntoken_env = "T"\n')
    with pytest.raises(UsageError) as caught:
        place.load()
    [problem] = caught.value.problems
    assert problem.hint == 'a name with dots stands in quotes: [hosts."gitlab.corp"]'


MIRROR = '[mirror]\nlisten = "0.0.0.0:5000"\n[mirror.upstreams."quay.io"]\nurls = []\n'


def test_the_mirrors_table_in_the_users_file_is_the_mirrors_business(place: Place) -> None:
    place.user(f"concurrency = 2\n{MIRROR}")
    assert place.load().concurrency == 2


def test_the_mirrors_table_in_a_repository_would_never_be_read(place: Place) -> None:
    place.repository(f"concurrency = 2\n{MIRROR}")
    with pytest.raises(UsageError) as caught:
        place.load()
    [problem] = caught.value.problems
    assert str(problem) == (
        "homeport.toml:2:1: the pipeline has no use for [mirror]: only the mirror reads this table"
    )
    assert problem.hint is not None
    assert "homeport mirror serve --config FILE" in problem.hint


RESERVED = {
    "pass_env": 'pass_env = ["AWS_SECRET_ACCESS_KEY"]',
    "engine": 'engine = "tcp://203.0.113.5:2375"',
    "keep_runs": "keep_runs = 1",
    "keep_size": "keep_size = 0",
    "keep_cache_size": "keep_cache_size = 0",
    "container.privileged": "[container]\nprivileged = true",
    "container.devices": '[container]\ndevices = ["/dev/sda"]',
    "container.volumes": '[container]\nvolumes = ["/:/host"]',
    "container.ssh_agent": "container.ssh_agent = true",
    "container.networks": '[container]\nnetworks = ["host"]',
    "container.extra_hosts": '[container]\nextra_hosts = ["registry.corp:203.0.113.5"]',
    "container.userns": '[container]\nuserns = "host"',
    "container.ca_file": '[container]\nca_file = "/etc/shadow"',
    "container.gpus": '[container]\ngpus = "all"',
    "ca": 'ca = "/tmp/evil.pem"',
    "variables_from": 'variables_from = "gitlab"',
    "hosts.gitlab.corp": '[hosts]\n"gitlab.corp" = { token_env = "AWS_SECRET_ACCESS_KEY" }',
    "rewrite.https://gitlab.com": '[rewrite]\n"https://gitlab.com" = "/etc"',
    "container_registry": 'container_registry = "evil.example"',
    "container_registries.ghcr.io": '[container_registries]\n"ghcr.io" = "evil.example"',
    "executor to shell": 'executor = "shell"',
    "tags.docker to shell": '[tags]\ndocker = "shell"',
}


@pytest.mark.parametrize(("key", "text"), RESERVED.items(), ids=RESERVED)
def test_a_repository_cannot_grant(place: Place, key: str, text: str) -> None:
    place.repository(f"concurrency = 1\n{text}\n")
    line = 2 + text.count("\n")
    with pytest.raises(UsageError) as caught:
        place.load()
    [problem] = caught.value.problems
    assert str(problem) == f"homeport.toml:{line}:1: a repository's homeport.toml cannot set {key}"
    assert problem.hint is not None
    assert str(place.user_file) in problem.hint


WRONG = {
    "a misspelt key": (
        'default_imag = "a"',
        ["homeport.toml:1:1: unknown setting default_imag"],
    ),
    "a key in the wrong table": (
        "privileged = true",
        ["homeport.toml:1:1: unknown setting privileged"],
    ),
    "an unknown table": ('[secret]\nx = "1"', ["homeport.toml:1:1: unknown setting secret"]),
    "an unknown key of a table": (
        "\n[container]\nprivilege = true",
        ["homeport.toml:3:1: unknown setting container.privilege"],
    ),
    "a word for a number": (
        'concurrency = "many"',
        ["homeport.toml:1:1: concurrency: expected `int`, got `str`"],
    ),
    "a number out of range": (
        "concurrency = 0",
        ["homeport.toml:1:1: concurrency: expected `int` >= 1"],
    ),
    "an unknown word in a list": (
        'pull_policy = ["never", "sometimes"]',
        ["homeport.toml:1:1: pull_policy[1]: 'sometimes' is none of always, if-not-present, never"],
    ),
    "an unknown executor of a tag": (
        '[tags]\nmac = "ssh"',
        ["homeport.toml:2:1: tags.mac: 'ssh' is none of shell, container, not-run"],
    ),
    "an unknown word": (
        '  executor = "docker"',
        ["homeport.toml:1:3: executor: 'docker' is none of auto, shell, container"],
    ),
    "a table for a value": (
        "[executor]\nx = 1",
        ["homeport.toml:2:1: unknown setting executor.x"],
    ),
    "a value for a table": ('variables = "A=1"', ["homeport.toml:1:1: unknown setting variables"]),
    "a number for a variable": (
        "[variables]\nA = 1",
        ["homeport.toml:2:1: variables.A: expected `str | table`, got `int`"],
    ),
    "a wrong item of a list": (
        'masked = ["A", "not a name"]',
        ["homeport.toml:1:1: masked[1]: expected a name with only letters, digits and _"],
    ),
    "a variable that no shell knows": (
        '[variables]\n"a-b" = "1"',
        ["homeport.toml:2:1: variables.a-b: a variable's name has only letters, digits and _"],
    ),
    "several at once": (
        'pass_env = ["A"]\nconcurrency = 0\nfoo = 1',
        [
            "homeport.toml:1:1: a repository's homeport.toml cannot set pass_env",
            "homeport.toml:2:1: concurrency: expected `int` >= 1",
            "homeport.toml:3:1: unknown setting foo",
        ],
    ),
    "no TOML": (
        "a = 1\nb = = 2",
        ["homeport.toml:2:5: invalid TOML: Invalid value"],
    ),
    "an unfinished file": (
        "[tags",
        ["homeport.toml:1:6: invalid TOML: Expected ']' at the end of a table declaration"],
    ),
    "deep nesting": (
        "a = " + "[" * 5000,
        ["homeport.toml:1:1: homeport.toml is nested too deeply"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_place(place: Place, text: str, expected: list[str]) -> None:
    place.repository(text)
    assert place.problems() == expected


def test_an_unknown_key_is_shown_the_nearest_name(place: Place) -> None:
    place.user('default-image = "x"\n')
    with pytest.raises(UsageError) as caught:
        place.load()
    assert [problem.hint for problem in caught.value.problems] == ["did you mean default_image?"]


def test_the_environment_has_no_line_so_the_error_names_the_variable(place: Place) -> None:
    problems = place.problems({"HOMEPORT_CONCURRENCY": "two", "HOMEPORT_EXECUTR": "shell"})
    assert problems == [
        "HOMEPORT_CONCURRENCY: concurrency: expected `int`, got `str`",
        "unknown environment variable HOMEPORT_EXECUTR",
    ]


def test_an_environment_variable_of_others_is_left_alone(place: Place) -> None:
    assert place.load({"HOMEPORT_TEST_ENGINE": "x"}).origin == {}


def test_lists_in_the_environment_are_separated_by_commas(place: Place) -> None:
    settings = place.load(
        {"HOMEPORT_PASS_ENV": "HTTP_PROXY, NO_PROXY", "HOMEPORT_PULL_POLICY": "never"}
    )
    assert settings.pass_env == ("HTTP_PROXY", "NO_PROXY")
    assert settings.pull_policy == (PullPolicy.NEVER,)


@pytest.mark.parametrize(
    ("written", "size"),
    [("0", 0), ("1048576", 1048576), ('"500"', 500), ('"1KiB"', 1024), ('"2 GB"', 2 * 1024**3)],
)
def test_sizes_have_units(place: Place, written: str, size: int) -> None:
    place.user(f"keep_size = {written}\n")
    assert place.load().keep_size == size


def test_a_link_in_the_repository_is_not_followed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("root:secret\n")
    (place.root / "homeport.toml").symlink_to(tmp_path / "elsewhere")
    assert place.problems() == [
        "homeport.toml:1:1: cannot read homeport.toml: it is a symbolic link"
    ]


def test_a_link_to_the_users_own_file_is_followed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "dotfiles.toml").write_text("concurrency = 7\n")
    place.user_file.symlink_to(tmp_path / "dotfiles.toml")
    assert place.load().concurrency == 7


def test_what_is_no_file_is_refused_at_once(place: Place) -> None:
    os.mkfifo(place.root / "homeport.toml")
    place.user_file.mkdir()
    assert [problem.partition(": ")[2] for problem in place.problems()] == [
        "cannot read homeport.toml: it is not a regular file",
        "cannot read ~/.config/homeport/config.toml: it is not a regular file",
    ]


def test_a_huge_file_is_refused(place: Place) -> None:
    place.repository("# " + "x" * 1024 * 1024)
    assert place.problems() == ["homeport.toml:1:1: homeport.toml is larger than 1 MiB"]


def test_bytes_that_are_no_text_are_refused(place: Place) -> None:
    (place.root / "homeport.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    assert place.problems() == ["homeport.toml:2:1: homeport.toml is not UTF-8"]


@pytest.mark.parametrize(
    ("env", "file"),
    [
        ({"XDG_CONFIG_HOME": "{home}/xdg"}, "xdg/homeport/config.toml"),
        ({"XDG_CONFIG_HOME": "relative"}, ".config/homeport/config.toml"),
        ({"XDG_CONFIG_HOME": ""}, ".config/homeport/config.toml"),
    ],
)
def test_where_the_users_file_is(place: Place, env: dict[str, str], file: str) -> None:
    path = place.home / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("concurrency = 9\n")
    filled = {name: value.format(home=place.home) for name, value in env.items()}
    assert place.load(filled).concurrency == 9


def test_without_a_home_there_is_no_users_file(place: Place) -> None:
    place.user("concurrency = 9\n")
    assert load_settings(place.root, {}).keep_runs == Settings().keep_runs


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("DEPLOY_TOKEN", True),
        ("db_password", True),
        ("MY_SECRET_2", True),
        ("SSH_PRIVATE_KEY", True),
        ("NAMED", True),
        ("MARKED", True),
        ("PLAIN", False),
        ("PUBLIC_KEY", False),
    ],
)
def test_which_values_are_secret(place: Place, name: str, secret: bool) -> None:
    place.repository('masked = ["NAMED"]\n')
    place.user('[variables]\nMARKED = { value = "v", masked = true }\nPLAIN = "v"\n')
    assert place.load().masks(name) is secret


def test_the_repository_may_choose_the_container(place: Place) -> None:
    place.repository('executor = "container"\n')
    assert place.load().executor is ExecutorChoice.CONTAINER


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("container.memory", "12x", "bytes, or a size as 512 MB or 2 GiB"),
        ("container.gpus", "some", "all, a number or device=ID,…"),
        ("container.volumes", ["../x:/y"], "/folder or HOST:CONTAINER[:ro], both absolute"),
    ],
)
def test_patterns_are_told_in_words(place: Place, key: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(place.root, {}, {key: value})
    (problem,) = caught.value.problems
    assert str(problem).endswith(f": expected {words}")
