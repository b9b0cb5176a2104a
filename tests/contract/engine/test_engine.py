"""What every engine must do: Docker, Podman and the one in memory that unit tests use."""

import io
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from homeport.engine.api import ContainerSpec, Engine, EngineError, ImageInfo
from homeport.engine.docker import connect
from homeport.engine.fake import FakeEngine
from homeport.engine.options import ContainerOptions

# Other processes may run this suite on the same engines.
NAME = f"contract-{os.getpid()}"
LABELS = {"homeport.test": NAME}


@pytest.fixture(params=["docker", "networked", "podman", "fake"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "fake":
        image = ImageInfo(id="sha256:1", entrypoint=(), command=("/bin/sh",), user="", env={})
        yield FakeEngine(images={"busybox:latest": image})
        return
    engine = connect(request.getfixturevalue(f"{request.param}_address"))
    yield engine
    for container in engine.containers(LABELS):
        engine.remove(container)
    engine.close()


@pytest.fixture
def make(engine: Engine) -> Callable[..., str]:
    """Create a container of busybox that reads a shell script from its stdin."""
    names = (f"{NAME}-{number}" for number in count())

    def create(**spec: object) -> str:
        values = {"command": ("sh",), "stdin": True, "labels": LABELS, **spec}
        return engine.create(ContainerSpec(image="busybox", name=next(names), **values))

    return create


def run(engine: Engine, container: str, script: str) -> tuple[int, str]:
    output: list[bytes] = []
    stream = engine.attach(container)
    try:
        engine.start(container)
        stream.write(script.encode())
        stream.close_write()
        stream.read(output.append)
        return engine.wait(container), b"".join(output).decode()
    finally:
        stream.close()


def tar(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        folder = tarfile.TarInfo("place")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o777
        archive.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"place/{name}")
            entry.size, entry.mode = len(content), 0o666
            archive.addfile(entry, io.BytesIO(content.encode()))
        link = tarfile.TarInfo("place/link")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        archive.addfile(link)
    return out.getvalue()


def test_tells_what_it_is(engine: Engine) -> None:
    info = engine.info()
    assert info.os == "linux"
    assert info.name in ("Docker", "Podman", "Fake")
    assert tuple(map(int, info.api_version.split("."))) >= (1, 41)


def test_knows_its_images(engine: Engine) -> None:
    image = engine.image("busybox")
    assert image is not None
    assert image.command == ("/bin/sh",)
    assert engine.image("busybox:latest") == image
    assert engine.image("not-here:1") is None


def test_pull_of_what_no_registry_has_is_an_error(engine: Engine) -> None:
    # Port 1 of this machine: nothing listens there, if the engine has a network at all.
    with pytest.raises(EngineError, match=r"not found|refused|unreachable|cannot assign"):
        engine.pull("127.0.0.1:1/not/here:1", None, lambda _: None)


def test_container_of_an_absent_image_is_an_error(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"(?i)no such image"):
        engine.create(ContainerSpec(image="not-here:1", name="contract-absent"))


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo hello\n", 0, "hello\n"),
        ("echo one\necho two\n", 0, "one\ntwo\n"),
        ("echo before\nexit 7\necho after\n", 7, "before\n"),
        ("", 0, ""),
    ],
)
def test_runs_a_script_from_stdin(
    engine: Engine, make: Callable[..., str], script: str, code: int, output: str
) -> None:
    assert run(engine, make(), script) == (code, output)


def test_same_container_runs_again_with_its_files(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    engine.put_archive(container, "/", [tar(a="kept\n")])
    assert run(engine, container, "exit 3\n") == (3, "")
    assert run(engine, container, "cat /place/a\n") == (0, "kept\n")


def test_long_input_is_not_stuck(engine: Engine, make: Callable[..., str]) -> None:
    script = "echo start\n" + "".join(f"echo {number:0100}\n" for number in range(20_000))
    code, output = run(engine, make(), script)
    assert code == 0
    assert output == "start\n" + "".join(f"{number:0100}\n" for number in range(20_000))


def test_archive_goes_in_and_comes_out(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    data = tar(a="first\n", b="second\n")
    engine.put_archive(container, "/", (data[i : i + 1000] for i in range(0, len(data), 1000)))
    chunks = engine.get_archive(container, "/place")
    assert chunks is not None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        found = {member.name: member for member in archive}
        assert set(found) == {"place", "place/a", "place/b", "place/link"}
        assert archive.extractfile("place/b").read() == b"second\n"  # type: ignore[union-attr]
        assert found["place/a"].mode & 0o777 == 0o666
        assert found["place/link"].linkname == "a"


def test_archive_of_nothing(engine: Engine, make: Callable[..., str]) -> None:
    assert engine.get_archive(make(), "/not/there") is None


def test_broken_archive_is_an_error(engine: Engine, make: Callable[..., str]) -> None:
    with pytest.raises(EngineError):
        engine.put_archive(make(), "/", [b"this is no archive" * 200])


def test_failure_to_make_an_archive_is_not_the_engines(
    engine: Engine, make: Callable[..., str]
) -> None:
    def chunks() -> Iterator[bytes]:
        yield tar(a="x")[:1024]
        raise FileNotFoundError("source")

    container = make()
    with pytest.raises(FileNotFoundError):
        engine.put_archive(container, "/", chunks())
    assert run(engine, container, "echo fine\n") == (0, "fine\n")


def test_path_info_tells_links_from_folders(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    engine.put_archive(container, "/", [tar(a="x")])
    folder, link = (engine.path_info(container, path) for path in ("/place", "/place/link"))
    assert folder is not None
    assert (folder.directory, folder.symlink) == (True, False)
    assert link is not None
    assert (link.directory, link.symlink, link.target) == (False, True, "/place/a")
    assert engine.path_info(container, "/place/none") is None


def test_environment_and_user_of_a_container_are_those_asked_for(
    engine: Engine, make: Callable[..., str]
) -> None:
    if isinstance(engine, FakeEngine):
        container = make(env={"A": "b c"}, user="1000")
        assert engine.held[container].spec.env == {"A": "b c"}
        return
    container = make(env={"A": "b c"}, user="1000")
    assert run(engine, container, 'echo "$A"; id -u\n') == (0, "b c\n1000\n")


@pytest.mark.parametrize("signal", ["SIGKILL", "KILL"])
def test_kill_ends_a_running_container(
    engine: Engine, make: Callable[..., str], signal: str
) -> None:
    container = make()
    killing = threading.Timer(0.5, engine.kill, (container, signal))
    killing.start()
    start = time.monotonic()
    code, _ = run(engine, container, "sleep 60\n")
    killing.join()
    assert code == 137
    assert time.monotonic() - start < 20


def test_kill_of_what_does_not_run_is_fine(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    engine.kill(container, "SIGTERM")
    run(engine, container, "exit 0\n")
    engine.kill(container, "SIGTERM")
    engine.kill("0" * 64, "SIGTERM")


def test_a_further_command_can_end_the_others(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    end = threading.Timer(0.5, engine.execute, (container, ("sh", "-c", "kill -TERM -1"), "0"))
    end.start()
    start = time.monotonic()
    run(engine, container, "sleep 60\n")
    assert time.monotonic() - start < 20
    end.join()


def test_a_command_in_a_container_that_does_not_run_is_an_error(
    engine: Engine, make: Callable[..., str]
) -> None:
    with pytest.raises(EngineError):
        engine.execute(make(), ("true",), "0")


def test_remove_is_final_and_may_be_repeated(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    assert engine.containers(LABELS) == (container,)
    assert engine.containers({**LABELS, "other": "x"}) == ()
    engine.remove(container)
    engine.remove(container)
    assert engine.containers(LABELS) == ()


def test_a_running_container_is_removed_with_its_stream(
    engine: Engine, make: Callable[..., str]
) -> None:
    container = make()
    stream = engine.attach(container)
    engine.start(container)
    stream.write(b"sleep 60\n")
    stream.close_write()
    removal = threading.Timer(0.3, engine.remove, (container,))
    removal.start()
    stream.read(lambda _: None)
    stream.close()
    removal.join()
    with pytest.raises(EngineError):
        engine.start(container)


def test_a_command_that_the_image_lacks_is_an_error(
    engine: Engine, make: Callable[..., str]
) -> None:
    with pytest.raises(EngineError, match="executable file not found"):
        run(engine, make(command=("no-such-program",)), "")


def test_a_closed_engine_ends_calls_under_way(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    stream = engine.attach(container)
    engine.start(container)
    stream.write(b"sleep 60\n")
    stream.close_write()
    other = engine if isinstance(engine, FakeEngine) else connect(engine.info().address)
    failures: list[EngineError] = []

    def wait() -> None:
        try:
            other.wait(container)
        except EngineError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    other.close()
    waiting.join(10)
    assert len(failures) == 1
    stream.close()
    with pytest.raises(EngineError):
        other.image("busybox")


def test_an_image_tells_its_ports_and_a_container_its_health(engine: Engine) -> None:
    if isinstance(engine, FakeEngine):
        pytest.skip("it holds what it is given")
    found = {}
    for name in ("web", "healthy", "busybox"):
        image = engine.image(name)
        assert image is not None
        container = engine.create(ContainerSpec(image=name, name=f"{NAME}-{name}", labels=LABELS))
        found[name] = image.ports, engine.state(container).health
    assert found == {
        "web": ((80,), ()),
        "healthy": ((8080,), ("/bin/sh", "-c", "test -e /ready")),
        "busybox": ((), ()),
    }


def test_a_check_gives_the_exit_code_of_a_further_command(
    engine: Engine, make: Callable[..., str]
) -> None:
    if isinstance(engine, FakeEngine):
        pytest.skip("it runs no further commands")
    container = make(command=("sh", "-c", "sleep 30"), stdin=False)
    engine.start(container)
    assert engine.check(container, ("sh", "-c", "echo much; exit 7"), 10.0) == 7
    assert engine.check(container, ("true",), 10.0) == 0


def test_a_check_that_hangs_is_given_up(engine: Engine, make: Callable[..., str]) -> None:
    if isinstance(engine, FakeEngine):
        pytest.skip("nothing hangs in it")
    container = make(command=("sh", "-c", "sleep 30"), stdin=False)
    engine.start(container)
    began = time.monotonic()
    with pytest.raises(EngineError, match="did not end in time"):
        engine.check(container, ("sleep", "20"), 0.5)
    assert time.monotonic() - began < 5


def test_the_state_of_a_container(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    assert not engine.state(container).running
    run(engine, container, "exit 3\n")
    state = engine.state(container)
    assert (state.running, state.exit_code) == (False, 3)


def test_logs_are_kept_and_cut_to_their_end(engine: Engine, make: Callable[..., str]) -> None:
    container = make()
    run(engine, container, "echo one\necho two\necho three\nexit 0\n")
    for tail, expected in ((None, b"one\ntwo\nthree\n"), (2, b"two\nthree\n")):
        output: list[bytes] = []
        engine.logs(container, output.append, tail=tail)
        assert b"".join(output) == expected
    output = []
    engine.logs(container, output.append, follow=True, timestamps=True)
    assert [line.split(b" ", 1)[1] for line in b"".join(output).splitlines()] == [
        b"one",
        b"two",
        b"three",
    ]


def test_volumes_are_shared_found_by_label_and_removed(
    engine: Engine, make: Callable[..., str]
) -> None:
    name = f"{NAME}-volume"
    engine.create_volume(name, LABELS)
    try:
        assert engine.volumes(LABELS) == (name,)
        assert engine.volumes({"homeport.test": "other"}) == ()
        assert engine.volumes({**LABELS, "homeport.run": "other"}) == ()
        containers = [
            make(options=ContainerOptions(volumes=(f"{name}:/shared",))) for _ in ("a", "b")
        ]
        if not isinstance(engine, FakeEngine):
            assert run(engine, containers[0], "echo hello >/shared/file\n") == (0, "")
            assert run(engine, containers[1], "cat /shared/file\n") == (0, "hello\n")
        for container in containers:
            engine.remove(container)
    finally:
        for container in engine.containers(LABELS):
            engine.remove(container)
        engine.remove_volume(name)
    assert engine.volumes(LABELS) == ()
    engine.remove_volume(name)


def test_a_container_has_the_limits_and_hosts_that_were_asked_for(
    engine: Engine, make: Callable[..., str]
) -> None:
    options = ContainerOptions(
        memory=48 * 1024**2,
        cpus=0.5,
        shm_size=8 * 1024**2,
        # Podman sets those that are not named to what it has itself, which it may not everywhere.
        ulimits=("nofile=100:200", "nproc=1000:1000"),
        extra_hosts=("db.corp:10.9.8.7",),
    )
    container = make(options=options)
    if isinstance(engine, FakeEngine):
        return
    script = (
        "ulimit -n; ulimit -Hn; df -k /dev/shm | tail -n 1 | awk '{ print $2 }'\n"
        "grep db.corp /etc/hosts | awk '{ print $1 }'\n"
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null\n"
        "exit 0\n"
    )
    code, text = run(engine, container, script)
    assert (code, text.split()) == (0, ["100", "200", "8192", "10.9.8.7", "50331648"])


def test_networks_are_found_by_label_and_removed(engine: Engine) -> None:
    name = f"{NAME}-net"
    engine.create_network(name, LABELS)
    try:
        assert engine.networks(LABELS) == (name,)
        assert engine.networks({"homeport.test": "other"}) == ()
        with pytest.raises(EngineError):
            engine.create_network(name, LABELS)
    finally:
        engine.remove_network(name)
    assert engine.networks(LABELS) == ()
    engine.remove_network(name)


def test_containers_of_a_network_have_addresses_and_names(
    engine: Engine, make: Callable[..., str]
) -> None:
    name = f"{NAME}-net"
    engine.create_network(name, LABELS)
    try:
        first = make(network=name, aliases=("a-b", "a__b"), command=("sh", "-c", "sleep 30"))
        engine.start(first)
        state = engine.state(first)
        assert state.address
        assert state.gateway
        if not isinstance(engine, FakeEngine):
            second = make(network=name, hosts={"a__b": state.address})
            code, text = run(engine, second, "ping -c1 -W5 a__b; exit\n")
            assert code == 0, text
            engine.remove(second)
        engine.remove(first)
    finally:
        for container in engine.containers(LABELS):
            engine.remove(container)
        engine.remove_network(name)


def test_a_network_that_is_not_there_is_an_error(engine: Engine, make: Callable[..., str]) -> None:
    with pytest.raises(EngineError, match="nowhere"):
        engine.start(make(network=f"{NAME}-nowhere"))


def test_to_join_a_network_that_is_not_there_is_an_error_at_the_latest_at_the_start(
    engine: Engine, make: Callable[..., str]
) -> None:
    container = make()

    def join() -> None:
        engine.connect_network(f"{NAME}-nowhere", container)
        engine.start(container)

    with pytest.raises(EngineError, match="nowhere"):
        join()


def test_a_container_can_be_in_two_networks(engine: Engine, make: Callable[..., str]) -> None:
    names = (f"{NAME}-b", f"{NAME}-a")
    for name in names:
        engine.create_network(name, LABELS, internal=name == names[1])
    try:
        container = make(network=names[0])
        engine.connect_network(names[1], container)
        if not isinstance(engine, FakeEngine):
            code, text = run(engine, container, "ip -4 -o addr | grep -vc ' lo '\nexit 0\n")
            assert (code, text) == (0, "2\n")
        engine.remove(container)
    finally:
        for name in names:
            engine.remove_network(name)
