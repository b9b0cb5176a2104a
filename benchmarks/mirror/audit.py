"""CPU of one record of the audit, from the flow's call to the disk: chain, signature, SQLite."""

import asyncio
import tempfile
import time
from pathlib import Path

from homeport.mirror.audit.signing import create_key
from homeport.mirror.audit.writer import open_audit
from homeport.mirror.model.config import AuditConfig
from homeport.mirror.model.record import Record

RECORDS = 50_000
LIMIT = 25.0


def audit() -> list[str]:
    """One line, with the target."""
    cost = asyncio.run(_measure())
    verdict = "met" if cost <= LIMIT else "MISSED"
    return [f"- {verdict}: a record of the audit ≤ {LIMIT:.0f} µs of CPU: {cost:.1f}"]


async def _measure() -> float:
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        key = Path(folder, "key.pem")
        create_key(key)
        writer = await open_audit(AuditConfig(key=str(key)), Path(folder, "audit"), clock=time.time)
        assert writer is not None
        before = time.process_time()
        for number in range(RECORDS):
            await writer.room()
            writer.write(_record(number))
            if number % 64 == 0:
                await asyncio.sleep(0)
        await writer.close()
        return (time.process_time() - before) / RECORDS * 1e6


def _record(number: int) -> Record:
    digest = f"sha256:{number:064x}"
    return Record(
        time=time.time(),
        request=f"{number:x}",
        listener="registry",
        action="pull",
        method="GET",
        status=200,
        address="10.1.2.3",
        principal="robot$ci",
        proof="token",
        agent="docker/27.0.3 go/go1.21.11 kernel/6.1.0 os/linux arch/amd64",
        upstream="docker.io",
        repository="library/alpine",
        asked="library/alpine",
        reference="3.20",
        digest=digest,
        cache="hit",
        sent=1234,
        rule="here",
        duration=0.0001,
    )
