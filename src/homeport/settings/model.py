"""The settings as values (docs/reference/settings.md)."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from homeport.gitlab.host import Host

SECRET_WORDS = ("TOKEN", "PASSWORD", "SECRET", "PRIVATE_KEY")


class ExecutorChoice(StrEnum):
    """AUTO: a job with an image runs in a container, one without in the shell."""

    AUTO = "auto"
    SHELL = "shell"
    CONTAINER = "container"


class ShellChoice(StrEnum):
    """AUTO: bash where there is one, else sh, as GitLab Runner chooses."""

    AUTO = "auto"
    BASH = "bash"
    SH = "sh"


class PullPolicy(StrEnum):
    """GitLab Runner's pull policies."""

    ALWAYS = "always"
    IF_NOT_PRESENT = "if-not-present"
    NEVER = "never"


class TagRuns(StrEnum):
    SHELL = "shell"
    CONTAINER = "container"
    NOT_RUN = "not-run"


class VariablesFrom(StrEnum):
    """GITLAB: the project's and its groups' CI/CD variables are read from the server's API."""

    GITLAB = "gitlab"


class TagRule(Struct, frozen=True, kw_only=True):
    """What a job with a tag becomes: `image` is for jobs that name none themselves."""

    runs: TagRuns
    image: str | None = None


class SettingsVariable(Struct, frozen=True, kw_only=True):
    """A variable from outside the pipeline file, like GitLab's project variables.

    `expand` False keeps `$` literal; `file` puts the value into a file whose path the job sees;
    `environments` holds other values for environment scopes (`production`, `review/*`).
    """

    value: str
    expand: bool = True
    masked: bool = False
    file: bool = False
    environments: Mapping[str, str] = {}


class ContainerSettings(Struct, frozen=True, kw_only=True):
    """What a job's container is granted beyond its image; never from the repository.

    What is not named here is as in `engine.options.ContainerOptions`, which is not imported because
    most commands have no use for an engine. `networks` are names, or `host` or `none` alone;
    `ca_file` is the path of a PEM file to be trusted in containers. `services_timeout` are the
    seconds that a job waits for its services to be ready.
    """

    privileged: bool = False
    devices: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    shm_size: int | None = None
    ulimits: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    userns: str | None = None
    gpus: str | None = None
    mac_address: str | None = None
    networks: tuple[str, ...] = ()
    ca_file: str | None = None
    ssh_agent: bool = False
    services_timeout: float = 30.0


class LimitSettings(Struct, frozen=True, kw_only=True):
    """Limits that an administrator of a GitLab server can set (docs/reference/limits.md); None is
    GitLab's own. `yaml_size`, `yaml_total_size` and `dotenv_size` are bytes."""

    includes: int | None = None
    needs: int | None = None
    yaml_size: int | None = None
    yaml_depth: int | None = None
    yaml_total_size: int | None = None
    dotenv_size: int | None = None
    dotenv_variables: int | None = None


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of one command.

    `concurrency` is the number of jobs at once, `keep_runs` a count of runs, `keep_size` and
    `keep_cache_size` bytes, all per repository. `pull_policy` empty leaves the job's own. `engine`
    is an address (`unix:///path`, `tcp://host:port`); None is to look for one. `connect_timeout`
    and `fetch_timeout` are seconds, for a connection and for a whole file of a server. `ca` is the
    path of a PEM file of certificates to trust for every server, `hosts` are servers by `host` or
    `host:port` (lower case), `rewrite` maps prefixes of addresses to URLs or absolute paths
    (`gitlab/rewrite.py`), `projects` maps other projects (lower case) to absolute paths of their
    checkouts, `needs_artifacts` jobs of other projects (`GROUP/NAME:JOB` or `GROUP/NAME:JOB@REF`)
    to absolute paths of what they leave: all of these, like `variables_from`, are only ever the
    user's own. So is `container_registry`, which is pulled from instead of Docker Hub,
    `container_registries` (by the registry that each stands for), and whether Docker Hub's
    `library/` is written out there, and `mirror_url` (`http[s]://HOST[:PORT]`), through which
    engines pull that jobs bring with them; `mirror_ca` is the path of its own authority,
    `mirror_certificates` what is in it, `mirror_registries` what it has beside Docker Hub.
    `origin` names, for every dotted key that was set, the place that set it: `file:line`, an
    environment variable or a flag.
    """

    default_image: str | None = None
    executor: ExecutorChoice = ExecutorChoice.AUTO
    shell: ShellChoice = ShellChoice.AUTO
    concurrency: int = 1
    pull_policy: tuple[PullPolicy, ...] = ()
    pass_env: tuple[str, ...] = ()
    masked: frozenset[str] = frozenset()
    engine: str | None = None
    keep_runs: int = 20
    keep_size: int = 5 * 1024**3
    keep_cache_size: int = 5 * 1024**3
    connect_timeout: float = 5.0
    fetch_timeout: float = 20.0
    variables: Mapping[str, SettingsVariable] = {}
    tags: Mapping[str, TagRule] = {}
    container: ContainerSettings = ContainerSettings()
    limits: LimitSettings = LimitSettings()
    ca: str | None = None
    hosts: Mapping[str, Host] = {}
    rewrite: Mapping[str, str] = {}
    projects: Mapping[str, str] = {}
    needs_artifacts: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    id_tokens: Mapping[str, str] = {}
    variables_from: VariablesFrom | None = None
    container_registry: str | None = None
    container_registries: Mapping[str, str] = {}
    container_registry_library: bool = False
    mirror_url: str | None = None
    mirror_ca: str | None = None
    mirror_certificates: str = ""
    mirror_registries: tuple[str, ...] = ()
    origin: Mapping[str, str] = {}

    def masks(self, name: str) -> bool:
        """Whether the value of a variable that the user gave, or passed on, is a secret."""
        variable = self.variables.get(name)
        return (
            name in self.masked
            or (variable is not None and variable.masked)
            or any(word in name.upper() for word in SECRET_WORDS)
        )
