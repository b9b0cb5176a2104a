"""Which jobs get a folder, and what lies in it; that it works is for the engines' own tests."""

import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.engine.api import ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.engine.options import ContainerOptions
from homeport.pipeline.execute.api import JobSpec, ServiceSpec, Snapshot
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.container_access import HostAccess
from homeport.pipeline.execute.container_archive import Stored
from homeport.pipeline.execute.container_layers import Layers, write
from homeport.pipeline.model.config import Image

IMAGE = ImageInfo(id="sha256:1", entrypoint=(), command=("sh",), user="", env={})


def ignore(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeport.pipeline.execute.container_layers.os.geteuid", lambda: 0)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/file").write_text("content\n")
    return Snapshot(root=tree, files=("sub/file",), git=None, objects=None)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(images={"alpine:3": IMAGE, "db:1": IMAGE})


def spec(snapshot: Snapshot, job: str = "job", *services: ServiceSpec) -> JobSpec:
    return JobSpec(
        run="r1",
        job=job,
        attempt=1,
        env={},
        files={},
        project_path="g/p",
        image=Image(name="alpine:3"),
        pull_policy=("never",),
        services=services,
        services_timeout=0,
        sources=snapshot,
    )


def test_an_engine_that_sees_nothing_is_asked_once(
    engine: FakeEngine, snapshot: Snapshot, tmp_path: Path
) -> None:
    executor = ContainerExecutor(engine, layers=Layers(tmp_path / "layers", least=(0, 0)))
    for job in ("one", "two"):
        session = executor.open(spec(snapshot, job), ignore)
        session.put(snapshot, [])
        (container,) = engine.held.values()
        assert container.spec.options.volumes == ()
        assert container.files["builds/g/p/sub/file"][1] == b"content\n"
        session.close()
    assert engine.calls["get_archive"] == 1
    assert engine.calls["create"] == 3
    assert (engine.held_volumes, [*(tmp_path / "layers").iterdir()]) == ({}, [])


def test_a_tree_is_big_by_files_or_bytes(snapshot: Snapshot, tmp_path: Path) -> None:
    def given(files: int, size: int) -> bool:
        job = Layers(tmp_path / "layers", least=(files, size)).for_job(snapshot)
        return job is not None and job.options["type"] == "overlay"

    assert [given(1, 99), given(2, 8), given(2, 9)] == [True, True, False]


def test_only_root_has_folders(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.pipeline.execute.container_layers.os.geteuid", lambda: 1000)
    assert Layers(tmp_path / "layers", least=(0, 0)).for_job(snapshot) is None


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", 'a"b'])
def test_a_path_that_mount_would_misread_is_left_alone(
    snapshot: Snapshot, tmp_path: Path, name: str
) -> None:
    assert Layers(tmp_path / name, least=(0, 0)).for_job(snapshot) is None


def test_services_and_what_the_user_mounts_go_before(
    engine: FakeEngine, snapshot: Snapshot, tmp_path: Path
) -> None:
    layers = Layers(tmp_path / "layers", least=(0, 0))
    ContainerExecutor(engine, layers=layers).open(
        spec(snapshot, "one", ServiceSpec(image="db:1", pull_policy=("never",))), ignore
    )
    access = HostAccess(options=ContainerOptions(volumes=("/fast:/builds",)))
    ContainerExecutor(engine, access, layers=layers).open(spec(snapshot, "two"), ignore)
    assert not (tmp_path / "layers").exists()


def test_what_is_laid_out_is_for_any_user(tmp_path: Path) -> None:
    for name, mode in (("plain", 0o600), ("tool", 0o700)):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(mode)
    (tmp_path / "link").symlink_to("/etc/passwd")
    folder = tmp_path / "layer"
    folder.mkdir()
    items = [(f"g/p/{name}", str(tmp_path / name)) for name in ("plain", "tool", "link", "gone")]
    stored = ("g/p/stored", Stored(str(tmp_path / "plain"), 0o755, 1_000_000_000))
    write([("g/p", None), *items, stored, ("g/p/link/x", b"x"), ("g/p/empty", None)], str(folder))
    assert (folder / "g/p/stored").stat().st_mtime == 1
    modes = {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in folder.rglob("*")
    }
    assert modes == {
        "g": 0o777,
        "g/p": 0o777,
        "g/p/plain": 0o666,
        "g/p/tool": 0o777,
        "g/p/stored": 0o777,
        "g/p/link": 0o777,  # a folder: nothing is written through a link
        "g/p/link/x": 0o666,
        "g/p/empty": 0o777,
    }


def test_nothing_is_laid_out_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    folder = tmp_path / "layer"
    folder.mkdir()
    write([("file", str(tmp_path / "link")), ("file", b"mine")], str(folder))
    assert (tmp_path / "secret").read_text() == "kept"
    assert (folder / "file").read_text() == "mine"


@pytest.mark.parametrize("uid", [0, 100000])
def test_an_engine_with_users_of_its_own_gets_an_archive(
    engine: FakeEngine,
    snapshot: Snapshot,
    tmp_path: Path,
    uid: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def seen(_self: FakeEngine, _container: str, path: str) -> Iterator[bytes]:
        entry = tarfile.TarInfo(path.rpartition("/")[2])
        entry.uid = uid
        return iter([entry.tobuf(), bytes(1024)])

    monkeypatch.setattr(FakeEngine, "get_archive", seen)
    executor = ContainerExecutor(engine, layers=Layers(tmp_path / "layers"))
    executor.open(spec(snapshot), ignore).put(snapshot, [])
    (container,) = engine.held.values()
    assert ("builds/g/p/sub/file" in container.files) == (uid != 0)
    laid = [path.read_text() for path in (tmp_path / "layers").glob("*/upper/g/p/sub/file")]
    assert laid == ([] if uid else ["content\n"])


def test_what_is_laid_out_is_made_once(tmp_path: Path) -> None:
    layers = Layers(tmp_path / "layers", least=(0, 0))
    (tmp_path / "layers").mkdir()
    made = layers.make("key", iter([("file", b"1")]))
    assert layers.make("key", iter([("file", b"2")])) == made
    assert Path(made, "file").read_text() == "1"
    assert layers.make("other", iter([("file", b"3")])) != made
