"""`python -m fuzz TARGET [libFuzzer options]`: attack one target with atheris, until it breaks."""

import sys

import atheris  # not among the tools of development: `make fuzz` installs it

with atheris.instrument_imports(include=["homeport"]):
    from fuzz.targets import REFUSALS, TARGETS


def main() -> None:
    attack = TARGETS[sys.argv.pop(1)]

    def consume(data: bytes) -> None:
        text = atheris.FuzzedDataProvider(data).ConsumeUnicode(len(data))
        try:
            attack(text)
        except REFUSALS:
            return

    atheris.Setup(sys.argv, consume)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
