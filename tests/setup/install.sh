#!/bin/sh
# Install what the tests need and the machine lacks, with apt: as root, or through `sudo -n`.
# Says nothing when all is there. Else exit 3 with one line: the command to run by hand.
set -eu

missing=
while read -r program package; do
	command -v "$program" >/dev/null 2>&1 || PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null 2>&1 ||
		missing="$missing $package"
done <<'PROGRAMS'
dockerd docker.io
chromium chromium
podman podman
debootstrap debootstrap
git git
skopeo skopeo
slapd slapd
ldapsearch ldap-utils
docker-registry docker-registry
buildah buildah
ctr containerd
docker-compose docker-compose
iptables iptables
ip iproute2
sshd openssh-server
sudo sudo
openssl openssl
PROGRAMS

# Debian's busybox and busybox-static hold the same file, one of them without the libraries that
# the test images lack.
if ! command -v busybox >/dev/null 2>&1 || ldd "$(command -v busybox)" >/dev/null 2>&1; then
	missing="$missing busybox-static"
fi
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	as_root='sudo -n'
	sudo -n true >/dev/null 2>&1 || as_root=unavailable
fi

install_missing() {
	$as_root apt-get -qq update &&
		$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq -y --no-install-recommends install $missing
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ "$as_root" != unavailable ] && command -v apt-get >/dev/null 2>&1 && install_missing >"$log" 2>&1; then
	exit 0
fi
echo "the tests need:$missing; run: sudo apt-get install --no-install-recommends -y$missing" >&2
exit 3
