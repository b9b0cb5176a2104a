"""What a user grants or sets for containers, beside their image and command."""

from msgspec import Struct, structs


class ContainerOptions(Struct, frozen=True, kw_only=True):
    """Options of a container as `docker run` has them; never from a repository. None leaves the
    engine's own value.

    `devices` are `HOST[:CONTAINER[:rwm]]`; `volumes` are `HOST:CONTAINER[:ro]`, or a path in the
    container alone; `memory` and `shm_size` are bytes; `ulimits` are `NAME=SOFT[:HARD]`,
    `extra_hosts` are `NAME:ADDRESS`, `gpus` is `all`, a number or `device=ID,…`.
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

    def for_service(self) -> "ContainerOptions":
        """Those that a job's services get as well. As in GitLab Runner its limits are the job's
        alone, and an address cannot be had twice."""
        own = ContainerOptions()
        return structs.replace(
            self,
            memory=own.memory,
            cpus=own.cpus,
            gpus=own.gpus,
            mac_address=own.mac_address,
        )
