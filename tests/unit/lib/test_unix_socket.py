import socket
from pathlib import Path

from homeport.lib.unix_socket import MAX_PATH, short_path


def test_a_socket_in_a_deep_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    path = folder / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with short_path(path) as short:
            assert len(short) <= MAX_PATH
            listener.bind(short)
        listener.listen()
        assert path.is_socket()
        with short_path(path) as short:
            client.connect(short)


def test_a_short_path_stays() -> None:
    with short_path("/run/x.sock") as short:
        assert short == "/run/x.sock"
