"""What id_tokens say of a job: facts, whatever variables there are."""

from homeport.pipeline.model.plan import IdToken, JobPlan, Runs
from homeport.pipeline.model.trigger import Commit, Project, Trigger
from homeport.pipeline.plan.id_tokens import with_id_tokens
from homeport.pipeline.variables.predefined import job_variables, pipeline_variables, seed_variables
from homeport.settings.model import Settings

COMMIT = Commit(
    sha="a" * 40, title="t", message="t", description="", timestamp="", author="a <a@b>"
)

SETTINGS = Settings()


def planned(trigger: Trigger, settings: Settings = SETTINGS, **job: str) -> JobPlan:
    facts = {
        **pipeline_variables(trigger),
        **job_variables(trigger, name="job", stage="test", job_id=7, **job),  # type: ignore[arg-type]
        **seed_variables(trigger),
    }
    plan = JobPlan(name="job", stage="test", runs=Runs.SHELL)
    return with_id_tokens(plan, {"A": {"aud": "x"}, "B": {"aud": ["x", "y"]}}, settings, facts)


def test_the_claims_of_a_branch() -> None:
    trigger = Trigger(
        root="/r",
        branch="main",
        commit=COMMIT,
        project=Project(host="gitlab.corp", path="team/sub/app"),
        user_name="Ann",
        user_email="ann@corp",
        pipeline_id=5,
    )
    assert planned(trigger).claims == {
        "namespace_id": "1",
        "namespace_path": "team/sub",
        "project_id": "1",
        "project_path": "team/sub/app",
        "user_id": "1",
        "user_login": "ann",
        "user_email": "ann@corp",
        "pipeline_id": "5",
        "pipeline_source": "push",
        "job_id": "7",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": "a" * 40,
        "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.corp/team/sub/app//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "a" * 40,
        "iss": "https://gitlab.corp",
        "sub": "project_path:team/sub/app:ref_type:branch:ref:main",
    }


def test_the_claims_of_a_tag_and_of_an_environment() -> None:
    trigger = Trigger(root="/r", tag="v1", commit=COMMIT)
    claims = planned(trigger, environment_name="review/x").claims
    assert claims["sub"].endswith(":ref_type:tag:ref:v1")
    assert claims["ref_path"] == "refs/tags/v1"
    assert (claims["environment"], claims["environment_action"]) == ("review/x", "start")
    assert (claims["deployment_tier"], claims["environment_protected"]) == ("development", "false")
    assert "user_login" not in claims


def test_the_users_own_token_takes_the_place_of_one_of_ours() -> None:
    trigger = Trigger(root="/r", branch="main", commit=COMMIT)
    plan = planned(trigger, Settings(id_tokens={"A": "/token"}))
    assert plan.id_tokens == {
        "A": IdToken(audience="x", file="/token"),
        "B": IdToken(audience=("x", "y")),
    }
