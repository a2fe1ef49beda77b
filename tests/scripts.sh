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
unset LINUX BASE V ARCH ONLY ALSO ALL LIST
mkdir -p "$HOME"
git config --global user.name tester
git config --global user.email tester@localhost
real_path=$PATH
runner=${tests_of:-$top/linux}/tools/testing/selftests/liveupdate/vmtest.sh

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

tree_follows_patches_and_keeps_other_files() {
	local before

	scripts/tree
	before=$(stat -c %Y linux/mm/other.c linux/mm/touched.c)
	rm patches/6.19/1-first/0002-*
	sleep 1
	scripts/tree
	[[ $(stat -c %Y linux/mm/other.c linux/mm/touched.c) == "$before" ]]
	[[ ! -e linux/mm/new.c ]]
}

tree_keeps_commits_after_a_pull() {
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

export_round_trips_two_series() {
	two_series
	rm -rf linux
	scripts/tree
	[[ $(git -C linux log --format=%s 1-first..2-second) == "mm: twelve" ]]
	[[ $(git -C linux symbolic-ref --short HEAD) == 2-second ]]
	scripts/export
	[[ -z $(git status --porcelain) ]]
}

export_keeps_a_fixup_in_its_series() {
	two_series
	echo more >>linux/mm/new.c
	git -C linux commit -qa --fixup=1-first
	GIT_SEQUENCE_EDITOR=true git -C linux rebase -q -i --autosquash --update-refs base
	scripts/export
	[[ $(ls patches/6.19/1-first) == $'0000-cover-letter.patch\n0001-mm-five.patch\n0002-mm-new.patch' ]]
	grep -q '^+more' patches/6.19/1-first/0002-mm-new.patch
	[[ -z $(git status --porcelain patches/6.19/2-second) ]]
}

export_names_a_branch_left_behind() {
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

export_refuses_another_branch() {
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

tree_survives_an_interrupted_update() {
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

tree_and_export_take_turns() {
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

tree_names_a_patch_that_does_not_apply() {
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

tree_survives_an_interrupted_start() {
	stub tar "kill -INT \$PPID; sleep 1"
	fails scripts/tree
	[[ ! -e linux && ! -e linux.tmp ]]
	rm "$work/bin/tar"
	scripts/tree
}

fetch_replaces_a_wrong_tarball() {
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

fetch_refuses_a_cut_download() {
	rm dl/*
	stub curl 'while [[ $1 != -o ]]; do shift; done; echo cut >$2'
	fails scripts/fetch
	says "should be $(sha256sum "$work/linux_6.19.11.orig.tar.xz" | cut -d ' ' -f 1), is $(sha256sum <<<cut | cut -d ' ' -f 1)"
	[[ -z $(find dl "$XDG_CACHE_HOME" -type f 2>/dev/null) ]]
}

fetch_leaves_nothing_when_interrupted() {
	rm dl/*
	stub curl '[[ "$*" == *--head* ]] && exit
		while [[ $1 != -o ]]; do shift; done; echo part >$2; kill -INT $PPID; sleep 1; exit 1'
	# who runs this may have it ignored
	fails env --default-signal=INT scripts/fetch
	((status == 130))
	[[ -z $(ls dl) ]]
}

# a file system of 100 KiB, where that is allowed
fetch_reports_a_full_disk() {
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

fetch_checks_an_own_tarball() {
	echo mine >"$work/mine.tar.xz"
	fails env LINUX="$work/mine.tar.xz" scripts/fetch
	says "is $(sha256sum "$work/mine.tar.xz" | cut -d ' ' -f 1)"
	[[ -f $work/mine.tar.xz ]]
	LINUX=$work/linux_6.19.10.orig.tar.xz scripts/tree
	[[ $(make -s -C linux kernelversion) == 6.19.10 ]]
}

fetch_takes_an_own_source() {
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

install_prints_the_command_without_root() {
	stub dpkg-query 'exit 1'
	stub id 'echo 1000'
	fails scripts/install bc flex
	says "run: sudo apt-get install -y --no-install-recommends bc flex"
	[[ $(wc -l <<<"$out") == 1 ]]
}

install_updates_old_lists() {
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

install_shows_the_end_of_its_log() {
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

tree_and_export_round_trip() {
	local commit

	GIT_DIR=$PWD/.git GIT_COMMITTER_NAME=x GIT_AUTHOR_DATE=2000-01-01T00:00:00Z scripts/tree
	[[ $(git -C linux log --format=%s base..1-first | paste -sd ,) == "mm: new,mm: five" ]]
	[[ $(cat linux/mm/new.c) == new && -f linux/mm/other.c ]]
	out=$(scripts/export 2>&1)
	says "nothing has changed"
	commit=$(git -C linux rev-parse HEAD)
	sed -i 's/^7$/seven/' linux/mm/touched.c
	commit "mm: seven"
	touch linux/mm/other.o # what a build leaves is no work
	fails scripts/tree
	says "make export"
	((status == 2))
	scripts/export
	grep -q '^Subject: \[PATCH 3/3\] mm: seven' patches/6.19/1-first/0003-mm-seven.patch
	[[ $(<patches/6.19/1-first/0000-cover-letter.patch) == cover ]]
	# the same commits elsewhere, and back to two patches with the prefix of the cover
	rm -rf linux
	git config --global user.name "somebody else"
	scripts/tree
	git config --global user.name tester
	[[ $(git -C linux rev-parse HEAD^) == "$commit" ]]
	printf 'Subject: [PATCH v2 0/3] mm: numbers\n' >patches/6.19/1-first/0000-cover-letter.patch
	git -C linux reset -q --hard HEAD^
	out=$(scripts/export 2>&1)
	says "[PATCH v2 0/3], but there are 2 patches"
	[[ $(ls patches/6.19/1-first) != *0003* ]]
	grep -q '^Subject: \[PATCH v2 1/2\] mm: five' patches/6.19/1-first/0001-*
}

tree_and_export_refuse_and_keep_changes() {
	local change

	scripts/tree
	for change in "echo mine >>linux/mm/touched.c" "echo mine >>linux/mm/other.c" \
		"echo mine >linux/mm/mine.c" "rm linux/mm/third.c"; do
		cp -a linux linux.clean
		eval "$change"
		cp -a linux linux.changed
		fails scripts/tree
		says "linux/ has "
		((status == 2))
		fails scripts/export
		diff -r -x .git linux linux.changed
		rm -rf linux linux.changed
		mv linux.clean linux
	done
	GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git -C linux rebase -q -i base
	fails scripts/tree
	says "rebase"
	fails scripts/export
	says "rebase"
}

tree_refuses_a_foreign_linux() {
	mkdir linux
	echo mine >linux/file
	fails scripts/tree
	says "not what make tree makes"
	[[ -f linux/file ]]
	rm -rf linux
	scripts/tree
	fails env BASE=6.19.10 scripts/tree
	says "linux/ is Linux 6.19.11"
	mkdir -p build
	make -s clean
	[[ ! -e build && -f linux/mm/new.c ]]
}

tree_tracks_another_file() {
	scripts/tree
	echo mine >>linux/mm/other.c
	fails scripts/tree
	says 'make tree TRACK="mm/other.c"'
	git -C linux add -f mm/other.c
	commit "mm: mine"
	fails scripts/export
	says 'make tree TRACK="mm/other.c"'
	make tree TRACK=mm/other.c
	[[ $(git -C linux show base:mm/other.c) == untouched ]]
	scripts/export
	[[ $(grep -c '^[-+][^-+]' patches/6.19/1-first/0003-mm-mine.patch) == 1 ]]
	fails scripts/tree mm/nowhere.c
	says "no file mm/nowhere.c in the base"
	# and without the patch it is as in the base again, in place
	rm patches/6.19/1-first/0003-mm-mine.patch
	scripts/tree
	cmp linux/mm/other.c "$work/source/linux-6.19.11/mm/other.c"
}

tree_keeps_another_base_apart() {
	command -v dpkg-deb >/dev/null || { echo "no dpkg-deb"; exit 77; }
	fake_kernel 7.3.4
	mkdir -p "$work/deb/DEBIAN" "$work/deb/usr/src" patches/7.3/1-other
	mv "$work/linux_7.3.4.orig.tar.xz" "$work/deb/usr/src/linux-source-7.3.tar.xz"
	printf '%s\n' "Package: linux-source-7.3" "Version: 7.3.4" "Architecture: all" \
		"Maintainer: nobody" "Description: nothing" >"$work/deb/DEBIAN/control"
	dpkg-deb -b "$work/deb" dl/linux-source-7.3.deb
	echo FILE_7_3_4=linux-source-7.3.deb >>base.mk
	echo "SHA256_7_3_4=$(sha256sum dl/linux-source-7.3.deb | cut -d ' ' -f 1)" >>base.mk
	cp patches/6.19/1-first/0001-*.patch patches/7.3/1-other/
	scripts/tree
	BASE=7.3 scripts/tree
	sed -i 's/^7$/seven/' 7.3/linux/mm/touched.c
	git -C 7.3/linux commit -qam "mm: seven" -m "Because."
	BASE=7.3 scripts/export
	[[ $(ls patches/7.3/1-other) == $'0001-mm-five.patch\n0002-mm-seven.patch' ]]
	[[ -z $(git status --porcelain patches/6.19) ]]
	out=$(scripts/export 2>&1)
	says "nothing has changed"
}

export_refuses_hand_edits_and_fixups() {
	scripts/tree
	echo mine >>linux/mm/touched.c
	commit "mm: mine"
	sed -i 's/Because/By hand/' patches/6.19/1-first/0001-*
	fails scripts/export
	says "patches/ was changed"
	grep -q 'By hand' patches/6.19/1-first/0001-*
	git checkout -q patches
	git -C linux commit -q --amend -m "fixup! mm: five"
	fails scripts/export
	says "autosquash"
	[[ -z $(git status --porcelain) ]]
}

fetch_says_what_is_wrong() {
	echo wrong >dl/linux_6.19.11.orig.tar.xz
	stub curl 'exit 6'
	fails scripts/fetch
	says "cannot reach the mirror"
	[[ -z $(ls dl) ]]
	stub apt-get 'exit 1'
	fails scripts/fetch
	says "pass LINUX="
	fails env BASE=5.0 scripts/fetch
	says "BASE=5.0 is not in base.mk"
	mkdir -p "$work/other"
	sed 's/SUBLEVEL = 11/SUBLEVEL = 3/' "$work/source/linux-6.19.11/Makefile" >"$work/other/Makefile"
	fails env LINUX="$work/other" scripts/fetch
	says "is Linux 6.19.3"
	fails env LINUX="$work/nowhere" scripts/fetch
	says "does not exist"
}

fetch_falls_back_and_uses_wget() {
	local all=$work/all

	rm dl/*
	mkdir -p "$all"
	ln -sf /usr/bin/* /bin/* "$all" 2>/dev/null
	rm -f "$all"/{curl,wget,apt-get,dpkg-query}
	stub wget "case \"\$*\" in *6.19.11*) exit 8 ;; *spider*) exit \$WGET ;; esac
		while [[ \$1 != -O ]]; do shift; done; cp $work/linux_6.19.10.orig.tar.xz \$2"
	PATH=$work/bin:$all
	fails env WGET=4 scripts/fetch
	says "cannot reach the mirror"
	fails env WGET=8 scripts/fetch
	says "the mirror does not have Linux 6.19.10"
	WGET=0 scripts/fetch >"$work/path" 2>"$work/said"
	[[ $(<"$work/path") == "$PWD/dl/linux_6.19.10.orig.tar.xz" ]]
	grep -q "going on with Linux 6.19.10 instead" "$work/said"
}

options_that_are_unknown_are_refused() {
	local script

	for script in tree export fetch run check shell install; do
		fails "scripts/$script" --nonsense
		says "unknown argument --nonsense"
	done
	scripts/tree
	fails scripts/build nonsense
	says "unknown kernel nonsense"
	fails scripts/build some nonsense
	says "there is no patch nonsense"
	fails scripts/mutants nonsense
	says "there is no mutant nonsense"
	fails env PART=some scripts/mutants
	says "PART=some"
	fails env ARCH=vax scripts/run
	says "ARCH=vax is neither"
	fails env ONLY=am,nonsense scripts/check
	says "no gate nonsense"
	[[ $(LIST=1 scripts/check) == *"git am applies"* ]]
}

runner_skips_without_qemu() {
	local tool

	mkdir -p "$work/tools"
	for tool in bash env dirname uname nproc sed cat mkdir realpath gcc make flex bison bc python3; do
		ln -sf "$(command -v "$tool")" "$work/tools/$tool"
	done
	PATH=$work/tools fails "$runner" -t x86_64
	((status == 4))
	says "qemu-system-x86_64 is missing, install it (Debian: package qemu-system-x86)"
}

runner_refuses_what_it_does_not_know() {
	fails "$runner" --nonsense
	says "usage: vmtest.sh"
	fails "$runner" -l soon
	says "number"
	fails "$runner" -n -d "$work/nowhere"
	says "no kernel image"
}

# all functions above that are named so
mapfile -t tests < <(declare -F | sed -n 's/^declare -f \(tree\|export\|fetch\|install\|options\|runner\)_/\1_/p')

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
