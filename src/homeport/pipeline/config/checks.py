"""What GitLab checks across jobs: stages, needs, dependencies, on_stop, and circular needs.

In: the jobs of a configuration. Out: problems, and for a configuration with includes that could not
be read, the jobs that name something unknown (unresolved, not wrong). The messages are those of
GitLab's `YamlProcessor`; GitLab stops at the first, here all are reported in the same order.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import structs

from homeport.errors import Problem, Span
from homeport.pipeline.config.cycle import find_cycle
from homeport.pipeline.config.hints import Hints
from homeport.pipeline.config.instances import Instances, all_interpolated_needs
from homeport.pipeline.model.config import Job, Need
from homeport.pipeline.model.document import span_of_key, span_of_value

MAX_NEED_NAME: Final = 255


class Checks:
    """The checks of one configuration. `partial` says that some include could not be read;
    `own_stages` whether the file itself says which stages there are."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        stages: tuple[str, ...],
        *,
        partial: bool,
        own_stages: bool,
    ) -> None:
        self.problems: list[Problem] = []
        self.reasons: dict[str, list[str]] = {}
        self._jobs = jobs
        self._stages = stages
        self._order = {stage: index for index, stage in enumerate(stages)}
        self._partial = partial
        self._guesses_stages = partial and not own_stages
        self._instances = Instances(jobs)
        self._hints: dict[str, Hints] = {}

    def run(self, broken: set[str]) -> None:
        """Check every job but those that are `broken` by themselves or unresolved already."""
        for name, job in self._jobs.items():
            if name in broken or job.unresolved:
                continue
            if self._check_stage(job):
                self._check_dependencies(job)
                self._check_needs(job)
                self._check_child_pipeline(job)
            self._check_environment(job)
            self._check_pages(job)
        self._check_cycles()

    def resolve(self) -> Mapping[str, Job]:
        """The jobs, those that name something unknown marked, with all that depends on them."""
        jobs = dict(self._jobs)
        for name, reasons in self.reasons.items():
            job = jobs[name]
            jobs[name] = structs.replace(job, unresolved=(*job.unresolved, *reasons))
        queue = [name for name, job in jobs.items() if job.unresolved]
        if not queue:
            return self._jobs
        dependents = self._dependents()
        for name in queue:
            for dependent in dependents.get(name, ()):
                job = jobs[dependent]
                if not job.unresolved:
                    reason = f"it needs {name}, which is unresolved"
                    jobs[dependent] = structs.replace(job, unresolved=(reason,))
                    queue.append(dependent)
        return jobs

    def _dependents(self) -> dict[str, list[str]]:
        dependents: dict[str, list[str]] = {}
        for name, job in self._jobs.items():
            needs = [need.job for need in job.needs or () if isinstance(need, Need)]
            for wanted in dict.fromkeys((*needs, *(job.dependencies or ()))):
                found = self._instances.job(wanted)
                dependents.setdefault(found.name if found else wanted, []).append(name)
        return dependents

    def _error(self, message: str, code: str, span: Span | None, hint: str | None = None) -> None:
        self.problems.append(Problem(message=message, code=code, span=span, hint=hint))

    def _unknown(
        self, job: Job, reason: str, message: str, code: str, span: Span | None, *, hint: str | None
    ) -> None:
        """Something that no file defines: an error, unless an unread file may define it."""
        if self._partial:
            self.reasons.setdefault(job.name, []).append(reason)
        else:
            self._error(message, code, span, hint)

    def _near(self, word: str, kind: str) -> str | None:
        """The stage or job that was perhaps meant."""
        if self._partial:
            return None
        hints = self._hints.get(kind)
        if hints is None:
            names = self._stages if kind == "stage" else tuple(self._jobs)
            hints = self._hints[kind] = Hints(names)
        return hints.of(word)

    def _check_stage(self, job: Job) -> bool:
        if job.stage in self._order:
            return True
        self._unknown(
            job,
            f"its stage {job.stage} is not among the stages that are known",
            f"{job.name} job: chosen stage {job.stage} does not exist; available stages are "
            f"{', '.join(self._stages)}",
            "unknown-stage",
            span_of_value(job.raw, "stage"),
            hint=self._near(job.stage, "stage"),
        )
        return False

    def _check_dependencies(self, job: Job) -> None:
        for index, written in enumerate(job.dependencies or ()):
            span = span_of_value(job.raw.get("dependencies"), index)
            for name in self._instances.expand_name(written):
                if not self._check_dependency(job, name, "dependency", span):
                    break

    def _check_needs(self, job: Job) -> None:
        if job.needs:
            needs, errors = all_interpolated_needs(job) if self._instances else (job.needs, ())
            for error in errors:
                span = span_of_key(job.raw, "needs")
                self._error(f"{job.name} job: {error}", "matrix-expression", span)
            if errors:
                return
            own = [need for need in needs if isinstance(need, Need)]
            if self._instances:
                self._check_need_list(
                    job, [(name, need) for need in own for name in self._instances.expand(need)]
                )
            else:
                self._check_need_list(job, [(need.job, need) for need in own])
        for rule in job.rules or ():
            if rule.needs:
                # GitLab does not expand parallel jobs here: their own name is undefined.
                own = [need for need in rule.needs if isinstance(need, Need)]
                self._check_need_list(job, [(need.job, need) for need in own])

    def _check_need_list(self, job: Job, needs: list[tuple[str, Need]]) -> None:
        seen: set[str] = set()
        duplicates: dict[str, None] = {}
        failed: Need | None = None
        for name, need in needs:
            if name in seen:
                duplicates[name] = None
            seen.add(name)
            if need is not failed and not self._check_dependency(
                job, name, "need", need.span, optional=need.optional
            ):
                failed = need
        if duplicates:
            names = ", ".join(duplicates)
            message = f"{job.name} has the following needs duplicated: {names}."
            self._error(message, "duplicate-need", span_of_key(job.raw, "needs"))

    def _check_dependency(
        self, job: Job, name: str, kind: str, span: Span | None, *, optional: bool = False
    ) -> bool:
        """Whether `name` may be what `job` depends on."""
        target = self._instances.job(name) if self._instances else self._jobs.get(name)
        if target is None:
            if not optional:
                self._unknown(
                    job,
                    f"its {kind} {name} is defined in no known file",
                    f"{job.name} job: undefined {kind}: {name}",
                    f"undefined-{kind}",
                    span,
                    hint=self._near(name, "job"),
                )
            return optional
        if target.unresolved:
            return True
        if kind == "need" and len(name) > MAX_NEED_NAME:
            self._error(
                f"{job.name} job: need `{name}` name is too long "
                f"(maximum is {MAX_NEED_NAME} characters)",
                "limit",
                span,
            )
            return False
        at = self._order.get(target.stage)
        # A stage that does not exist is complained of at the job that chose it.
        if at is None or at <= self._order[job.stage]:
            return True
        message = f"{job.name} job: {kind} {name} is not defined in current or prior stages"
        if self._guesses_stages:
            reason = f"its {kind} {name} is in a later stage, unless an unread file says otherwise"
            self.reasons.setdefault(job.name, []).append(reason)
        else:
            self._error(message, f"later-{kind}", span)
        return False

    def _check_child_pipeline(self, job: Job) -> None:
        if job.trigger is None:
            return
        for include in job.trigger.include:
            name = include.get("job")
            if isinstance(name, str):
                self._check_dependency(job, name, "dependency", span_of_value(include, "job"))

    def _check_environment(self, job: Job) -> None:
        environment = job.environment
        if environment is None or environment.on_stop is None:
            return
        name = environment.on_stop
        stop = self._instances.job(name)
        if (stop is None and self._partial) or (stop is not None and stop.unresolved):
            return
        fault = hint = None
        if stop is None:
            fault, hint = "is not defined", self._near(name, "job")
        elif stop.environment is None:
            fault = "does not have environment defined"
        elif stop.environment.name != environment.name:
            fault = "have different environment name"
        elif stop.environment.action != "stop":
            fault = "needs to have action stop defined"
        if fault is not None:
            span = span_of_value(job.raw.get("environment"), "on_stop")
            self._error(f"{job.name} job: on_stop job {name} {fault}", "on-stop", span, hint)

    def _check_pages(self, job: Job) -> None:
        pages: Any = job.pages
        if isinstance(pages, Mapping) and "publish" in pages and "publish" in job.raw:
            message = f"{job.name} job: use either {job.name}:publish or {job.name}:pages:publish"
            self._error(message, "conflict", span_of_key(job.raw, "publish"))

    def _check_cycles(self) -> None:
        nodes = {name: list(self._groups(job)) for name, job in self._jobs.items()}
        order, jobs = self._order, self._jobs
        # A need of an earlier stage closes no circle: most files are done here.
        if not any(
            other in jobs and order.get(jobs[other].stage) == order.get(jobs[name].stage)
            for name, needs in nodes.items()
            for other in needs
        ):
            return
        found = find_cycle(nodes)
        if found is not None:
            span = next((self._jobs[name].span for name in nodes if name in found), None)
            message = f"The pipeline has circular dependencies: {found}"
            self._error(message, "circular-needs", span)

    def _groups(self, job: Job) -> Iterator[str]:
        for need in job.needs or ():
            if isinstance(need, Need):
                target = self._instances.job(need.job) if self._instances else None
                yield need.job if target is None else target.name
