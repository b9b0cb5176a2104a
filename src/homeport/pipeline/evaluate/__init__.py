"""Config + Trigger → Pipeline: which jobs there are, and the reason of each decision.

In: `Config` from `config/`, `Trigger` and `Facts` from `facts/`. Out: `Pipeline`, read by `plan/`
and by the commands `list`, `lint` and `explain`. Pure: what it must ask about the repository goes
through the `Facts` protocol.
"""
