"""The report's page in a browser: it shows, and asks nobody for anything."""

import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from homeport.enroll.fleet.page import write_page
from homeport.enroll.fleet.report import FAILED, HostReport, Report, Row

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_a_browser_shows_it_and_loads_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Trap(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trap) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        evil = f'<img src="http://127.0.0.1:{server.server_port}/x"><script>document.title=1'
        rows = (Row(evil, "Docker", FAILED, what=evil),)
        page = tmp_path / "fleet.html"
        page.write_text(write_page(Report("apply", (HostReport(evil, FAILED, rows),)), now=0))
        assert CHROMIUM is not None
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                *("--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"),
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        server.shutdown()
    assert '<td class="state bad">failed</td>' in done.stdout
    assert "<title>homeport enroll fleet apply</title>" in done.stdout
    assert "<img" not in done.stdout
    assert asked == []
