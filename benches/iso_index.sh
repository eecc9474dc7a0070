#!/bin/bash
# Time and memory to index images of 100,000 and of 1,000,000 entries, beside `isoinfo -l` on the same images (a
# whole process with its output), and the time to find an entry. Usage: benches/iso_index.sh [ROUNDS]. Needs
# xorriso and genisoimage.
set -euo pipefail
rounds=${1:-7}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --release -p iso-reader --example index_cost --example many_entries
programs=${CARGO_TARGET_DIR:-target}/release/examples

# Milliseconds that a command takes, process start and exit included.
time_of() {
    local start=$EPOCHREALTIME
    "$@" >"$work/output"
    local end=$EPOCHREALTIME
    awk -v start="$start" -v end="$end" 'BEGIN { printf "%.1f\n", (end - start) * 1000 }'
}
median() {
    sort -n "$1" | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'
}

# Both programs on one image, in turns.
measure() {
    local image=$1 round index entries per_entry after lookup isoinfo
    rm -f "$work"/times-*
    for round in $(seq 0 "$rounds"); do
        "$programs/index_cost" "$image" >"$work/output"
        read -r index entries per_entry _ after lookup <"$work/output"
        isoinfo=$(time_of isoinfo -l -i "$image")
        # The first round only warms the page cache.
        [ "$round" -gt 0 ] || continue
        echo "  round $round: index $index ms, look-up $lookup ns; isoinfo -l $isoinfo ms"
        echo "$index" >>"$work/times-index"
        echo "$lookup" >>"$work/times-lookup"
        echo "$isoinfo" >>"$work/times-isoinfo"
    done
    awk -v index_ms="$(median "$work/times-index")" -v lookup="$(median "$work/times-lookup")" \
        -v isoinfo="$(median "$work/times-isoinfo")" -v entries="$entries" -v per_entry="$per_entry" \
        -v peak="$after" 'BEGIN {
        printf "  medians: index %.1f ms, isoinfo -l %.1f ms (ratio %.2f), look-up of a path %d ns\n",
            index_ms, isoinfo, index_ms / isoinfo, lookup
        printf "  %d entries, %.1f bytes an entry, %.1f MB; peak of the process after indexing %.1f MB\n",
            entries, per_entry, entries * per_entry / 1e6, peak * 1024 / 1e6
    }'
}

echo "1,000 directories of 100 files, written by xorriso (goal: no slower than isoinfo -l)"
for directory in $(seq -f %04g 0 999); do
    mkdir "$work/source-$directory" && (cd "$work/source-$directory" &&
        touch $(seq -f "package-name-$directory-%02g.el9.x86_64.rpm" 0 99))
done
mkdir "$work/source" && mv "$work"/source-* "$work/source"
xorriso -as mkisofs -quiet -R -J -o "$work/image.iso" "$work/source" 2>"$work/log" || { cat "$work/log"; exit 1; }
rm -rf "$work/source"
measure "$work/image.iso"

echo "1,000 directories of 1,000 files (goal: 1,500 ms, 100 MB, 1,000 ns)"
"$programs/many_entries" "$work/image.iso" 1000
measure "$work/image.iso"
