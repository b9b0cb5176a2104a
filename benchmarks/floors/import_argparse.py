import argparse  # noqa: F401
