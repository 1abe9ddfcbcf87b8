#!/usr/bin/env bash
# Lays out the image's root as deploy/Dockerfile says, without docker, and runs the program in it as the image's user
# against the emulated tenant:
#
#   deploy/check.sh STATIC_PROGRAM PROGRAM_WITH_LAB
#
# Wants root, for chroot; a machine's own CA bundle stands for the build stage's.
set -euo pipefail
program=$(realpath "$1") with_lab=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot) || { echo "deploy/check.sh: there is no chroot" >&2; exit 1; }
work=$(mktemp -d)
root=$work/root
mkdir "$root"
lab=
trap '[ -z "$lab" ] || kill "$lab" 2>/dev/null; rm -rf "$work"' EXIT

fail() {
  printf 'deploy/check.sh: %s\n' "$1" >&2
  exit 1
}

# Where the build stage has it: here.
source_of() {
  case $1 in
    /riposte) printf '%s' "$program" ;;
    /src/*) printf '%s' "${1#/src/}" ;;
    /skeleton/) mkdir -p "$work/skeleton/data" "$work/skeleton/tmp" && printf '%s' "$work/skeleton/" ;;
    *) printf '%s' "$1" ;;
  esac
}

# The final stage's lines, as docker reads them.
stage=$(sed -n '/^FROM scratch/,$p' deploy/Dockerfile | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}')
[ -n "$stage" ] || fail "deploy/Dockerfile does not end in an empty image"
environment=(PATH=/) user=0:0 dir=/
while read -r word rest; do
  case $word in
    COPY)
      read -ra words <<<"$rest"
      from=$(source_of "${words[-2]}") to=$root${words[-1]}
      [ -e "$from" ] || fail "COPY ${words[-2]}: there is no $from"
      mkdir -p "$(dirname "$to")"
      if [ -d "$from" ]; then mkdir -p "$to" && cp -r "$from/." "$to"; else cp "$from" "$to"; fi
      for option in "${words[@]}"; do
        case $option in --chown=*) chown -R "${option#--chown=}" "$root/data" "$root/tmp" ;; esac
      done
      ;;
    ENV) read -ra words <<<"$rest" && environment+=("${words[@]}") ;;
    USER) user=$rest ;;
    WORKDIR) dir=$rest ;;
  esac
done <<<"$stage"
[ "${user%%:*}" -ne 0 ] || fail "the image must not run as root"

# What every container has beside its image.
mkdir "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 444 "$root/dev/random" c 1 8
mknod -m 444 "$root/dev/urandom" c 1 9

inside() {
  env -i "${environment[@]}" RIPOSTE__HTTP__LISTEN=127.0.0.1:0 OKTA_TOKEN=none \
    "$chroot" --userspec="$user" "$root" /riposte "$@"
}

# The example settings with the shipped playbooks, as they stand in the image.
cp deploy/riposte.toml "$root$dir/riposte.toml"
inside check --config "$dir/riposte.toml"

mkdir "$root/lab"
"$with_lab" lab --unlimited --scenario backlog:3 --config-out "$root/lab/riposte.toml" >"$work/lab.log" 2>&1 &
lab=$!
for _ in $(seq 300); do
  grep -q '^https://' "$work/lab.log" && break
  kill -0 "$lab" 2>/dev/null || fail "the emulated tenant ended: $(cat "$work/lab.log")"
  sleep 0.1
done
# The settings name the tenant's authority by its place outside.
sed -i 's|^ca_file = .*|ca_file = "/lab/lab-ca.pem"|' "$root/lab/riposte.toml"
chmod -R a+rX "$root/lab"
code=0
said=$(inside run --once --settle 1s --config /lab/riposte.toml 2>"$work/run.log") || code=$?
printf '%s\n' "$said"
# 1: some of it is looked at again later.
[ "$code" -le 1 ] || fail "run --once ended with $code: $(cat "$work/run.log")"
grep -q ' effective' <<<"$said" || fail "nothing was done in the image's root: $(cat "$work/run.log")"
[ "$(stat -c %u "$root/data/riposte.db")" = "${user%%:*}" ] || fail "the journal is not the image's user's"
printf 'the image works in an empty root as user %s\n' "$user"
