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
	seq 9 >"$source/mm/third.c"
	printf '*.o\n' >"$source/.gitignore"
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
	mkdir -p repo/patches/6.19/1-first repo/dl
	cp -r "$top/scripts" "$top/Makefile" "$top/.gitignore" repo/
	cp patches/*.patch repo/patches/6.19/1-first/
	echo cover >repo/patches/6.19/1-first/0000-cover-letter.patch
	{
		echo BASE_DEFAULT=6.19.11
		echo BASE_FALLBACK=6.19.10
		echo BASE_MAINLINE=7.3.4
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

# fails COMMAND...: it must fail; its output is then in $out, its status in $status
fails() {
	status=0
	out=$("$@" 2>&1 </dev/null) || status=$?
	[[ $status != 0 ]] || { echo "should have failed: $* said: $out"; return 1; }
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

mainline_has_a_place_of_its_own() {
	command -v dpkg-deb >/dev/null || { echo "no dpkg-deb"; exit 77; }
	fake_kernel 7.3.4
	mkdir -p "$work/deb/DEBIAN" "$work/deb/usr/src"
	mv "$work/linux_7.3.4.orig.tar.xz" "$work/deb/usr/src/linux-source-7.3.tar.xz"
	printf '%s\n' "Package: linux-source-7.3" "Version: 7.3.4" "Architecture: all" \
		"Maintainer: nobody" "Description: nothing" >"$work/deb/DEBIAN/control"
	dpkg-deb -b "$work/deb" dl/linux-source-7.3.deb
	echo FILE_7_3_4=linux-source-7.3.deb >>base.mk
	echo "SHA256_7_3_4=$(sha256sum dl/linux-source-7.3.deb | cut -d ' ' -f 1)" >>base.mk
	mkdir -p patches/7.3/1-mainline
	cp patches/6.19/1-first/0001-*.patch patches/7.3/1-mainline/
	git add -A
	git commit -qm mainline

	scripts/tree
	BASE=7.3 scripts/tree
	[[ $(git -C 7.3/linux log --format=%s base..1-mainline) == "mm: five" ]]
	[[ $(git -C linux log --format=%s base..1-first | paste -sd ,) == "mm: new,mm: five" ]]
	sed -i 's/^7$/seven/' 7.3/linux/mm/touched.c
	git -C 7.3/linux commit -qam "mm: seven" -m "Because."
	BASE=7.3 scripts/export
	[[ $(ls patches/7.3/1-mainline) == $'0001-mm-five.patch\n0002-mm-seven.patch' ]]
	[[ -z $(git status --porcelain patches/6.19/1-first) ]]
	out=$(scripts/export 2>&1)
	says "nothing has changed"
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
	[[ $(cat patches/6.19/1-first/0000-cover-letter.patch) == cover ]]
	grep -q '^Subject: \[PATCH 3/3\] mm: seven' patches/6.19/1-first/0003-mm-seven.patch
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
	[[ $(ls patches/6.19/1-first) == $'0000-cover-letter.patch\n0001-mm-five.patch' ]]
}

tree_follows_patches_and_keeps_other_files_untouched() {
	local before

	scripts/tree
	before=$(stat -c %Y linux/mm/other.c linux/mm/touched.c)
	rm patches/6.19/1-first/0002-*
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
	echo mine >linux/mm/mine.c
	touch -d 2020-01-01 linux/mm/mine.c
	fails scripts/tree
	says "mm/mine.c"
	fails scripts/export
	[[ -f linux/mm/mine.c ]]
}

edited_file_that_no_patch_touches_is_refused_and_kept() {
	scripts/tree
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
	rm patches/6.19/1-first/0002-*
	fails scripts/tree
	says "commits that are not in patches/"
	grep -q mine linux/mm/touched.c
}

removed_file_that_no_patch_touches_is_noticed() {
	scripts/tree
	rm linux/mm/other.c
	fails scripts/tree
	says "mm/other.c"
}

what_a_build_leaves_behind_is_no_work() {
	scripts/tree
	touch linux/mm/other.o
	out=$(scripts/tree 2>&1)
	says "up to date"
	scripts/export
	[[ -f linux/mm/other.o ]]
}

unexported_commit_is_refused_and_kept() {
	local before

	scripts/tree
	echo mine >>linux/mm/touched.c
	commit "mm: mine"
	before=$(git -C linux rev-parse HEAD)
	fails scripts/tree
	says "make export"
	((status == 2))
	[[ $(git -C linux rev-parse HEAD) == "$before" ]]
}

unfinished_rebase_is_refused() {
	scripts/tree
	GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git -C linux rebase -q -i base
	fails scripts/tree
	says "rebase"
	fails scripts/export
	says "rebase"
	git -C linux rebase --abort
	scripts/export
}

commits_after_a_pull_can_be_carried_over() {
	local was

	scripts/tree
	sed -i 's/^15$/fifteen/' linux/mm/touched.c
	commit "mm: mine"
	sed -i 's/^+five/+cinq/' patches/6.19/1-first/0001-*
	fails scripts/tree
	says "When patches/ changes under your work"
	# what docs/hacking.md says there
	was=$(git -C linux rev-parse exported)
	git -C linux branch mine
	git -C linux reset -q --hard exported
	scripts/tree
	git -C linux cherry-pick "$was..mine"
	scripts/export
	[[ $(ls patches/6.19/1-first) == *0003-mm-mine.patch ]]
	grep -q '^+cinq' patches/6.19/1-first/0001-*
}

file_that_no_patch_touches_can_be_tracked_after_an_edit() {
	local before

	scripts/tree
	echo mine >>linux/mm/other.c
	echo mine >>linux/mm/touched.c
	fails scripts/tree
	says 'make tree TRACK="mm/other.c"'
	make tree TRACK=mm/other.c
	[[ $(git -C linux show base:mm/other.c) == untouched ]]
	[[ $(git -C linux diff --name-only | paste -sd ' ') == "mm/other.c mm/touched.c" ]]
	commit "mm: mine"
	scripts/export
	grep -q '^+mine' patches/6.19/1-first/0003-mm-mine.patch
	[[ $(<patches/6.19/1-first/0003-mm-mine.patch) != *"new file"* ]]
	# the same as if it were made anew
	before=$(git -C linux rev-parse base HEAD^)
	rm -rf linux
	scripts/tree
	[[ $(git -C linux rev-parse base HEAD^) == "$before" ]]
	# a file that is not edited needs no source, and is no work
	rm dl/*
	scripts/tree mm/third.c
	out=$(scripts/tree 2>&1)
	says "up to date"
	scripts/export
	fails scripts/tree mm/nowhere.c
	says "no file mm/nowhere.c in the base"
}

base_file_that_was_added_by_a_commit_is_refused_until_tracked() {
	scripts/tree
	echo mine >>linux/mm/other.c
	git -C linux add -f mm/other.c
	commit "mm: mine"
	fails scripts/export
	says 'make tree TRACK="mm/other.c"'
	scripts/tree mm/other.c
	scripts/export
	[[ $(grep -c '^[-+][^-+]' patches/6.19/1-first/0003-mm-mine.patch) == 1 ]]
}

patch_of_another_file_is_followed_in_place() {
	local before

	scripts/tree
	echo mine >>linux/mm/third.c
	scripts/tree mm/third.c
	commit "mm: mine"
	scripts/export
	rm -rf linux
	cp patches/6.19/1-first/0003-mm-mine.patch "$work/mine.patch"
	rm patches/6.19/1-first/0003-mm-mine.patch
	scripts/tree
	touch linux/mm/other.o
	before=$(stat -c %Y linux/mm/other.c linux/mm/touched.c)
	mv "$work/mine.patch" patches/6.19/1-first/0003-mm-mine.patch
	sleep 1
	scripts/tree
	grep -q mine linux/mm/third.c
	[[ $(stat -c %Y linux/mm/other.c linux/mm/touched.c) == "$before" && -f linux/mm/other.o ]]
	# and back
	rm patches/6.19/1-first/0003-mm-mine.patch
	scripts/tree
	cmp linux/mm/third.c "$work/source/linux-6.19.11/mm/third.c"
}

# with "mm: six" in patches/6.19/2-second
two_series() {
	scripts/tree
	mkdir patches/6.19/2-second
	git -C linux checkout -q -b 2-second
	sed -i 's/^12$/twelve/' linux/mm/touched.c
	commit "mm: twelve"
	scripts/export
	grep -q '^Subject: \[PATCH 1/1\] mm: twelve' patches/6.19/2-second/0001-mm-twelve.patch
	git add -A
	git commit -qm two
}

second_series_round_trips() {
	two_series
	rm -rf linux
	scripts/tree
	[[ $(git -C linux log --format=%s 1-first..2-second) == "mm: twelve" ]]
	[[ $(git -C linux symbolic-ref --short HEAD) == 2-second ]]
	scripts/export
	[[ -z $(git status --porcelain) ]]
}

fixup_of_the_last_patch_of_the_first_series_stays_in_it() {
	two_series
	echo more >>linux/mm/new.c
	git -C linux commit -qa --fixup=1-first
	GIT_SEQUENCE_EDITOR=true git -C linux rebase -q -i --autosquash --update-refs base
	scripts/export
	[[ $(ls patches/6.19/1-first) == $'0000-cover-letter.patch\n0001-mm-five.patch\n0002-mm-new.patch' ]]
	grep -q '^+more' patches/6.19/1-first/0002-mm-new.patch
	[[ -z $(git status --porcelain patches/6.19/2-second) ]]
}

branch_that_a_rebase_left_behind_is_named_with_its_place() {
	two_series
	echo more >>linux/mm/new.c
	git -C linux commit -qa --fixup=1-first
	GIT_SEQUENCE_EDITOR=true git -C linux rebase -q -i --autosquash --no-update-refs base
	fails scripts/export
	says "branch 1-first is not in the history of 2-second"
	says "branch -f 1-first $(git -C linux rev-parse --short HEAD^)"
	[[ -z $(git status --porcelain) ]]
	git -C linux branch -f 1-first HEAD^
	scripts/export
	grep -q '^+more' patches/6.19/1-first/0002-mm-new.patch
}

export_from_another_branch_is_refused() {
	two_series
	git -C linux checkout -q 1-first
	fails scripts/export
	says "has not 2-second checked out"
	git -C linux checkout -q -b mine 2-second
	sed -i 's/^15$/fifteen/' linux/mm/touched.c
	commit "mm: mine"
	fails scripts/export
	says "has not 2-second checked out"
	[[ -z $(git status --porcelain) ]]
}

patches_take_the_prefix_of_the_cover_letter() {
	printf 'Subject: [PATCH v2 0/3] mm: numbers\n' >patches/6.19/1-first/0000-cover-letter.patch
	scripts/tree
	out=$(scripts/export 2>&1)
	says "[PATCH v2 0/3], but there are 2 patches"
	grep -q '^Subject: \[PATCH v2 1/2\] mm: five' patches/6.19/1-first/0001-*
}

environment_of_git_does_no_harm() {
	scripts/tree
	mv linux linux.once
	GIT_DIR=$PWD/.git GIT_INDEX_FILE=$PWD/.git/index GIT_COMMITTER_NAME=x GIT_AUTHOR_DATE=2000-01-01T00:00:00Z scripts/tree
	[[ $(git log --format=%s) == all ]]
	[[ $(git -C linux rev-parse HEAD) == "$(git -C linux.once rev-parse HEAD)" ]]
}

linux_of_another_base_is_refused_and_kept() {
	scripts/tree
	fails env BASE=6.19.10 scripts/tree
	says "linux/ is Linux 6.19.11"
	[[ -f linux/mm/new.c ]]
}

interrupted_update_is_made_the_next_time() {
	local before

	scripts/tree
	before=$(git -C linux rev-parse HEAD)
	rm patches/6.19/1-first/0002-*
	stub git "[[ \"\$*\" != *' am '* ]] || { kill -INT \$PPID; sleep 1; exit 1; }; exec $(command -v git) \"\$@\""
	fails scripts/tree
	rm "$work/bin/git"
	hash -r
	[[ $(git -C linux rev-parse HEAD) == "$before" && -f linux/mm/new.c ]]
	[[ ! -e linux/.git/next ]]
	scripts/tree
	[[ ! -e linux/mm/new.c ]]
}

two_at_once_take_turns() {
	local script waiting

	scripts/tree
	for script in tree export; do
		exec 8<base.mk
		flock 8
		scripts/"$script" 8<&- >"$work/output" 2>&1 &
		waiting=$!
		until grep -q "running already: waiting for it" "$work/output"; do
			kill -0 "$waiting"
			sleep 0.1
		done
		exec 8<&-
		wait "$waiting"
	done
}

hand_edited_patch_is_not_overwritten() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	commit "mm: mine"
	sed -i 's/Because/By hand/' patches/6.19/1-first/0001-*
	fails scripts/export
	says "patches/ was changed"
	grep -q 'By hand' patches/6.19/1-first/0001-*
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
	sed -i 's/^-5$/-6/' patches/6.19/1-first/0001-*
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
	mkdir -p build
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
	[[ $(scripts/fetch) == "$PWD/dl/linux_6.19.11.orig.tar.xz" ]]
	cmp dl/linux_6.19.11.orig.tar.xz "$work/linux_6.19.11.orig.tar.xz"
}

cut_download_is_refused_and_not_kept() {
	rm dl/*
	stub curl 'while [[ $1 != -o ]]; do shift; done; echo cut >$2'
	fails scripts/fetch
	says "should be $(sha256sum "$work/linux_6.19.11.orig.tar.xz" | cut -d ' ' -f 1), is $(sha256sum <<<cut | cut -d ' ' -f 1)"
	[[ -z $(find dl "$XDG_CACHE_HOME" -type f 2>/dev/null) ]]
}

no_network_is_said_and_a_wrong_file_is_gone() {
	echo wrong >dl/linux_6.19.11.orig.tar.xz
	stub curl 'exit 6'
	fails scripts/fetch
	says "cannot reach the mirror"
	[[ -z $(ls dl) ]]
}

full_disk_is_said_and_nothing_is_left() {
	rm dl/*
	stub curl 'while [[ $1 != -o ]]; do shift; done; echo part >$2; exit 23'
	fails scripts/fetch
	says "is the disk full?"
	[[ -z $(ls dl) ]]
}

one_mirror_of_several_is_enough() {
	rm dl/*
	stub apt-get 'printf "%s\n" http://a.invalid/security/ http://b.invalid/debian/ http://c.invalid/debian/'
	stub curl "[[ \"\$*\" != *a.invalid* ]] || exit 22; [[ \"\$*\" != *b.invalid* ]] || exit 7
		while [[ \$1 != -o ]]; do shift; done; cp $work/linux_6.19.11.orig.tar.xz \$2"
	[[ $(scripts/fetch) == "$PWD/dl/linux_6.19.11.orig.tar.xz" ]]
}

without_curl_wget_is_used() {
	local all=$work/all

	rm dl/*
	mkdir -p "$all"
	ln -sf /usr/bin/* /bin/* "$all" 2>/dev/null
	rm -f "$all"/{curl,wget,apt-get,dpkg-query}
	stub wget "case \"\$*\" in *spider*) exit \$WGET ;; esac
		while [[ \$1 != -O ]]; do shift; done; cp $work/linux_6.19.11.orig.tar.xz \$2"
	rm -f "$work/bin/curl"
	PATH=$work/bin:$all
	fails env WGET=4 scripts/fetch
	says "cannot reach the mirror"
	fails env WGET=8 scripts/fetch
	says "the mirror does not have Linux 6.19.10"
	fails env WGET=3 scripts/fetch
	says "is the disk full?"
	[[ $(WGET=0 scripts/fetch) == "$PWD/dl/linux_6.19.11.orig.tar.xz" ]]
}

without_apt_the_way_out_is_said() {
	rm dl/*
	stub apt-get 'exit 1'
	stub curl 'exit 6'
	fails scripts/fetch
	says "pass LINUX="
}

interrupted_download_leaves_nothing() {
	rm dl/*
	stub curl '[[ "$*" == *--head* ]] && exit
		while [[ $1 != -o ]]; do shift; done; echo part >$2; kill -INT $PPID; sleep 1; exit 1'
	# who runs this may have it ignored
	fails env --default-signal=INT scripts/fetch
	((status == 130))
	[[ -z $(ls dl) ]]
}

# a file system of 100 KiB, where that is allowed
full_disk_for_real_is_said_and_nothing_is_left() {
	unshare -m true 2>/dev/null || { echo "needs root"; return 77; }
	rm dl/*
	head -c 1000000 /dev/urandom >"$work/big"
	sed -i "s/^FILE_6_19_11=.*/FILE_6_19_11=big/" base.mk
	stub apt-get "echo file://$work/mirror/"
	mkdir -p "$work/mirror/pool/main/l/linux"
	mv "$work/big" "$work/mirror/pool/main/l/linux/"
	# shellcheck disable=SC2016
	fails unshare -m bash -c 'mount -t tmpfs -o size=100k tmpfs dl && scripts/fetch; status=$?; ls dl | sed s/^/left:/; exit "$status"'
	says "is the disk full?"
	[[ $out != *left:* ]]
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

own_source_is_found_from_where_the_user_is() {
	cd "$work/source"
	LINUX=linux-6.19.11 ../repo/scripts/tree
	[[ -f ../repo/linux/mm/new.c ]]
}

own_git_tree_counts_with_its_commit() {
	git clone -q "$work/make" "$work/elsewhere"
	git -C "$work/elsewhere" checkout -q HEAD~2
	sed -i 's/SUBLEVEL = 11/SUBLEVEL = 3/' "$work/elsewhere/Makefile"
	echo mine >>"$work/elsewhere/mm/other.c"
	LINUX=$work/elsewhere scripts/tree
	[[ $(<linux/mm/other.c) == untouched ]]
	git -C "$work/elsewhere" commit -qam other
	fails env LINUX="$work/elsewhere" scripts/fetch
	says "is Linux 6.19.3"
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

old_package_lists_are_updated() {
	stub dpkg-query 'exit 1'
	stub id 'echo 0'
	stub apt-get "echo \"\$@\" >>$work/apt.old; [[ \$1 == update ]] && touch $work/updated; [[ -f $work/updated ]]"
	scripts/install bc
	[[ $(grep -c '^update$' "$work/apt.old") == 1 ]]
	tail -n 1 "$work/apt.old" | grep -qx 'install -y --no-install-recommends bc'
	# once is enough
	scripts/install bc
	[[ $(grep -c '^update$' "$work/apt.old") == 1 ]]
}

failed_installation_shows_the_end_of_its_log() {
	stub dpkg-query 'exit 1'
	stub id 'echo 0'
	stub apt-get 'seq 100; echo "E: no such package"; [[ $1 == update ]]'
	fails scripts/install bc
	says "E: no such package"
	says "build/log/apt-install.log"
	(($(wc -l <<<"$out") < 40))
	fails scripts/install --yes
	says "unknown argument --yes"
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
	[[ $(PATH=$work/tools "$runner" -a x86_64 2>/dev/null) == $'TAP version 13\n1..0 # SKIP '* ]]
}

runner_says_in_ktap_that_it_did_not_come_to_the_tests() {
	out=$("$runner" -n -b "$work/nowhere" 2>/dev/null) && return 1
	[[ $out == $'TAP version 13\n1..1\nnot ok 1 '* ]]
}

runner_takes_no_cross_compiler_for_this_machine() {
	CROSS_COMPILE=nonsense- fails "$runner" -n -b "$work/nowhere"
	says "no kernel image"
}

runner_refuses_what_it_does_not_know() {
	fails "$runner" --nonsense
	says "unknown option --nonsense"
	fails "$runner" -a vax
	says "skipped: -a: vax is neither x86_64 nor arm64"
	fails "$runner" -t soon
	says "not soon"
	fails "$runner" -u "$work/nowhere"
	says "no kernel image"
	fails "$runner" -c "$work/nowhere"
	says "cannot read"
}

tests=(
	tree_has_a_commit_for_each_patch
	tree_again_changes_nothing
	mainline_has_a_place_of_its_own
	tree_gives_the_same_commits_everywhere
	export_of_an_unchanged_tree_changes_nothing
	commit_becomes_a_patch_and_a_commit_again
	dropped_commit_drops_its_patch
	tree_follows_patches_and_keeps_other_files_untouched
	edited_file_is_refused_and_kept
	new_file_is_refused_and_kept
	edited_file_that_no_patch_touches_is_refused_and_kept
	commit_is_kept_when_patches_have_changed
	removed_file_that_no_patch_touches_is_noticed
	what_a_build_leaves_behind_is_no_work
	unexported_commit_is_refused_and_kept
	unfinished_rebase_is_refused
	commits_after_a_pull_can_be_carried_over
	file_that_no_patch_touches_can_be_tracked_after_an_edit
	base_file_that_was_added_by_a_commit_is_refused_until_tracked
	patch_of_another_file_is_followed_in_place
	second_series_round_trips
	fixup_of_the_last_patch_of_the_first_series_stays_in_it
	branch_that_a_rebase_left_behind_is_named_with_its_place
	export_from_another_branch_is_refused
	patches_take_the_prefix_of_the_cover_letter
	environment_of_git_does_no_harm
	linux_of_another_base_is_refused_and_kept
	interrupted_update_is_made_the_next_time
	two_at_once_take_turns
	hand_edited_patch_is_not_overwritten
	fixup_commit_is_not_exported
	patch_that_does_not_apply_is_named_and_tree_stays
	interrupted_tree_is_made_the_next_time
	foreign_linux_folder_is_refused
	clean_keeps_the_work
	wrong_tarball_is_thrown_away_and_replaced
	cut_download_is_refused_and_not_kept
	no_network_is_said_and_a_wrong_file_is_gone
	full_disk_is_said_and_nothing_is_left
	one_mirror_of_several_is_enough
	without_curl_wget_is_used
	without_apt_the_way_out_is_said
	interrupted_download_leaves_nothing
	full_disk_for_real_is_said_and_nothing_is_left
	lost_release_is_replaced_by_the_older_one_aloud
	unknown_base_is_refused
	own_tarball_is_checked_and_never_deleted
	own_source_is_taken_and_never_changed
	own_source_is_found_from_where_the_user_is
	own_git_tree_counts_with_its_commit
	own_source_of_another_release_is_refused
	unknown_arguments_are_refused
	without_root_the_one_command_is_printed
	old_package_lists_are_updated
	failed_installation_shows_the_end_of_its_log
	as_root_missing_packages_are_installed_and_named
	runner_skips_without_qemu_and_says_so
	runner_says_in_ktap_that_it_did_not_come_to_the_tests
	runner_takes_no_cross_compiler_for_this_machine
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
	elif ((status == 77)); then
		echo "ok $((i + 1)) ${tests[i]//_/ } # SKIP $log"
	else
		echo "# ${log//$'\n'/$'\n'# }"
		echo "not ok $((i + 1)) ${tests[i]//_/ }"
		failed=1
	fi
done
exit "$failed"
