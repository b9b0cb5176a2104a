"""The command line: the only code that prints or exits.

In: argv. Out: text or JSON on stdout, problems on stderr, an exit status. One file per command;
`main.py` holds the parser and the one boundary where errors become words.
"""
