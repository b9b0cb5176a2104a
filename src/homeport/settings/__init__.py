"""What the user decided once: settings from files, environment and flags.

In: the repository's `homeport.toml` (not trusted), the user's `config.toml`, `HOMEPORT_*` and
flags; later wins. Out: one frozen `Settings` that knows where each value came from. Read by
`pipeline/` (plan and execute) and by the commands.
"""
