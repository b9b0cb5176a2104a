"""The facts of a run, for a file of another project."""

from collections.abc import Callable

from homeport.pipeline.model.trigger import AllChanged, Facts, Unresolved


class FactsThere:
    """`Facts` in which the files are those of that project, as `listing` tells them: GitLab looks
    there for `rules:exists`. The changes are those of the pipeline."""

    def __init__(self, facts: Facts, listing: Callable[[], tuple[str, ...]]) -> None:
        self._facts = facts
        self._listing = listing

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        return self._facts.changed_files(compare_to)

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...] | Unresolved:
        return self._listing() if project is None else self._facts.files(project, ref)
