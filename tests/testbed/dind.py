"""An image like `docker:dind`, of this machine's own engine: made when a test asks for it.

Its entry point makes certificates below DOCKER_TLS_CERTDIR as that image's does, each time anew.
"""

from homeport.engine.docker import connect
from homeport.engine.http import Client
from testbed.images import TestImage, add_image

ENTRY = b"""#!/bin/sh
set -e
d=$DOCKER_TLS_CERTDIR
mkdir -p $d/ca $d/server $d/client
req() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "$@" 2>/dev/null; }
req -x509 -keyout $d/ca/key.pem -out $d/ca/cert.pem -subj "/CN=ca of $(hostname)"
for side in server client; do
  req -keyout $d/$side/key.pem -out /tmp/csr -subj "/CN=$side"
  echo "subjectAltName=DNS:docker,DNS:localhost,DNS:$(hostname)" >/tmp/extensions
  openssl x509 -req -in /tmp/csr -out $d/$side/cert.pem -CA $d/ca/cert.pem -CAkey $d/ca/key.pem \\
    -CAcreateserial -days 2 -extfile /tmp/extensions 2>/dev/null
  cp $d/ca/cert.pem $d/$side/ca.pem
done
exec dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2376 --tlsverify \\
  --tlscacert $d/server/ca.pem --tlscert $d/server/cert.pem --tlskey $d/server/key.pem \\
  --bridge=none --iptables=false --ip-forward=false "$@"
"""
CONFIGURATION = b"""[req]
distinguished_name = dn
x509_extensions = authority
[dn]
[authority]
basicConstraints = critical, CA:TRUE
"""
IMAGE = TestImage(
    names=("docker:dind",),
    programs=("dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker", "openssl"),
    files={"usr/local/bin/dockerd-entrypoint.sh": ENTRY, "usr/lib/ssl/openssl.cnf": CONFIGURATION},
    changes=(
        "VOLUME /var/lib/docker",
        "EXPOSE 2375 2376",
        "ENV DOCKER_TLS_CERTDIR=/certs",
        'ENTRYPOINT ["dockerd-entrypoint.sh"]',
        "CMD []",
    ),
)


def provide_dind(address: str) -> None:
    """Have it in an engine."""
    engine = connect(address)
    client = Client(engine._client.address)
    client.prefix = "/v1.41"
    try:
        add_image(engine, client, IMAGE)
    finally:
        client.close()
        engine.close()
