#!/usr/bin/env bash
# drift.sh - what the selftests of mainline have that those of v6.19 do not, or not so
#
# usage: BASE=7.3 tests/drift.sh >tests/mainline.diff
#
# Compares what the patches for v6.19 add with linux/ of mainline, as far as both have
# it. Most of it is meant to be the same: who changes one side finds it here.

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"
no_arguments "$@"

[[ $mainline ]] || die "this is about mainline: BASE=7.3"
folder=tools/testing/selftests/liveupdate
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git init -q "$work"
find -H patches -path '*/[0-9]*/0*.patch' ! -name '0000-*' | sort -V | xargs realpath |
	xargs git -C "$work" apply --include="$folder/luo_memfd_*" --include="$folder/memfd_state.*" \
		--include="$folder/vmtest*" --include="$folder/config.vmtest"
for file in "$work/$folder"/*; do
	name=${file##*/}
	other=linux/$folder/${name/vmtest_init/init}
	[[ ! -f $other ]] || diff -u --label "v6.19/$name" --label "mainline/${other##*/}" "$file" "$other" || true
done
