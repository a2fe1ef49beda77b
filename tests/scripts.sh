#!/usr/bin/env bash
# scripts.sh - tests of the scripts themselves, above all of their errors
#
# usage: tests/scripts.sh
#
# Works in a copy of the scripts with a kernel of a few lines, two patches, and stand-ins
# for curl, apt-get and dpkg-query, and with the runner of linux/, which make tree has to
# have made before. Prints TAP.
#
# Exit status: 0 if all tests pass, 1 otherwise

# shellcheck disable=SC2317,SC2016 # the tests are called by name, the stand-ins expand

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home XDG_CACHE_HOME=$work/cache LC_ALL=C.UTF-8 GIT_CONFIG_NOSYSTEM=1
unset LINUX BASE V ARCH ONLY ALSO ALL LIST
mkdir -p "$HOME"
git config --global user.name tester
git config --global user.email tester@localhost
real_path=$PATH
runner=${tests_of:-$top/linux}/tools/testing/selftests/liveupdate/vmtest.sh
series=patches/6.19/1-first
tarball=linux_6.19.11.orig.tar.xz

# a stand-in: stub NAME SCRIPT
stub() {
	mkdir -p "$work/bin"
	printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
	PATH=$work/bin:$real_path
}

sum() {
	sha256sum "$1" | cut -d ' ' -f 1
}

fake_kernel() {
	local source=$work/source/linux-$1 version

	mkdir -p "$source/mm"
	IFS=. read -ra version <<<"$1"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nkernelversion:\n\t@echo %s\n' \
		"${version[@]}" "$1" >"$source/Makefile"
	seq 20 >"$source/mm/touched.c"
	echo untouched >"$source/mm/other.c"
	seq 9 >"$source/mm/third.c"
	printf '*.o\n' >"$source/.gitignore"
	touch -d 2026-01-01 "$source"/Makefile "$source"/mm/*.c
	tar -cJf "$work/linux_$1.orig.tar.xz" -C "$work/source" "linux-$1"
}

# the two patches of the fake series
fake_patches() {
	local git=(git -C "$work/make")

	git init -q "$work/make"
	cp -r "$work/source/linux-6.19.11/." "$work/make/"
	"${git[@]}" add -A
	"${git[@]}" commit -qm base
	sed -i 's/^5$/five/' "$work/make/mm/touched.c"
	"${git[@]}" commit -qam "mm: five" -m "Because."
	echo new >"$work/make/mm/new.c"
	"${git[@]}" add -A
	"${git[@]}" commit -qm "mm: new" -m "Because."
	"${git[@]}" format-patch -q --zero-commit --no-signature --full-index --numbered \
		-o "$work/patches" HEAD~2
}

# a fresh repository with a tarball in dl/ in $work/repo, and stay in it
fresh() {
	local version

	cd "$work"
	rm -rf repo cache bin
	mkdir -p "repo/$series" repo/dl
	cp -r "$top/scripts" "$top/Makefile" "$top/.gitignore" repo/
	cp patches/*.patch repo/"$series"/
	echo cover >repo/"$series"/0000-cover-letter.patch
	{
		printf 'BASE_%s\n' DEFAULT=6.19.11 FALLBACK=6.19.10 MAINLINE=7.3.4
		for version in 6.19.11 6.19.10; do
			echo "FILE_${version//./_}=linux_$version.orig.tar.xz"
			echo "SHA256_${version//./_}=$(sum linux_$version.orig.tar.xz)"
		done
	} >repo/base.mk
	cp "$tarball" repo/dl/
	stub dpkg-query 'echo installed'
	stub apt-get 'echo http://mirror.invalid/debian/'
	git init -q repo
	cd repo
	git add -A
	git commit -qm all
}

# says TEXT: the last output
says() {
	[[ $out == *"$1"* ]] || { echo "should say '$1', says: $out"; return 1; }
}

# prints TEXT COMMAND...: it must succeed; its output is then in $out
prints() {
	out=$("${@:2}" 2>&1 </dev/null) || { echo "failed: ${*:2} said: $out"; return 1; }
	says "$1"
}

# refuses TEXT COMMAND...: it must fail, and say so; its status is then in $status
refuses() {
	status=0
	out=$("${@:2}" 2>&1 </dev/null) || status=$?
	((status)) || { echo "should have failed: ${*:2} said: $out"; return 1; }
	says "$1"
}

# commit SUBJECT [OLD NEW]: what has changed in linux/, and a line of touched.c
commit() {
	(($# == 1)) || sed -i "s/^$2$/$3/" linux/mm/touched.c
	git -C linux commit -qam "$1" -m "Because."
}

unchanged() {
	[[ -z $(git status --porcelain "$@") ]]
}

tree_follows_patches_and_keeps_other_files() {
	local before head

	scripts/tree
	before=$(stat -c %Y linux/mm/other.c linux/mm/touched.c)
	head=$(git -C linux rev-parse HEAD)
	sed -i 's/^-5$/-6/' "$series"/0001-*
	refuses "0001-mm-five.patch does not apply" scripts/tree
	[[ $(git -C linux rev-parse HEAD) == "$head" && -z $(git -C linux status --porcelain) ]]
	git checkout -q patches
	rm "$series"/0002-*
	sleep 1
	scripts/tree
	[[ $(stat -c %Y linux/mm/other.c linux/mm/touched.c) == "$before" ]]
	[[ ! -e linux/mm/new.c ]]
}

tree_keeps_commits_after_a_pull() {
	local was

	scripts/tree
	commit "mm: mine" 15 fifteen
	sed -i 's/^+five/+cinq/' "$series"/0001-*
	refuses "When patches/ changes under your work" scripts/tree
	refuses "patches/ was changed" scripts/export
	grep -q '^+cinq' "$series"/0001-*
	# what docs/hacking.md says there
	was=$(git -C linux rev-parse exported)
	git -C linux branch mine
	git -C linux reset -q --hard exported
	scripts/tree
	git -C linux cherry-pick "$was..mine"
	scripts/export
	[[ $(ls "$series") == *0003-mm-mine.patch ]]
	grep -q '^+cinq' "$series"/0001-*
}

# with "mm: twelve" in patches/6.19/2-second
two_series() {
	scripts/tree
	mkdir patches/6.19/2-second
	git -C linux checkout -q -b 2-second
	commit "mm: twelve" 12 twelve
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
	git -C linux checkout -q 1-first
	refuses "has not 2-second checked out" scripts/export
	git -C linux checkout -q -b mine 2-second
	commit "mm: mine" 15 fifteen
	refuses "has not 2-second checked out" scripts/export
	unchanged
}

export_keeps_a_fixup_in_its_series() {
	two_series
	echo more >>linux/mm/new.c
	git -C linux commit -qa --fixup=1-first
	refuses autosquash scripts/export
	GIT_SEQUENCE_EDITOR=true git -C linux rebase -q -i --autosquash --no-update-refs base
	refuses "branch 1-first is not in the history of 2-second" scripts/export
	says "branch -f 1-first $(git -C linux rev-parse --short HEAD^)"
	unchanged
	git -C linux branch -f 1-first HEAD^
	scripts/export
	[[ $(ls "$series") == $'0000-cover-letter.patch\n0001-mm-five.patch\n0002-mm-new.patch' ]]
	grep -q '^+more' "$series"/0002-mm-new.patch
	unchanged patches/6.19/2-second
}

tree_survives_an_interruption() {
	local before

	stub tar "kill -INT \$PPID; sleep 1"
	refuses "" scripts/tree
	[[ ! -e linux && ! -e linux.tmp ]]
	rm "$work/bin/tar"
	hash -r
	scripts/tree
	before=$(git -C linux rev-parse HEAD)
	rm "$series"/0002-*
	stub git "[[ \"\$*\" != *' am '* ]] || { kill -INT \$PPID; sleep 1; exit 1; }; exec $(command -v git) \"\$@\""
	refuses "" scripts/tree
	rm "$work/bin/git"
	hash -r
	[[ $(git -C linux rev-parse HEAD) == "$before" && -f linux/mm/new.c ]]
	[[ ! -e linux/.git/next ]]
	scripts/tree
	[[ ! -e linux/mm/new.c ]]
}

tree_and_export_take_turns() {
	local script

	scripts/tree
	for script in tree export; do
		exec 8<base.mk
		flock 8
		sleep 3 &
		exec 8<&-
		prints "running already: waiting for it" "scripts/$script"
	done
}

fetch_replaces_a_wrong_tarball() {
	echo wrong >"dl/$tarball"
	stub curl "while [[ \$1 != -o ]]; do shift; done; cp $work/$tarball \$2"
	prints "should be $(sum "$work/$tarball"), is $(sum "dl/$tarball")" scripts/fetch
	cmp "dl/$tarball" "$work/$tarball"
	# and the next time it comes from the cache
	rm dl/*
	stub curl 'exit 6'
	prints "$PWD/dl/$tarball" scripts/fetch
	cmp "dl/$tarball" "$work/$tarball"
	rm -r dl/* "$XDG_CACHE_HOME"
	refuses "cannot reach the mirror" scripts/fetch
	[[ -z $(ls dl) ]]
	stub apt-get 'exit 1'
	refuses "pass LINUX=" scripts/fetch
	refuses "BASE=5.0 is not in base.mk" env BASE=5.0 scripts/fetch
}

fetch_keeps_no_part_of_a_download() {
	rm dl/*
	stub curl 'while [[ $1 != -o ]]; do shift; done; echo cut >$2'
	refuses "should be $(sum "$work/$tarball"), is $(sum - <<<cut)" scripts/fetch
	[[ -z $(find dl "$XDG_CACHE_HOME" -type f 2>/dev/null) ]]
	stub curl '[[ "$*" == *--head* ]] && exit
		while [[ $1 != -o ]]; do shift; done; echo part >$2; kill -INT $PPID; sleep 1; exit 1'
	# who runs this may have it ignored
	refuses "" env --default-signal=INT scripts/fetch
	((status == 130))
	[[ -z $(ls dl) ]]
}

# a file system of 100 KiB, where that is allowed
fetch_reports_a_full_disk() {
	local pool=$work/mirror/pool/main/l/linux

	unshare -m true 2>/dev/null || { echo "needs root"; return 77; }
	rm dl/*
	mkdir -p "$pool"
	head -c 1000000 /dev/urandom >"$pool/big"
	sed -i "s/^FILE_6_19_11=.*/FILE_6_19_11=big/" base.mk
	stub apt-get "echo file://$work/mirror/"
	refuses "is the disk full?" unshare -m bash -c 'mount -t tmpfs -o size=100k tmpfs dl &&
		scripts/fetch; status=$?; ls dl | sed s/^/left:/; exit "$status"'
	[[ $out != *left:* ]]
}

fetch_takes_and_checks_what_is_yours() {
	local own="$work/other"

	echo mine >"$work/mine.tar.xz"
	refuses "is $(sum "$work/mine.tar.xz")" env LINUX="$work/mine.tar.xz" scripts/fetch
	[[ -f $work/mine.tar.xz ]]
	mkdir -p "$own"
	sed 's/SUBLEVEL = 11/SUBLEVEL = 3/' "$work/source/linux-6.19.11/Makefile" >"$own/Makefile"
	refuses "is Linux 6.19.3" env LINUX="$own" scripts/fetch
	refuses "does not exist" env LINUX="$work/nowhere" scripts/fetch

	# HEAD~2 is the base
	git clone -q "$work/make" "$work/clone"
	git -C "$work/clone" checkout -q HEAD~2
	for own in "$work/linux_6.19.10.orig.tar.xz" "$work/source/linux-6.19.11" "$work/clone"; do
		rm -rf linux
		LINUX=$own scripts/tree
		[[ $(make -s -C linux kernelversion) == 6.19.1[01] ]]
		[[ $(git -C linux log --format=%s base..1-first | wc -l) == 2 ]]
		[[ ! -e $own/mm/new.c ]]
	done
	[[ -z $(git -C "$work/clone" status --porcelain) ]]
}

install_prints_the_command_or_the_end_of_its_log() {
	stub dpkg-query 'exit 1'
	stub id 'echo 1000'
	refuses "run: sudo apt-get install -y --no-install-recommends bc flex" scripts/install bc flex
	[[ $(wc -l <<<"$out") == 1 ]]
	refuses "unknown argument --yes" scripts/install --yes
	stub id 'echo 0'
	stub apt-get "echo \"\$@\" >>$work/apt.old; [[ \$1 == update ]] && touch $work/updated; [[ -f $work/updated ]]"
	scripts/install bc
	tail -n 1 "$work/apt.old" | grep -qx 'install -y --no-install-recommends bc'
	# once is enough
	scripts/install bc
	[[ $(grep -c '^update$' "$work/apt.old") == 1 ]]
	stub apt-get 'seq 100; echo "E: no such package"; [[ $1 == update ]]'
	refuses "E: no such package" scripts/install bc
	says "build/log/apt-install.log"
	(($(wc -l <<<"$out") < 40))
}

tree_and_export_round_trip() {
	local commit

	GIT_DIR=$PWD/.git GIT_COMMITTER_NAME=x GIT_AUTHOR_DATE=2000-01-01T00:00:00Z scripts/tree
	[[ $(git -C linux log --format=%s base..1-first | paste -sd ,) == "mm: new,mm: five" ]]
	[[ $(cat linux/mm/new.c) == new && -f linux/mm/other.c ]]
	prints "nothing has changed" scripts/export
	commit=$(git -C linux rev-parse HEAD)
	commit "mm: seven" 7 seven
	touch linux/mm/other.o # what a build leaves is no work
	refuses "make export" scripts/tree
	((status == 2))
	scripts/export
	grep -q '^Subject: \[PATCH 3/3\] mm: seven' "$series"/0003-mm-seven.patch
	[[ $(<"$series"/0000-cover-letter.patch) == cover ]]
	# the same commits elsewhere, and back to two patches with the prefix of the cover
	rm -rf linux
	git config --global user.name "somebody else"
	scripts/tree
	git config --global user.name tester
	[[ $(git -C linux rev-parse HEAD^) == "$commit" ]]
	printf 'Subject: [PATCH v2 0/3] mm: numbers\n' >"$series"/0000-cover-letter.patch
	git -C linux reset -q --hard HEAD^
	prints "[PATCH v2 0/3], but there are 2 patches" scripts/export
	[[ $(ls "$series") != *0003* ]]
	grep -q '^Subject: \[PATCH v2 1/2\] mm: five' "$series"/0001-*
}

tree_and_export_refuse_and_keep_changes() {
	local change

	scripts/tree
	for change in "echo mine >>linux/mm/touched.c" "echo mine >>linux/mm/other.c" \
		"echo mine >linux/mm/mine.c" "rm linux/mm/third.c"; do
		cp -a linux linux.clean
		eval "$change"
		cp -a linux linux.changed
		refuses "linux/ has " scripts/tree
		((status == 2))
		refuses "linux/ has " scripts/export
		diff -r -x .git linux linux.changed
		rm -rf linux linux.changed
		mv linux.clean linux
	done
	GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git -C linux rebase -q -i base
	refuses "rebase" scripts/tree
	refuses "rebase" scripts/export
}

tree_refuses_a_foreign_linux() {
	mkdir linux
	echo mine >linux/file
	refuses "not what make tree makes" scripts/tree
	[[ -f linux/file ]]
	rm -rf linux
	scripts/tree
	refuses "linux/ is Linux 6.19.11" env BASE=6.19.10 scripts/tree
	mkdir -p build
	make -s clean
	[[ ! -e build && -f linux/mm/new.c ]]
}

tree_tracks_another_file() {
	scripts/tree
	echo mine >>linux/mm/other.c
	refuses 'make tree TRACK="mm/other.c"' scripts/tree
	git -C linux add -f mm/other.c
	commit "mm: mine"
	refuses 'make tree TRACK="mm/other.c"' scripts/export
	make tree TRACK=mm/other.c
	[[ $(git -C linux show base:mm/other.c) == untouched ]]
	scripts/export
	[[ $(grep -c '^[-+][^-+]' "$series"/0003-mm-mine.patch) == 1 ]]
	refuses "no file mm/nowhere.c in the base" scripts/tree mm/nowhere.c
	# and without the patch it is as in the base again, in place
	rm "$series"/0003-mm-mine.patch
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
	printf '%s\n' FILE_7_3_4=linux-source-7.3.deb "SHA256_7_3_4=$(sum dl/linux-source-7.3.deb)" >>base.mk
	cp "$series"/0001-*.patch patches/7.3/1-other/
	scripts/tree
	BASE=7.3 scripts/tree
	(cd 7.3 && commit "mm: seven" 7 seven)
	BASE=7.3 scripts/export
	[[ $(ls patches/7.3/1-other) == $'0001-mm-five.patch\n0002-mm-seven.patch' ]]
	unchanged patches/6.19
	prints "nothing has changed" scripts/export
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
	refuses "cannot reach the mirror" env WGET=4 scripts/fetch
	refuses "the mirror does not have Linux 6.19.10" env WGET=8 scripts/fetch
	prints "going on with Linux 6.19.10 instead" env WGET=0 scripts/fetch
	[[ ${out##*$'\n'} == "$PWD/dl/linux_6.19.10.orig.tar.xz" ]]
}

options_that_are_unknown_are_refused() {
	local script text command

	for script in tree export fetch run check shell install; do
		refuses "unknown argument --nonsense" "scripts/$script" --nonsense
	done
	scripts/tree
	while IFS=: read -r text command; do
		# shellcheck disable=SC2086 # words
		refuses "$text" env $command
	done <<-'END'
		unknown kernel nonsense:scripts/build nonsense
		there is no patch nonsense:scripts/build some nonsense
		there is no mutant nonsense:scripts/mutants nonsense
		PART=some:PART=some scripts/mutants
		ARCH=vax is neither:ARCH=vax scripts/run
		no gate nonsense:ONLY=am,nonsense scripts/check
	END
	prints "git am applies" env LIST=1 scripts/check
}

runner_refuses_what_it_does_not_know() {
	local tool

	refuses "usage: vmtest.sh" "$runner" --nonsense
	refuses "number" "$runner" -l soon
	refuses "no kernel image" "$runner" -n -d "$work/nowhere"
	mkdir -p "$work/tools"
	for tool in bash env dirname uname nproc sed cat mkdir realpath gcc make flex bison bc python3; do
		ln -sf "$(command -v "$tool")" "$work/tools/$tool"
	done
	PATH=$work/tools refuses "qemu-system-x86_64 is missing, install it (Debian: package qemu-system-x86)" \
		"$runner" -t x86_64
	((status == 4))
}

# all functions above that are named so
mapfile -t tests < <(declare -F | sed -n 's/^declare -f \(tree\|export\|fetch\|install\|options\|runner\)_/\1_/p')

fake_kernel 6.19.11
fake_kernel 6.19.10
fake_patches

echo "TAP version 13"
echo "1..${#tests[@]}"
failed=0 number=0
for test in "${tests[@]}"; do
	fresh >/dev/null
	number=$((number + 1))
	# a shell of its own, as set -e means nothing before || or after if
	set +e
	log=$(set -e; "$test" 2>&1)
	status=$?
	set -e
	case $status in
	0) echo "ok $number ${test//_/ }" ;;
	77) echo "ok $number ${test//_/ } # SKIP $log" ;;
	*)
		echo "# ${log//$'\n'/$'\n'# }"
		echo "not ok $number ${test//_/ }"
		failed=1 ;;
	esac
done
exit "$failed"
