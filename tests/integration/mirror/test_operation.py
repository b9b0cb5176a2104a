"""The mirror as an operator has it: reloads, the way down, health, metrics, and the commands."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from testbed.downloads import Download
from testbed.hub import Hub, Image, free_port, wait_for
from testbed.mirror import Mirror, mirror, upstream

MB = 1_000_000
HEAD = '[mirror]\nlisten = "{address}"\ndata = "{data}"\n'


@pytest.fixture
def served(upstream_hub: Hub, tmp_path: Path) -> Iterator[Mirror]:
    with mirror(tmp_path, HEAD + upstream("docker.io", upstream_hub.address)) as it:
        yield it


def blob(image: Image, name: str) -> str:
    return f"/v2/library/{name}/blobs/{image.layers[0][0]}"


def pull(made: Mirror, image: Image, name: str) -> None:
    """Fetch the whole image, so that the mirror holds it."""
    assert made.get(f"/v2/library/{name}/manifests/1").status == 200
    for digest in (image.config, *(digest for digest, _ in image.layers)):
        assert made.get(f"/v2/library/{name}/blobs/{digest}").status == 200


def slow_transfers(
    hub: Hub, made: Mirror, name: str, *, count: int, rate: int, size: int = 8 * MB
) -> tuple[Image, list[Download]]:
    """Clients of one cold layer that the upstream sends slowly; all have begun."""
    image = hub.push(f"library/{name}:1", size=size)
    assert made.get(f"/v2/library/{name}/manifests/1").status == 200
    hub.faults.rate = rate
    clients = [Download(made, blob(image, name)) for _ in range(count)]
    for client in clients:
        client.start()
    wait_for(lambda: all(client.size for client in clients), 15, "the transfers do not begin")
    return image, clients


def reloaded(made: Mirror, ok: bool) -> dict[str, object]:
    """Send SIGHUP and wait for its outcome."""
    before = status(made)["last_reload"]
    made.send(signal.SIGHUP)
    wait_for(lambda: status(made)["last_reload"] != before, 10, "the reload does not happen")
    outcome: dict[str, object] = status(made)["last_reload"]
    assert outcome["ok"] is ok, outcome
    return outcome


def status(made: Mirror) -> dict[str, object]:
    done = made.homeport("status", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_reload_during_fifty_transfers_breaks_none(upstream_hub: Hub, served: Mirror) -> None:
    image, clients = slow_transfers(upstream_hub, served, "fifty", count=50, rate=3 * MB)
    rule = (
        '[[mirror.rules]]\nname = "none"\nrepositories = ["docker.io/library/f*"]\nallow = false\n'
    )
    more = upstream("docker.io", upstream_hub.address, more='tag_ttl = "1h"')
    served.configure(HEAD + more + upstream("quay.io", upstream_hub.address) + rule)
    reloaded(served, ok=True)
    assert served.get("/v2/quay.io/library/fifty/manifests/1").status == 200
    denied = served.get("/v2/library/fifty/manifests/1")
    assert denied.status == 403
    assert denied.json["errors"][0]["detail"]["rule"] == "none"
    assert any(client.is_alive() for client in clients), "the reload came too late to test it"
    upstream_hub.faults.rate = None
    for client in clients:
        client.join(20)
    assert [client.digest for client in clients] == [image.layers[0][0]] * 50


def test_an_invalid_file_changes_nothing_and_is_shown(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/invalid:1")
    good = served.config.read_text()
    served.configure(good + "[mirror.store]\nquota = 'much'\n")
    outcome = reloaded(served, ok=False)
    assert "homeport.toml" in str(outcome["problems"])
    pull(served, image, "invalid")
    assert "reload refused, nothing changed" in served.log
    assert "REFUSED" in served.homeport("status").stdout
    served.configure(good)
    reloaded(served, ok=True)


@pytest.mark.parametrize("fault", ["address", "credentials", "htpasswd"])
def test_a_reload_is_all_or_nothing(
    upstream_hub: Hub, served: Mirror, tmp_path: Path, fault: str
) -> None:
    """The rest of the file is valid, and would deny everything."""
    image = upstream_hub.push(f"library/all-{fault}:1")
    text = served.config.read_text()
    deny = '[[mirror.rules]]\nname = "none"\nallow = false\n'
    with socket.create_server(("127.0.0.1", 0)) as taken:
        if fault == "address":
            port = taken.getsockname()[1]
            lines = f'[[mirror.listeners]]\nname = "a"\naddress = "{served.address}"\n'
            lines += f'[[mirror.listeners]]\nname = "b"\naddress = "127.0.0.1:{port}"\n'
            text = text.replace(f'listen = "{served.address}"\n', "") + lines
        elif fault == "credentials":
            text += upstream(
                "quay.io",
                upstream_hub.address,
                more=f'credentials = {{ docker_config = "{tmp_path}/none.json" }}',
            )
        else:
            lines = f'[[mirror.listeners]]\nrole = "registry"\naddress = "{served.address}"\n'
            text = text.replace(f'listen = "{served.address}"\n', "") + lines
            text += f'[mirror.auth]\nhtpasswd = "{tmp_path}/users"\n'
        served.configure(text + deny)
        reloaded(served, ok=False)
    pull(served, image, f"all-{fault}")
    assert set(status(served)["listeners"]) == {"main", "control"}  # type: ignore[call-overload]


def test_a_new_certificate_is_taken_up(upstream_hub: Hub, tmp_path: Path) -> None:
    with mirror(tmp_path / "m", HEAD + upstream("docker.io", upstream_hub.address)) as served:
        folder, port = tmp_path / "m", free_port()
        assert served.homeport_bare("ca", "init", str(folder / "ca")).returncode == 0
        files = ["--ca", "ca", "--certificate", "tls.crt", "--key", "tls.key"]
        assert served.homeport_bare("ca", "issue", "127.0.0.1", *files).returncode == 0
        text = served.config.read_text().replace(f'listen = "{served.address}"\n', "")
        plain = f'[[mirror.listeners]]\nname = "plain"\naddress = "{served.address}"\n'
        tls = f'[[mirror.listeners]]\nname = "tls"\naddress = "127.0.0.1:{port}"\n'
        tls += 'tls = { certificate = "tls.crt", key = "tls.key" }\n'
        served.configure(text + plain + tls)
        reloaded(served, ok=True)
        trust = ssl.create_default_context(cafile=str(folder / "ca" / "ca.pem"))
        first = serial(port, trust)
        assert served.homeport_bare("ca", "renew", *files).returncode == 0
        assert serial(port, trust) == first
        reloaded(served, ok=True)
        assert serial(port, trust) != first


def serial(port: int, trust: ssl.SSLContext) -> object:
    """The certificate's number, by an own request."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
    try:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        assert isinstance(connection.sock, ssl.SSLSocket)
        return (connection.sock.getpeercert() or {})["serialNumber"]
    finally:
        connection.close()


def test_sigterm_lets_a_transfer_end(upstream_hub: Hub, served: Mirror) -> None:
    image, clients = slow_transfers(upstream_hub, served, "drain", count=2, rate=4 * MB)
    served.send(signal.SIGTERM)
    wait_for(lambda: refused(served), 5, "it still accepts")
    assert all(client.is_alive() for client in clients)
    assert served.process is not None
    assert served.process.wait(30) == 0
    for client in clients:
        client.join()
        assert client.digest == image.layers[0][0]


def test_sigterm_is_seen_by_a_load_balancer_before_the_doors_close(
    upstream_hub: Hub, served: Mirror
) -> None:
    upstream_hub.push("library/lead:1", size=MB)
    served.send(signal.SIGTERM)
    began = time.monotonic()
    wait_for(lambda: served.get("/readyz").status == 503, 1, "it still says that it is ready")
    assert b"shutting down" in served.get("/readyz").body
    assert served.get("/healthz").status == 200
    assert served.get("/v2/library/lead/manifests/1").status == 200
    assert served.process is not None
    assert served.process.wait(30) == 0
    assert 1.9 < time.monotonic() - began < 10


def test_a_second_sigterm_ends_the_lead(tmp_path: Path) -> None:
    with mirror(tmp_path, HEAD + '[mirror.limits]\ndrain_lead = "30s"\n') as served:
        served.send(signal.SIGTERM)
        wait_for(lambda: served.get("/readyz").status == 503, 5, "it says that it is ready")
        assert served.stop(signal.SIGTERM, within=10) == 0


def test_ctrl_c_has_no_lead(tmp_path: Path) -> None:
    with mirror(tmp_path, HEAD + '[mirror.limits]\ndrain_lead = "30s"\n') as served:
        assert served.stop(signal.SIGINT, within=10) == 0


def refused(made: Mirror) -> bool:
    try:
        made.get("/healthz", timeout=2)
    except OSError:
        return True
    return False


def test_sigterm_cuts_what_is_too_slow(upstream_hub: Hub, tmp_path: Path) -> None:
    text = HEAD + '[mirror.limits]\ndrain_timeout = "1s"\n'
    with mirror(tmp_path, text + upstream("docker.io", upstream_hub.address)) as served:
        _, clients = slow_transfers(
            upstream_hub, served, "slow", count=2, rate=MB // 2, size=16 * MB
        )
        began = time.monotonic()
        assert served.stop(signal.SIGTERM) == 0
        assert 0.9 < time.monotonic() - began < 6
        for client in clients:
            client.join()
            assert not client.complete


def test_a_second_sigterm_is_at_once(upstream_hub: Hub, served: Mirror) -> None:
    _, clients = slow_transfers(upstream_hub, served, "twice", count=2, rate=MB // 2, size=16 * MB)
    served.send(signal.SIGTERM)
    wait_for(lambda: refused(served), 5, "it still accepts")
    began = time.monotonic()
    assert served.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 6
    for client in clients:
        client.join()
        assert not client.complete


def test_health_needs_no_upstream(upstream_hub: Hub, served: Mirror) -> None:
    upstream_hub.faults.black_hole = True
    for path in ("/healthz", "/readyz"):
        answer = served.get(path, timeout=2)
        assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_metrics_are_for_this_machine_and_the_networks_that_are_named(tmp_path: Path) -> None:
    def scraped_by(made: Mirror, address: str) -> int:
        return made.get("/metrics", headers={"X-Forwarded-For": address}).status

    with mirror(tmp_path, HEAD) as made:
        assert made.get("/metrics").status == 200
        # A reverse proxy on this machine that is no trusted one: somebody else asks.
        assert scraped_by(made, "127.0.0.1") == 403
        made.configure(HEAD + 'trusted_proxies = ["127.0.0.1"]\nmetrics_from = ["192.0.2.0/24"]\n')
        reloaded(made, ok=True)
        assert scraped_by(made, "192.0.2.7") == 200
        assert scraped_by(made, "198.51.100.7") == 403
        refused = made.get("/metrics", headers={"X-Forwarded-For": "198.51.100.7"})
        assert b"mirror.metrics_from does not name 198.51.100.7" in refused.body
        assert made.get("/metrics").status == 200
        assert made.get("/healthz", headers={"X-Forwarded-For": "198.51.100.7"}).status == 200


def test_metrics_are_prometheus_and_count(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/metrics:1")
    for _ in range(2):
        pull(served, image, "metrics")
    answer = served.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(answer.body.decode())}
    pulls = {
        sample.labels["cache"]: sample.value
        for sample in families["homeport_requests"].samples
        if sample.name == "homeport_requests_total" and sample.labels["action"] == "pull"
    }
    assert pulls["miss"] >= 1
    assert pulls["hit"] >= 3
    for name in ("homeport_store_blobs_bytes", "homeport_upstream_healthy", "homeport_connections"):
        assert families[name].samples
    assert "metrics" not in {
        text for f in families.values() for sample in f.samples for text in sample.labels.values()
    }, "a repository's name is no label"


def test_the_log_is_lines_of_json(served: Mirror) -> None:
    reloaded(served, ok=True)
    lines = [json.loads(line) for line in served.log.splitlines()]
    assert {"listening", "reloaded"} <= {line["message"].partition(":")[0] for line in lines}
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)


def test_status_and_usage(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/usage:1", size=MB)
    pull(served, image, "usage")
    shown = served.homeport("status").stdout
    assert "ready" in shown
    assert served.address in shown
    usage = json.loads(served.homeport("usage", "--json").stdout)
    assert usage["upstreams"]["docker.io"]["bytes"] >= image.layers[0][1]
    assert usage["store"]["blobs"] == usage["upstreams"]["docker.io"]["bytes"]
    assert "docker.io" in served.homeport("usage").stdout


def test_explain_says_why(upstream_hub: Hub, tmp_path: Path) -> None:
    rule = '[[mirror.rules]]\nname = "no secrets"\nrepositories = ["quay.io/secret/**"]\n'
    rule += 'networks = ["10.0.0.0/8"]\nallow = false\n'
    text = HEAD + upstream("docker.io", upstream_hub.address, more='tag_ttl = "1s"')
    text += upstream("quay.io", upstream_hub.address)
    with mirror(tmp_path, text + rule) as served:
        pull(served, upstream_hub.push("library/why:1"), "why")
        for name in ("why:1", "docker.io/library/why:1", f"{served.address}/library/why:1"):
            held = served.homeport("explain", name)
            assert held.returncode == 0, held.stderr
            assert "is docker.io/library/why" in held.stdout
            assert "came from the upstream" in held.stdout
        denied = served.homeport("explain", "quay.io/secret/x", "--from", "10.1.2.3")
        assert denied.returncode == 1
        assert "DENIED: denied by rule 'no secrets'" in denied.stdout
        assert served.homeport("explain", "quay.io/secret/x").returncode == 0
        unknown = served.homeport("explain", "ghcr.io/o/i")
        assert unknown.returncode == 1
        assert "the upstreams here are docker.io, quay.io" in unknown.stdout
        time.sleep(1.1)
        upstream_hub.faults.status = 503
        assert "warning" in served.get("/v2/library/why/manifests/1").headers
        stale = json.loads(served.homeport("explain", "why:1", "--json").stdout)
        assert stale["held"]["state"] == "stale"
        assert stale["recent"][0]["cache"] == "stale"
        assert "did not answer as it should" in stale["recent"][0]["why"]
        assert stale["recent"][0]["upstream_status"] == 503
        assert served.homeport("explain", "Not An Image").returncode == 1


@pytest.mark.parametrize("running", [True, False], ids=["online", "offline"])
def test_verify_purge_and_gc(upstream_hub: Hub, tmp_path: Path, running: bool) -> None:
    with mirror(tmp_path, HEAD + upstream("docker.io", upstream_hub.address)) as served:
        image = upstream_hub.push(f"library/keep-{running}:1".lower(), size=MB)
        name = f"keep-{running}".lower()
        pull(served, image, name)
        if not running:
            assert served.stop() == 0
        good = served.homeport("verify", "--json")
        assert (good.returncode, json.loads(good.stdout)["fault_count"]) == (0, 0)
        spoil(served, image.layers[0][0])
        bad = served.homeport("verify")
        assert bad.returncode == 1
        assert f"blob {image.layers[0][0]}: wrong bytes" in bad.stdout
        repaired = served.homeport("verify", "--repair", "--json")
        assert repaired.returncode == 0, repaired.stderr
        assert json.loads(repaired.stdout)["repaired"] == 1
        assert served.homeport("verify").returncode == 0
        gone = served.homeport("purge", f"docker.io/library/{name}:1")
        assert (gone.returncode, gone.stderr) == (0, "")
        assert served.homeport("purge", f"{name}:1").returncode == 1
        assert served.homeport("purge", name).returncode == 2
        told = served.homeport("gc", "--dry-run", "--json")
        assert served.homeport("gc", "--dry-run", "--json").stdout == told.stdout
        collected = served.homeport("gc", "--json")
        assert collected.returncode == 0, collected.stderr
        assert json.loads(told.stdout) == json.loads(collected.stdout)
        assert json.loads(served.homeport("gc", "--json").stdout)["digests"] == 0
        if not running:
            served.start()
        pull(served, image, name)
        audited = served.homeport("audit", "query", "--action", "admin").stdout
        assert "purge" in audited


def spoil(made: Mirror, digest: str) -> None:
    digits = digest.partition(":")[2]
    path = made.data / "blobs" / "sha256" / digits[:2] / digits
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    path.write_bytes(content)


def test_backup_under_load_and_restore(upstream_hub: Hub, served: Mirror, tmp_path: Path) -> None:
    kept = upstream_hub.push("library/kept:1", size=4 * MB)
    pull(served, kept, "kept")
    secret = served.homeport("robot", "add", "ci", "--expires", "never").stdout.strip()
    busy = upstream_hub.push("library/busy:1", size=8 * MB)
    assert served.get("/v2/library/busy/manifests/1").status == 200
    clients = [Download(served, blob(busy, "busy")) for _ in range(8)]
    for client in clients:
        client.start()
    copy = tmp_path / "copy"
    first = served.homeport("backup", str(copy), "--json")
    for client in clients:
        client.join()
        assert client.digest == busy.layers[0][0]
    assert first.returncode == 0, first.stderr
    audited = served.homeport("audit", "query", "--limit", "999").stdout.splitlines()
    again = json.loads(served.homeport("backup", str(copy), "--json").stdout)
    assert again["copied"] <= json.loads(first.stdout)["blobs"] + 1
    assert json.loads(served.homeport("backup", str(copy), "--json").stdout)["copied"] == 0
    assert served.homeport("restore", str(copy)).returncode == 3, "over a mirror that is there"
    assert served.stop() == 0
    shutil.rmtree(served.data)
    restored = served.homeport("restore", str(copy))
    assert restored.returncode == 0, restored.stderr
    upstream_hub.faults.status = 503
    served.start()
    pull(served, kept, "kept")
    assert served.homeport("verify").returncode == 0
    assert served.homeport("audit", "verify").returncode == 0
    lines = served.homeport("audit", "query", "--limit", "999").stdout.splitlines()
    assert set(audited) < set(lines), "records from before the backup are gone"
    assert any("may be missing" in line for line in lines)
    assert "robot$ci" in served.homeport("robot", "list").stdout
    assert secret


def test_commands_say_where_no_mirror_is(tmp_path: Path) -> None:
    made = Mirror(tmp_path, HEAD)
    for command in (["status"], ["usage"], ["explain", "alpine"]):
        done = made.homeport(*command)
        assert done.returncode == 3
        assert f"no mirror runs on {made.data}" in done.stderr
    for command in (["gc"], ["verify"], ["purge", "alpine:1"], ["backup", str(tmp_path / "b")]):
        done = made.homeport(*command)
        assert done.returncode == 3, done.stderr
        assert f"there is no mirror in {made.data}" in done.stderr
    assert made.homeport("restore", str(tmp_path / "b")).returncode == 3


def test_a_deep_data_folder_has_a_control_socket(upstream_hub: Hub, tmp_path: Path) -> None:
    text = HEAD + upstream("docker.io", upstream_hub.address)
    with mirror(tmp_path / ("deep" * 25) / ("folder" * 20), text) as served:
        assert "ready" in served.homeport("status").stdout
        reloaded(served, ok=True)
    assert not (served.data / "control.sock").exists()


def test_systemd_accepts_the_unit(served: Mirror, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = tmp_path / "homeport-mirror.service"
    unit.write_text(served.homeport("render", "systemd", "--user", "root").stdout)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = [line for line in done.stderr.splitlines() if "homeport-mirror" in line]
    assert mine == []
