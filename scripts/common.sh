# shellcheck shell=bash
# Sourced by the scripts beside it. Goes to the top of the repository and gives
# them: say, die, logged, $arch, what is in patches/ and linux/, and the pinned
# releases of base.mk.
#
# Environment:
#   ARCH  x86_64 or arm64 (this machine's)
#   BASE  see scripts/fetch; with 7.3 all is about patches/7.3, and linux/ and build/
#         are those in 7.3/
#   V=1   shows all output as well as keeping it in build/log/

set -euo pipefail

# one collation and one language, wherever this runs; git as if called by nobody
export LC_ALL=C.UTF-8
unset "${!GIT_@}"

# seen from where the user is
[[ -z ${LINUX:-} ]] || LINUX=$(realpath -m -- "$LINUX")

# make run V=1 is not to reach the makefiles of the kernel
unset MAKEFLAGS MFLAGS MAKELEVEL

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=base.mk
. ./base.mk

# The series of a base are in $patch_dir. Another base than the default one has linux/ and
# build/ in a directory of its own, where the rest is a link.
[[ ${BASE:-} != "${BASE_MAINLINE%.*}" ]] || export BASE=$BASE_MAINLINE
series_base=${BASE:-$BASE_DEFAULT}
series_base=${series_base%.*}
patch_dir=patches/$series_base
if [[ $series_base != "${BASE_DEFAULT%.*}" && -d $patch_dir && ! -L scripts ]]; then
	mkdir -p dl "$series_base"
	find . -mindepth 1 -maxdepth 1 ! -name .git ! -name build ! -name '[0-9]*' \
		! -name 'linux*' -printf '../%f\0' | xargs -0 ln -sfnt "$series_base"
	cd "$series_base"
fi

say() {
	echo "${0##*/}: $*" >&2
}

# die MESSAGE: exits with 1, or with $code
die() {
	say "$*"
	exit "${code:-1}"
}

machine=$(uname -m)
machine=${machine/aarch64/arm64}
arch=${ARCH:-$machine}
[[ $arch =~ ^(x86_64|arm64)$ ]] || die "ARCH=$arch is neither x86_64 nor arm64"
unset ARCH

# the release that linux/ is made from
tree_version() {
	kernel_version <linux/Makefile
}

# logged NAME COMMAND...: keep the output in a log, show its end on a failure
logged() {
	local log=build/log/$1

	shift
	mkdir -p build/log
	if [[ ${V:-} == 1 ]]; then
		"$@" 2>&1 | tee "$log" >&2
	else
		"$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; false; }
	fi || die "failed: $* (all of it is in $log)"
}

# some LINES: the first few in one line
some() {
	sed '4s/.*/.../; 4q' <<<"$1" | paste -sd ' '
}

# no_arguments "$@": for the scripts that take none
no_arguments() {
	[[ $# == 0 ]] || die "unknown argument $1: this takes none, see the head of scripts/${0##*/}"
}

# kernel_version <MAKEFILE
kernel_version() {
	sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' | paste -sd .
}

# the series directories in the order in which they are applied
series_folders() {
	find -L "$patch_dir" -mindepth 1 -maxdepth 1 -name '[0-9]*' -type d -printf '%f\n' | sort -V
}

# patches_of SERIES [DIRECTORY]: its mails that are patches, in $patch_dir or a copy of it
patches_of() {
	find -L "${2:-$patch_dir}/$1" -maxdepth 1 -name '[0-9]*.patch' ! -name '0000-*' | sort
}

# the patches of all series, in order
all_patches() {
	local series

	for series in $(series_folders); do
		patches_of "$series"
	done
}

# patches_digest DIRECTORY: what tells whether $patch_dir, or a copy of it, is the same
patches_digest() {
	local series

	for series in $(series_folders); do
		(cd "$1" && patches_of "$series" . | xargs -rd '\n' sha256sum)
	done | sha256sum
}

# runner ARGUMENT...: vmtest.sh of linux/, or of the source $tests_of
runner() {
	if [[ ! ${CROSS_COMPILE:-} && $arch != "$machine" ]]; then
		local -x CROSS_COMPILE=${arch/arm64/aarch64}-linux-gnu-
	fi
	"${tests_of:-linux}/tools/testing/selftests/liveupdate/vmtest.sh" -t "$arch" "$@"
}

# git in linux/, or in $tree, as if nobody had configured it
tree_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "${tree:-linux}" "$@"
}

# What git does not track in linux/, or in $tree, with size and time: it is nearly
# all of the base, and nobody would see otherwise that something changes there.
untracked() {
	(cd "${tree:-linux}" && find . -path ./.git -prune -o -name 'vmtest-*' -type d -prune -o \
		! -type d -printf '%P\t%s\t%T@\n') |
		awk -F '\t' 'FILENAME == ARGV[1] { tracked[$0]; next } !($1 in tracked)' <(tree_git ls-files) - |
		sort
}

# what has changed in linux/ and is not committed, build products left out
uncommitted() {
	local paths

	tree_git status --porcelain -uno | cut -c 4-
	paths=$(comm -3 linux/.git/files <(untracked) | sed 's/^\t//' | cut -f 1 | sort -u)
	[[ -z $paths ]] || comm -23 <(echo "$paths") <({
		tree_git ls-files
		tree_git check-ignore --no-index --stdin <<<"$paths" || true
	} | sort -u)
}

# base_files: those of the files on standard input that the base has, though not in git
base_files() {
	sort -u | comm -12 - <(cut -f 1 linux/.git/files | sort) |
		comm -23 - <(tree_git ls-tree -r --name-only base | sort)
}

# alone: wait until make tree or make export is done elsewhere
alone() {
	exec 9<base.mk
	flock -n 9 && return
	say "make tree or make export is running already: waiting for it"
	flock 9
}

# made_by_tree: stop unless make tree has made linux/
made_by_tree() {
	[[ -f linux/.git/files ]] ||
		die "linux/ is not what make tree makes: move it away (mv linux linux.old) and run make tree"
}

# refuse_changes: stop, with status 2, unless all that is in linux/ is committed
refuse_changes() {
	local changes alien code=2

	[[ ! -e linux/.git/rebase-merge && ! -e linux/.git/rebase-apply ]] ||
		die "linux/ is in the middle of a rebase or am: finish it there (git status), or --abort it"
	changes=$(uncommitted)
	[[ -n $changes ]] || return 0
	alien=$(base_files <<<"$changes")
	[[ -z $alien ]] ||
		die "linux/ has changes in files that git does not track there yet: make tree TRACK=\"$(some "$alien")\", then commit them in linux/"
	die "linux/ has uncommitted changes: commit them there (docs/hacking.md), or move them away: $(some "$changes")"
}

# seed_build FROM TO FROM_SOURCE TO_SOURCE: start a build directory as a copy of another
# one, so that only what differs is built. kbuild compares times and command lines: this
# replaces the paths in the commands, and the caller makes files that differ newer, or
# removes what is made of them.
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

# build_with "CONFIG..." FROM TO SOURCE: TO starts as a copy of FROM, which is of the same
# SOURCE, with configs/CONFIG.config on top
build_with() {
	local config options=()

	for config in $1; do
		options+=(-c "configs/$config.config")
	done
	seed_build "$2" "$3" "$4" "$4"
	runner -B -d "$3" -s "$4" "${options[@]}"
}

# debian SUITE PACKAGES TARGET OPTION...: make a root of Debian with these packages and that
# of luvm, from the mirror that apt is set up with, which may be older than it says
debian() {
	local mirror folder options=()

	mirror=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 'Component: main' |
		head -n 1)
	curl -sfI -o /dev/null "${mirror%/}/dists/$1/InRelease" ||
		die "no Debian $1 can be had from the mirror that apt is set up with: see SUITE, and the network"
	for folder in man doc locale; do
		options+=("--dpkgopt=path-exclude=/usr/share/$folder/*")
	done
	# shellcheck disable=SC2016 # for mmdebstrap
	logged debian.log mmdebstrap --variant=essential --include="$2,libjansson4" "${options[@]}" \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--customize-hook='copy-in '"$(echo build/deb/luvm_*.deb)"' /' \
		--customize-hook='chroot "$1" sh -c "dpkg -i /luvm_*.deb && rm /luvm_*.deb"' \
		"${@:4}" "$1" "$3" "${mirror%/}"
}
