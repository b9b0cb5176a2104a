"""One file per keyword (or family): a written value → its normal form, complaints to an `Entry`.

In: the value under a keyword and the `Entry` that knows where it stands. Out: values of
`model.config`, put together by `config/job.py` and `config/compose.py`. A value that is wrong
beyond use gives None; the complaint is then in the entry.
"""
