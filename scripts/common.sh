# shellcheck shell=bash
# Sourced by the scripts beside it. Goes to the top of the repository and gives
# them: say, die, logged, $arch, what is in patches/, git in linux/, and the pinned
# releases of base.mk.
#
# Environment:
#   ARCH  x86_64 or arm64 (this machine's)
#   V=1   shows all output instead of keeping it in build/log/

set -euo pipefail

# one collation and one language, wherever this runs
export LC_ALL=C.UTF-8

# make run V=1 is not to reach the makefiles of the kernel
unset MAKEFLAGS MFLAGS MAKELEVEL

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=base.mk
. ./base.mk

say() {
	echo "${0##*/}: $*" >&2
}

die() {
	say "$*"
	exit 1
}

arch=${ARCH:-$(uname -m)}
arch=${arch/aarch64/arm64}
[[ $arch =~ ^(x86_64|arm64)$ ]] || die "ARCH=$arch is neither x86_64 nor arm64"
unset ARCH

# the release that linux/ is made from
tree_version() {
	make -s -C linux kernelversion
}

# logged NAME COMMAND...: keep the output in a log, show its end on a failure
logged() {
	local log=build/log/$1

	shift
	mkdir -p build/log
	if [[ ${V:-} == 1 ]]; then
		"$@" >&2
	elif ! "$@" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		die "failed: $* (all of it is in $log)"
	fi
}

# no_arguments "$@": for the scripts that take none
no_arguments() {
	[[ $# == 0 ]] || die "unknown argument $1: this takes none, see the head of scripts/${0##*/}"
}

# the series folders in the order in which they are applied
series_folders() {
	local folder

	for folder in patches/[0-9]*/; do
		[[ -d $folder ]] && basename "$folder"
	done
}

# the mails of a folder that are patches
patches_of() {
	find "patches/$1" -name '[0-9]*.patch' ! -name '0000-*' | sort
}

# what tells whether patches/ is as it was left by make tree or make export
patches_digest() {
	local folder

	for folder in $(series_folders); do
		patches_of "$folder" | xargs -r sha256sum
	done | sha256sum
}

# git in linux/ as if nobody had configured it
tree_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "${tree:-linux}" "$@"
}

# format_series FOLDER: write the mails of all series in linux/ below FOLDER
format_series() {
	local series before=base

	for series in $(series_folders); do
		tree_git rev-parse -q --verify "refs/heads/$series" >/dev/null ||
			die "linux/ has no branch $series for patches/$series: git -C linux branch $series COMMIT"
		tree_git merge-base --is-ancestor "$before" "$series" ||
			die "branch $series of linux/ does not contain $before: move it with git -C linux branch -f $series COMMIT"
		mkdir -p "$1/$series"
		tree_git -c diff.algorithm=myers format-patch -q --zero-commit \
			--no-signature --full-index --no-ext-diff --numbered \
			-o "$(realpath "$1/$series")" "$before..$series"
		before=$series
	done
	[[ $(tree_git rev-parse "$before") == $(tree_git rev-parse HEAD) ]] ||
		die "linux/ has commits that are in no series: git -C linux branch -f ${before/base/1-seals} HEAD"
}

# What somebody has changed in linux/ and not committed, the files included that
# git does not track there. Build products of a run in the tree do not count.
uncommitted() {
	tree_git status --porcelain -uno
	(cd linux && find . -path ./.git -prune -o -name 'vmtest-*' -type d -prune -o \
		-type f -newer .git/made -print) | sed 's,^\./,,' | sort |
		comm -23 - <(tree_git ls-files | sort) |
		{ grep -vE '\.(o|d|cmd|pyc)$' || true; }
}

# seed_build FROM TO FROM_SOURCE TO_SOURCE: start a build folder as a copy of
# another one, so that only what differs is built. kbuild decides by time and by
# command line: this replaces the paths in the commands, and the caller sees to it
# that files which differ are newer.
seed_build() {
	[[ ! -d $2 && -f $1/fragment ]] || return 0
	say "starting $2 as a copy of $1"
	rm -rf "$2.tmp"
	cp -a --reflink=auto "$1" "$2.tmp"
	rm -rf "$2.tmp/vmtest"
	find "$2.tmp" -name '*.cmd' -print0 | xargs -0 sed -i \
		"s,$PWD/$3\>,$PWD/$4,g; s,$PWD/$1\>,$PWD/$2,g"
	mv "$2.tmp" "$2"
}
