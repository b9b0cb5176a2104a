"""A client of GitLab servers and of plain HTTP(S) files, also on closed networks.

In: URLs (of the repository, so hostile), the user's hosts, CA and environment. Out: bytes and small
values, or `MissingError` in words without secrets. Used by `pipeline/include/` and by the commands.
Importing it is cheap; `http.client` and `ssl` are imported by the first request.
"""
