"""Amounts as people read them."""


def format_seconds(seconds: float) -> str:
    """`30ms`, `1.3s`, `42s`, `1m 04s`, `2h 00m 07s`; a negative amount counts as none."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m {rest:02}s"
    return f"{hours}h {minutes:02}m {rest:02}s"


def format_bytes(size: int) -> str:
    """`512 B`, `1.2 MiB`: powers of 1024 (IEC 80000-13)."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1023.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} PiB"
