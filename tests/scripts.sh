#!/usr/bin/env bash
# scripts.sh - tests of the scripts themselves, above all of their errors
#
# usage: tests/scripts.sh
#
# Works in a copy of the scripts with a kernel of a few lines, two patches, and
# stand-ins for curl, apt-get and dpkg-query, and with the runner of linux/, which
# make tree has to have made before. Prints TAP.

# shellcheck disable=SC2317,SC2016 # the tests are called by name, the stand-ins expand

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home XDG_CACHE_HOME=$work/cache LC_ALL=C.UTF-8
export GIT_CONFIG_NOSYSTEM=1
unset LINUX BASE V ARCH
mkdir -p "$HOME"
git config --global user.name tester
git config --global user.email tester@localhost
real_path=$PATH
runner=$top/linux/tools/testing/selftests/liveupdate/vmtest.sh

# a stand-in: stub NAME SCRIPT
stub() {
	mkdir -p "$work/bin"
	printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
	PATH=$work/bin:$real_path
}

fake_kernel() {
	local version=$1 source=$work/source/linux-$1

	mkdir -p "$source/mm"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nkernelversion:\n\t@echo %s\n' \
		"${version%%.*}" "$(cut -d. -f2 <<<"$version")" "${version##*.}" "$version" >"$source/Makefile"
	seq 20 >"$source/mm/touched.c"
	echo untouched >"$source/mm/other.c"
	touch -d 2026-01-01 "$source"/Makefile "$source"/mm/*.c
	tar -cJf "$work/linux_$version.orig.tar.xz" -C "$work/source" "linux-$version"
}

# the two patches of the fake series
fake_patches() {
	local repo=$work/make

	git init -q "$repo"
	cp -r "$work/source/linux-6.19.11/." "$repo/"
	git -C "$repo" add -A
	git -C "$repo" commit -qm base
	sed -i 's/^5$/five/' "$repo/mm/touched.c"
	git -C "$repo" commit -qam "mm: five" -m "Because."
	echo new >"$repo/mm/new.c"
	git -C "$repo" add -A
	git -C "$repo" commit -qm "mm: new" -m "Because."
	git -C "$repo" format-patch -q --zero-commit --no-signature --full-index --numbered \
		-o "$work/patches" HEAD~2
}

# a fresh repository with a tarball in dl/ in $work/repo, and stay in it
fresh() {
	local version

	cd "$work"
	rm -rf repo cache bin
	PATH=$real_path
	mkdir -p repo/patches/1-first repo/dl
	cp -r "$top/scripts" "$top/Makefile" "$top/.gitignore" repo/
	cp patches/*.patch repo/patches/1-first/
	echo cover >repo/patches/1-first/0000-cover-letter.patch
	{
		echo BASE_DEFAULT=6.19.11
		echo BASE_FALLBACK=6.19.10
		for version in 6.19.11 6.19.10; do
			echo "FILE_${version//./_}=linux_$version.orig.tar.xz"
			echo "SHA256_${version//./_}=$(sha256sum linux_$version.orig.tar.xz | cut -d ' ' -f 1)"
		done
	} >repo/base.mk
	cp linux_6.19.11.orig.tar.xz repo/dl/
	stub dpkg-query 'echo installed'
	stub apt-get 'echo http://mirror.invalid/debian/'
	git init -q repo
	cd repo
	git add -A
	git commit -qm all
}

# fails COMMAND...: it must fail; its output is then in $out
fails() {
	if out=$("$@" 2>&1 </dev/null); then
		echo "should have failed: $* said: $out"
		return 1
	fi
}

# says TEXT: the last output of fails
says() {
	[[ $out == *"$1"* ]] || { echo "should say '$1', says: $out"; return 1; }
}

commit() {
	git -C linux commit -qam "$1" -m "Because."
}

tree_has_a_commit_for_each_patch() {
	scripts/tree
	[[ $(git -C linux log --format=%s base..1-first | paste -sd ,) == "mm: new,mm: five" ]]
	[[ $(cat linux/mm/new.c) == new && -f linux/mm/other.c ]]
}

tree_again_changes_nothing() {
	local before

	scripts/tree
	before=$(git -C linux rev-parse HEAD; stat -c %Y linux/mm/*)
	scripts/tree
	[[ $(git -C linux rev-parse HEAD; stat -c %Y linux/mm/*) == "$before" ]]
}

tree_gives_the_same_commits_everywhere() {
	local before

	scripts/tree
	before=$(git -C linux rev-parse HEAD)
	rm -rf linux
	git config --global user.name "somebody else"
	scripts/tree
	git config --global user.name tester
	[[ $(git -C linux rev-parse HEAD) == "$before" ]]
}

export_of_an_unchanged_tree_changes_nothing() {
	scripts/tree
	out=$(scripts/export 2>&1)
	says "nothing has changed"
	[[ -z $(git status --porcelain) ]]
}

commit_becomes_a_patch_and_a_commit_again() {
	local before

	scripts/tree
	sed -i 's/^7$/seven/' linux/mm/touched.c
	commit "mm: seven"
	scripts/export
	[[ $(cat patches/1-first/0000-cover-letter.patch) == cover ]]
	grep -q '^Subject: \[PATCH 3/3\] mm: seven' patches/1-first/0003-mm-seven.patch
	before=$(git -C linux rev-parse 'HEAD^{tree}')
	git add -A
	git commit -qm more
	rm -rf linux
	scripts/tree
	[[ $(git -C linux rev-parse 'HEAD^{tree}') == "$before" ]]
	scripts/export
	[[ -z $(git status --porcelain) ]]
}

dropped_commit_drops_its_patch() {
	scripts/tree
	git -C linux reset -q --hard HEAD^
	scripts/export
	[[ $(ls patches/1-first) == $'0000-cover-letter.patch\n0001-mm-five.patch' ]]
}

tree_follows_patches_and_keeps_other_files_untouched() {
	local before

	scripts/tree
	before=$(stat -c %Y linux/mm/other.c linux/mm/touched.c)
	rm patches/1-first/0002-*
	sleep 1
	scripts/tree
	[[ $(stat -c %Y linux/mm/other.c linux/mm/touched.c) == "$before" ]]
	[[ ! -e linux/mm/new.c ]]
}

edited_file_is_refused_and_kept() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	fails scripts/tree
	says "uncommitted changes"
	fails scripts/export
	says "uncommitted changes"
	grep -q mine linux/mm/touched.c
}

new_file_is_refused_and_kept() {
	scripts/tree
	sleep 1
	echo mine >linux/mm/mine.c
	fails scripts/tree
	says "mm/mine.c"
	fails scripts/export
	[[ -f linux/mm/mine.c ]]
}

edited_file_that_no_patch_touches_is_refused_and_kept() {
	scripts/tree
	sleep 1
	echo mine >>linux/mm/other.c
	fails scripts/tree
	says "mm/other.c"
	fails scripts/export
	grep -q mine linux/mm/other.c
}

commit_is_kept_when_patches_have_changed() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	commit "mm: mine"
	rm patches/1-first/0002-*
	fails scripts/tree
	says "commits that are not in patches/"
	grep -q mine linux/mm/touched.c
}

hand_edited_patch_is_not_overwritten() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	commit "mm: mine"
	sed -i 's/Because/By hand/' patches/1-first/0001-*
	fails scripts/export
	says "patches/ was changed"
	grep -q 'By hand' patches/1-first/0001-*
}

fixup_commit_is_not_exported() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	commit "fixup! mm: five"
	fails scripts/export
	says "autosquash"
	[[ -z $(git status --porcelain) ]]
}

patch_that_does_not_apply_is_named_and_tree_stays() {
	local before

	scripts/tree
	before=$(git -C linux rev-parse HEAD)
	sed -i 's/^-5$/-6/' patches/1-first/0001-*
	fails scripts/tree
	says "0001-mm-five.patch does not apply"
	[[ $(git -C linux rev-parse HEAD) == "$before" && -z $(git -C linux status --porcelain) ]]
	git checkout -q patches
	scripts/tree
}

interrupted_tree_is_made_the_next_time() {
	stub tar "kill -INT \$PPID; sleep 1"
	fails scripts/tree
	[[ ! -e linux && ! -e linux.tmp ]]
	rm "$work/bin/tar"
	scripts/tree
}

foreign_linux_folder_is_refused() {
	mkdir linux
	echo mine >linux/file
	fails scripts/tree
	says "not what make tree makes"
	[[ -f linux/file ]]
}

clean_keeps_the_work() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	mkdir build
	make -s clean
	[[ ! -e build ]]
	grep -q mine linux/mm/touched.c
}

wrong_tarball_is_thrown_away_and_replaced() {
	local right wrong

	echo wrong >dl/linux_6.19.11.orig.tar.xz
	wrong=$(sha256sum dl/linux_6.19.11.orig.tar.xz | cut -d ' ' -f 1)
	right=$(sha256sum "$work/linux_6.19.11.orig.tar.xz" | cut -d ' ' -f 1)
	stub curl "while [[ \$1 != -o ]]; do shift; done; cp $work/linux_6.19.11.orig.tar.xz \$2"
	out=$(scripts/fetch 2>&1)
	says "should be $right, is $wrong"
	cmp dl/linux_6.19.11.orig.tar.xz "$work/linux_6.19.11.orig.tar.xz"
	# and the next time it comes from the cache
	rm dl/*
	stub curl 'exit 6'
	[[ $(scripts/fetch) == "$XDG_CACHE_HOME"/*/linux_6.19.11.orig.tar.xz ]]
}

cut_download_is_refused_and_not_kept() {
	rm dl/*
	stub curl 'while [[ $1 != -o ]]; do shift; done; echo cut >$2'
	fails scripts/fetch
	says "should be $(sha256sum "$work/linux_6.19.11.orig.tar.xz" | cut -d ' ' -f 1), is $(sha256sum <<<cut | cut -d ' ' -f 1)"
	[[ -z $(find dl "$XDG_CACHE_HOME" -type f 2>/dev/null) ]]
}

no_network_is_said() {
	rm dl/*
	stub curl 'exit 6'
	fails scripts/fetch
	says "cannot reach the mirror"
}

full_disk_is_said_and_nothing_is_left() {
	rm dl/*
	stub curl 'while [[ $1 != -o ]]; do shift; done; echo part >$2; exit 23'
	fails scripts/fetch
	says "is the disk full?"
	[[ -z $(ls dl) ]]
}

lost_release_is_replaced_by_the_older_one_aloud() {
	rm dl/*
	stub curl "[[ \"\$*\" != *6.19.11* ]] || exit 22
		while [[ \$1 != -o ]]; do shift; done; cp $work/linux_6.19.10.orig.tar.xz \$2"
	out=$(scripts/fetch 2>&1)
	says "the mirror does not have Linux 6.19.11"
	says "going on with Linux 6.19.10 instead"
	scripts/tree
	[[ $(make -s -C linux kernelversion) == 6.19.10 ]]
}

unknown_base_is_refused() {
	fails env BASE=5.0 scripts/fetch
	says "BASE=5.0 is not in base.mk"
}

own_tarball_is_checked_and_never_deleted() {
	echo mine >"$work/mine.tar.xz"
	fails env LINUX="$work/mine.tar.xz" scripts/fetch
	says "is $(sha256sum "$work/mine.tar.xz" | cut -d ' ' -f 1)"
	[[ -f $work/mine.tar.xz ]]
	LINUX=$work/linux_6.19.10.orig.tar.xz scripts/tree
	[[ $(make -s -C linux kernelversion) == 6.19.10 ]]
}

own_source_is_taken_and_never_changed() {
	LINUX=$work/source/linux-6.19.11 scripts/tree
	[[ $(git -C linux log --format=%s base..1-first | wc -l) == 2 ]]
	[[ ! -e $work/source/linux-6.19.11/mm/new.c ]]
	rm -rf linux
	# HEAD~2 is the base
	git clone -q "$work/make" "$work/clone"
	git -C "$work/clone" checkout -q HEAD~2
	LINUX=$work/clone scripts/tree
	[[ $(git -C linux log --format=%s base..1-first | wc -l) == 2 ]]
	[[ -z $(git -C "$work/clone" status --porcelain) ]]
}

own_source_of_another_release_is_refused() {
	mkdir -p "$work/other"
	sed 's/SUBLEVEL = 11/SUBLEVEL = 3/' "$work/source/linux-6.19.11/Makefile" >"$work/other/Makefile"
	fails env LINUX="$work/other" scripts/tree
	says "is Linux 6.19.3"
	fails env LINUX="$work/nowhere" scripts/tree
	says "does not exist"
}

unknown_arguments_are_refused() {
	local script

	for script in tree export fetch run check; do
		fails "scripts/$script" --nonsense
		says "unknown argument --nonsense"
	done
	fails scripts/build nonsense
	says "unknown kernel nonsense"
	fails scripts/mutants nonsense
	says "there is no mutant nonsense"
	fails env PART=some scripts/mutants
	says "PART=some"
	fails scripts/variant some nonsense
	says "there is no patch nonsense"
	fails env ARCH=vax scripts/run
	says "ARCH=vax is neither"
}

without_root_the_one_command_is_printed() {
	stub dpkg-query 'exit 1'
	stub id 'echo 1000'
	fails scripts/install bc flex
	says "run: sudo apt-get install -y --no-install-recommends bc flex"
	[[ $(wc -l <<<"$out") == 1 ]]
}

as_root_missing_packages_are_installed_and_named() {
	stub dpkg-query 'exit 1'
	stub id 'echo 0'
	stub apt-get "echo \"\$@\" >>$work/apt; exit 0"
	out=$(scripts/install bc flex 2>&1)
	says "installing bc flex"
	grep -q '^install -y --no-install-recommends bc flex$' "$work/apt"
}

runner_skips_without_qemu_and_says_so() {
	local tool

	mkdir -p "$work/tools"
	for tool in bash env dirname uname nproc sed cat mkdir realpath gcc make flex bison bc; do
		ln -sf "$(command -v "$tool")" "$work/tools/$tool"
	done
	out=$(PATH=$work/tools "$runner" -a x86_64 2>&1) && return 1
	[[ $(PATH=$work/tools "$runner" -a x86_64 >/dev/null 2>&1; echo $?) == 4 ]]
	says "qemu-system-x86_64 is missing, install it (Debian: package qemu-system-x86)"
}

runner_refuses_what_it_does_not_know() {
	fails "$runner" --nonsense
	says "unknown option --nonsense"
	fails "$runner" -a vax
	says "vax is neither x86_64 nor arm64"
	fails "$runner" -t soon
	says "not soon"
	fails "$runner" -n -b "$work/nowhere"
	says "no kernel image"
	fails "$runner" -c "$work/nowhere"
	says "cannot read"
}

tests=(
	tree_has_a_commit_for_each_patch
	tree_again_changes_nothing
	tree_gives_the_same_commits_everywhere
	tree_follows_patches_and_keeps_other_files_untouched
	export_of_an_unchanged_tree_changes_nothing
	commit_becomes_a_patch_and_a_commit_again
	dropped_commit_drops_its_patch
	edited_file_is_refused_and_kept
	new_file_is_refused_and_kept
	edited_file_that_no_patch_touches_is_refused_and_kept
	commit_is_kept_when_patches_have_changed
	hand_edited_patch_is_not_overwritten
	fixup_commit_is_not_exported
	patch_that_does_not_apply_is_named_and_tree_stays
	interrupted_tree_is_made_the_next_time
	foreign_linux_folder_is_refused
	clean_keeps_the_work
	wrong_tarball_is_thrown_away_and_replaced
	cut_download_is_refused_and_not_kept
	no_network_is_said
	full_disk_is_said_and_nothing_is_left
	lost_release_is_replaced_by_the_older_one_aloud
	unknown_base_is_refused
	own_tarball_is_checked_and_never_deleted
	own_source_is_taken_and_never_changed
	own_source_of_another_release_is_refused
	unknown_arguments_are_refused
	without_root_the_one_command_is_printed
	as_root_missing_packages_are_installed_and_named
	runner_skips_without_qemu_and_says_so
	runner_refuses_what_it_does_not_know
)

fake_kernel 6.19.11
fake_kernel 6.19.10
fake_patches

echo "TAP version 13"
echo "1..${#tests[@]}"
failed=0
for ((i = 0; i < ${#tests[@]}; i++)); do
	fresh >/dev/null
	# a shell of its own, as set -e means nothing before || or after if
	set +e
	log=$(set -e; "${tests[i]}" 2>&1)
	status=$?
	set -e
	if ((status == 0)); then
		echo "ok $((i + 1)) ${tests[i]//_/ }"
	else
		echo "# ${log//$'\n'/$'\n'# }"
		echo "not ok $((i + 1)) ${tests[i]//_/ }"
		failed=1
	fi
done
exit "$failed"
