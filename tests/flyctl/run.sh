#!/bin/sh
# The real flyctl against the sandbox: run.sh FLYCTL SNOWBIRD
#
# First flyctl alone: a first deploy, then every strategy, and release commands that succeed
# and fail. Then flyctl and snowbird side by side: each case of tests/fixtures/fly-toml is
# deployed by both, each to a sandbox of its own, and the machines that come of it are
# compared.
set -eu
[ $# = 2 ] || { echo "usage: run.sh FLYCTL SNOWBIRD" >&2; exit 2; }
for binary in "$1" "$2"; do
    [ -x "$binary" ] || { echo "run.sh: $binary is no program" >&2; exit 2; }
done
flyctl=$(realpath "$1") snowbird=$(realpath "$2")
cd "$(dirname "$0")/../.."
command -v python3 >/dev/null 2>&1 || { echo "run.sh: python3 is missing" >&2; exit 2; }

export PYTHONDONTWRITEBYTECODE=1
status=0
python3 tests/flyctl/scenarios.py "flyctl:$flyctl" "$snowbird" || status=1
python3 tests/flyctl/differential.py "flyctl:$flyctl" "snowbird:$snowbird" "$snowbird" \
    tests/fixtures/fly-toml || status=1
exit $status
