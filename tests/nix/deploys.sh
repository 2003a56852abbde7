# Sourced by check.sh: flakes that take snowbird as an input deploy the image of
# tests/fixtures/image, and the machines are looked at.

"$SNOWBIRD_BINARY" sandbox --json > "$work/sandbox.json" 2> "$work/sandbox.log" &
server=$!
url=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/sandbox.json")
  [ -z "$url" ] || break
  sleep 0.25
done
[ -n "$url" ] || fail "the sandbox did not start: $(cat "$work/sandbox.log")"

cp -R "$root/tests/fixtures/image" "$work/image"
real="--impure $parts --override-input image path:$work/image"

# machines APP IMAGE: where its machines are and how they fare, and whether they run the image,
# which apps share by its digest.
machines() {
  "$SNOWBIRD_BINARY" status --app "$1" --json --sandbox="$url" 2> "$work/status.log" |
    python3 -c 'import json, sys
digest = sys.argv[1].partition("@")[2]
for machine in json.load(sys.stdin)["machines"]:
    runs = machine["image"].partition("@")[2]
    print(machine["region"], machine["state"], "with the image" if runs == digest else "with " + runs)' "$2"
}

# expect_deploy NAME APP MACHINES FLAKE: runs an app of a flake.
expect_deploy() {
  # shellcheck disable=SC2086  # the options are words
  image=$(cd "$work/image" && call run $real "path:$4" -- --sandbox="$url" --smoke-checks=false)
  expect "$1" "$3" "$(machines "$2" "$image")"
}
two='fra started with the image
fra started with the image'

expect_deploy 'mkDeploy deploys an image' site "$two" "$here/site#deploy"
# shellcheck disable=SC2086
expect 'having built its stream, and no archive' 'stream-greeter' \
  "$(nix path-info --recursive "$(call eval $real --raw "path:$here/site#apps.x86_64-linux.deploy.program" | cut -d/ -f1-4)" |
    sed -n 's|.*/[0-9a-z]*-\(stream-greeter\)$|\1|p; s|.*/[0-9a-z]*-\(greeter.tar.gz\)$|\1|p')"
expect_deploy 'mkDeploy deploys an output by its name' named "$two" "$here/site#deploy-by-name"
expect_deploy 'mkDeploy deploys one image to several apps' castor "$two" "$here/site#deploy-twins"
expect 'and to the other' "$two" "$(machines pollux "$image")"
expect_deploy 'mkDeploys deploys what environments have in common' staging 'fra started with the image' \
  "$here/site#deploy-staging"
expect_deploy 'mkDeploys deploys what an environment says otherwise' production "$two" \
  "$here/site#deploy-production"
expect_deploy 'the module for flake-parts deploys an image' parts 'ams started with the image
ams started with the image' "$here/site-parts#deploy"

# The package of a cargo-built program: what it says about itself.

# shellcheck disable=SC2086
package=$(call build $real --no-link --json "path:$work/snowbird" | sed 's/.*"out":"\([^"]*\)".*/\1/')
expect 'the completions and the manual are snowbird'"'"'s own' '3 1' \
  "$(grep -l snowbird "$package"/completions/* | wc -l) $(grep -c '^\.TH snowbird 1' "$package/man/snowbird.1")"

# As in an effect: nothing on PATH but what the fixture's own script names, no daemon, no
# home, and the token in a file.

mkdir "$work/programs"
ln -s /bin/sh "$(PATH=/usr/local/bin:/usr/bin:/bin command -v python3)" "$work/programs/"
printf sandbox > "$work/token" && chmod 600 "$work/token"
# shellcheck disable=SC2086
program=$(call eval $real --raw "path:$here/site#apps.x86_64-linux.deploy-staging.program")
image=$(env -i PATH="$work/programs" SNOWBIRD_TOKEN_FILE="$work/token" FLY_FLAPS_BASE_URL="$url" \
  FLY_API_BASE_URL="$url" FLY_UIEX_BASE_URL="$url" FLY_REGISTRY_HOST="${url#http://}" \
  NIX_REMOTE="unix://$work/no-daemon" /bin/sh "$program" --rebuild --smoke-checks=false 2> "$work/stderr")
expect 'the app of an image deploys without Nix' 'fra started with the image' "$(machines staging "$image")"
