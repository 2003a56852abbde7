#!/bin/sh
# check.sh with other versions of Nix than the system's own: those of Debian's later suites.
#
#   tests/nix/versions.sh [SUITE]...
set -eu
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- trixie sid
for suite in "$@"; do
  sh tests/nix/check.sh "$(sh tests/unpack-nix.sh "$suite")/nix"
done
