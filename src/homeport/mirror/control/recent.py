"""What happened lately, for `mirror explain` and `mirror status`; bounded, in memory."""

from collections import deque

from homeport.mirror.model.record import Record

KEPT = 4096


class Recent:
    def __init__(self, kept: int = KEPT) -> None:
        self._records: deque[Record] = deque(maxlen=kept)

    def saw(self, record: Record) -> None:
        self._records.append(record)

    def of(self, upstream: str, repository: str, *, most: int = 20) -> tuple[Record, ...]:
        """The newest records of one repository, newest first."""
        found = []
        for record in reversed(self._records):
            if record.upstream == upstream and record.repository == repository:
                found.append(record)
                if len(found) == most:
                    break
        return tuple(found)

    def asked(self, name: str, *, most: int = 20) -> tuple[Record, ...]:
        """Those in which a client used this name, wherever it led."""
        found = [record for record in reversed(self._records) if record.asked == name]
        return tuple(found[:most])
