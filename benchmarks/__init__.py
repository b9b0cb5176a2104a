"""CPU time of whole commands, beside the peers and beside a floor (`make bench`).

In: nothing but network access to PyPI and npm for the peers. Out: a markdown table on stdout.
`cases` says what is compared, `repositories` makes the input, `peers` installs the programs,
`measure` runs them in turns, `report` prints.
"""
