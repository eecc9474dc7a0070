# shellcheck shell=bash
# What the files of the steps are written in. `check` reads them all for what they declare, and begins each as a process
# that calls its `run`, in the folder of the repository, with everything here at hand.

declare -A told=()
: "${step:=}"

# What the step tests, for --help.
describe() { told[$step description]=$1; }

# The seconds that it may take, so that nothing can hang.
limit() { told[$step limit]=$1; }

# Debian packages that it needs beyond Rust.
packages() { told[$step packages]+=" $*"; }

# It needs what another step has made, and waits for its end.
after() { told[$step after]=$1; }

# It leaves a core idle for long, so the steps after it run beside it.
beside_others() { told[$step beside]=yes; }

# Nothing runs beside it.
alone() { told[$step alone]=yes; }

# What a step has told, or nothing: `about STEP WORD`.
about() { echo "${told[$1 $2]-}"; }

# Cargo's arguments for all integration tests in a folder. Named like this, one call with one set of features covers all
# crates, and nothing is compiled twice.
test_names() {
    local file
    for file in "$1"/*.rs "$1"/*/main.rs; do
        [[ -e $file ]] || continue
        file=${file%/main.rs}
        printf '%s\n' --test "$(basename "$file" .rs)"
    done
}

# Passes cargo's output on and fails when a test was left out.
refuse_skipped() {
    awk '{ print } /^test .*\.\.\. ignored/ { skipped = 1 } END { if (skipped) print "a test is skipped"; exit skipped }'
}
