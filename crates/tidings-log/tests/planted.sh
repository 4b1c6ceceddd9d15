#!/usr/bin/env bash
# The crash campaign must find each of five bugs that are planted in the log itself, and none where none is planted: else it says
# nothing about the log. Prints the seed that found each. Called by ./test crash.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$tests/../../.."

# Each is found by one of the first few hundred seeds; one that takes more has become hard to find, and that is a finding too.
seeds=${TIDINGS_CRASH_SEEDS:-3000}
bugs=(ack_before_sync cut_in_the_middle stale_record lost_rename retried_sync)

# One build for all of them. Cargo keeps what a wrapper has compiled apart from all else, so that no other build ever holds a planted
# bug; and it wraps our own crates only: their dependencies are those of every other test.
export RUSTC_WORKSPACE_WRAPPER="$tests/planted-rustc.sh"
campaign() { cargo test --locked --quiet --workspace --test crash -- --nocapture; }

cargo test --locked --quiet --workspace --test crash --no-run
missed=0
for bug in "${bugs[@]}"; do
  # What the failing seed says on its way is not news here.
  TIDINGS_PLANTED=$bug TIDINGS_CRASH_SEEDS=$seeds campaign 2>/dev/null | grep "the planted bug $bug was found" || {
    echo "the planted bug $bug was NOT found in $seeds seeds"
    missed=$((missed + 1))
  }
done
TIDINGS_CRASH_SEEDS=500 campaign | grep '^crash campaign:' || {
  echo "a bug was found where none is planted"
  missed=$((missed + 1))
}
echo "planted: $((${#bugs[@]} + 1 - missed)) passed, $missed failed"
((missed == 0))
