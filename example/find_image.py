"""Print a small image that an engine here holds and can run, or nothing."""

import os

from homeport.engine.api import ContainerSpec, Engine, EngineError
from homeport.engine.detect import Unavailable, detect

IMAGES = (
    "busybox:latest",
    "busybox:stable",
    "alpine:latest",
    "alpine:3",
    "debian:latest",
    "debian:stable-slim",
    "debian:12",
)


def runs(engine: Engine, image: str) -> bool:
    """Whether a container of the image starts and ends well."""
    name = f"homeport-demo-{os.getpid()}"
    container = engine.create(
        ContainerSpec(image=image, name=name, entrypoint=(), command=("sh", "-c", "exit 0"))
    )
    try:
        engine.start(container)
        return engine.wait(container) == 0
    finally:
        engine.remove(container)


def find_image() -> str:
    engine = detect(os.environ)
    if isinstance(engine, Unavailable):
        return ""
    try:
        for image in IMAGES:
            if engine.image(image) and runs(engine, image):
                return image
    except EngineError:
        return ""
    finally:
        engine.close()
    return ""


if __name__ == "__main__":
    print(find_image())
