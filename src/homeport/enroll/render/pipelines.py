"""What GitLab Runner and jobs that bring their own Docker are told."""

from homeport.enroll.engines.door import find_doors
from homeport.enroll.engines.gitlab_runner_helper import HELPER, REGISTRY, default_tag
from homeport.enroll.errors import EnrollError
from homeport.enroll.formats.toml_text import write_value
from homeport.enroll.formats.yaml_text import write_block
from homeport.enroll.model import Request
from homeport.enroll.render.engines import authority
from homeport.enroll.render.files import Made
from homeport.enroll.render.wanted import Wanted


def gitlab_runner(wanted: Wanted) -> "tuple[Made, ...]":
    """For x86_64; other architectures change the tag."""
    request = wanted.request
    doors, limits = find_doors(Request(request.mirror, request.mode, (REGISTRY,)), by_name=True)
    if not doors:
        raise EnrollError(f"cannot {limits[0].what}: {limits[0].why}", hint=limits[0].hint)
    hub = wanted.hub()
    helper = f"{doors[0].location}/{HELPER}:{default_tag('x86_64', '', '')}"
    folder = f"/etc/docker/certs.d/{hub.netloc}"
    lines = [
        "# Rendered by homeport enroll render: these keys go into each [[runners]] of config.toml.",
        "# Other machines than x86_64 have arm64, arm, ppc64le, s390x or riscv64 in the tag.",
        "[[runners]]",
        "  [runners.docker]",
        f"    helper_image = {write_value(helper)}",
    ]
    if wanted.ca is not None and hub.scheme == "https":
        lines.append(f'    volumes = ["/cache", "{folder}:{folder}:ro"]')
    lines += [
        "    [[runners.docker.services]]",
        '      name = "docker:dind"',
        '      alias = "docker"',
        f"      command = [{write_value(f'--registry-mirror={hub.url}')}]",
    ]
    text = "".join(f"{line}\n" for line in lines)
    made = Made("gitlab-runner.toml", text, "/etc/gitlab-runner/config.toml; read within seconds")
    return (made, *authority(wanted, f"{folder}/ca.crt"))


def dind(wanted: Wanted) -> "tuple[Made, ...]":
    """A job's service. The CA travels in a variable, which services get as the job does."""
    hub = wanted.hub()
    flag = f"--registry-mirror={hub.url}"
    lines = ["# Rendered by homeport enroll render: a job with `extends: .homeport-dind`."]
    service: dict[str, object] = {"name": "docker:dind", "alias": "docker"}
    trusted = wanted.ca is not None and hub.scheme == "https"
    if trusted:
        folder = f"/etc/docker/certs.d/{hub.netloc}"
        script = (
            f"mkdir -p {folder} && printf '%s' \"$HOMEPORT_CA\" > {folder}/ca.crt "
            f"&& exec dockerd-entrypoint.sh {flag}"
        )
        service["entrypoint"] = ["sh", "-c"]
        service["command"] = [script]
    else:
        service["command"] = [flag]
    lines += write_block({".homeport-dind": {"services": [service]}})
    if trusted and wanted.ca is not None:
        lines += ["  variables:", "    HOMEPORT_CA: |"]
        lines += [f"      {line}" for line in wanted.ca.splitlines()]
    text = "".join(f"{line}\n" for line in lines)
    return (Made("dind.gitlab-ci.yml", text, "into .gitlab-ci.yml, or include it"),)
