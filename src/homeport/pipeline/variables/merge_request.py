"""`CI_MERGE_REQUEST_*`. Source: GitLab's `MergeRequest#predefined_variables` and its "Predefined
variables for merge request pipelines".
"""

from homeport.pipeline.model.trigger import MergeRequest, Trigger

_MAX_DESCRIPTION = 2700


def merge_request_variables(
    request: MergeRequest, trigger: Trigger, *, path: str, url: str
) -> dict[str, str]:
    """The family for a pipeline of the source branch itself (`detached`).

    `path` and `url` are the project's, which is source and target at once. The SHAs of both
    branches are empty, as they are on the server for every pipeline but one of merged results.
    """
    description = request.description
    truncated = len(description) > _MAX_DESCRIPTION
    if truncated:
        description = description[: _MAX_DESCRIPTION - 3] + "..."
    source = trigger.branch or ""
    default = trigger.default_branch
    found = {
        "CI_MERGE_REQUEST_ID": "1",
        "CI_MERGE_REQUEST_IID": str(request.iid),
        "CI_MERGE_REQUEST_REF_PATH": f"refs/merge-requests/{request.iid}/head",
        "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
        "CI_MERGE_REQUEST_TITLE": request.title,
        "CI_MERGE_REQUEST_DESCRIPTION": description,
        "CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED": _flag(truncated),
        "CI_MERGE_REQUEST_DRAFT": _flag(request.draft),
        "CI_MERGE_REQUEST_SQUASH_ON_MERGE": "false",
        "CI_MERGE_REQUEST_DIFF_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "",
        "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "",
        # Without settings of a server only the default branch is protected.
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": source,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED": _flag(source == default),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": request.target_branch,
        "CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED": _flag(request.target_branch == default),
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_PROJECT_PATH": path,
        "CI_MERGE_REQUEST_PROJECT_URL": url,
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": path,
        "CI_MERGE_REQUEST_SOURCE_PROJECT_URL": url,
    }
    if request.base_sha is not None:
        found["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = request.base_sha
    if request.labels:
        found["CI_MERGE_REQUEST_LABELS"] = ",".join(request.labels)
    if request.assignees:
        found["CI_MERGE_REQUEST_ASSIGNEES"] = ",".join(request.assignees)
    if request.milestone is not None:
        found["CI_MERGE_REQUEST_MILESTONE"] = request.milestone
    return found


def _flag(value: bool) -> str:
    return "true" if value else "false"
