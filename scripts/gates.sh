# shellcheck shell=bash
# Sourced by scripts/check: the gates, a function each, which succeeds if all is well
# and otherwise has said why. Those that run tests print KTAP.
#
# Uses common.sh, the build directories $seals and $base, and $scratch, a directory for each gate.

: "${arch:?}" "${machine:?}" "${retrieve_cost:?}" "${seals:?}" "${base:?}" "${series_base:?}" "${patch_dir:?}"
: "${scratch:=}"

# vmtest ARGUMENT...: there is time, as other VMs may run beside this one
vmtest() {
	runner -n -l 900 "$@"
}

# fails COMMAND...: it must, with status 1, and by what it says in $scratch/log
fails() {
	local status=0

	"$@" >"$scratch/log" 2>&1 || status=$?
	sed 's/^/# /' "$scratch/log"
	((status == 1))
}

vmtest_arm64() {
	ARCH=arm64 scripts/build seals
	arch=arm64 vmtest -d build/seals-arm64 "$@"
}

same_names() {
	[[ -s build/results-x86_64/results.ktap && -s build/results-arm64/results.ktap ]] ||
		{ echo "there are no results of both"; return 1; }
	diff <(names x86_64) <(names arm64 | grep -vE "memory_tags|huge_pages_64k")
}

# names ARCH: of all results, without their numbers
names() {
	awk '!/^ *(not )?ok [0-9]+/ { next }
	     { top = !/^ /; sub(/^ *(not )?ok [0-9]+ (- )?/, ""); sub(/ # SKIP.*/, "") }
	     !top { inner = inner "  " $0 "\n"; next }
	     { printf "%s%s\n", inner, $0; inner = "" }' \
		"build/results-$1/results.ktap"
}

every_patch_is_good_on_arm64() {
	ARCH=arm64 scripts/build base
	arch=arm64 base=build/$(tree_version)-arm64 every_patch_is_good
}

# kernel_patch PATCH: it, or what the base has in its place
kernel_patch() {
	local own=${1%/*}/$series_base/${1##*/}

	[[ ! -f $own ]] && echo "$1" || echo "$own"
}

# vmtest_variant KERNEL ARGUMENT...: run tests on a kernel of tests/kernels/
vmtest_variant() {
	scripts/build "$1" "$(kernel_patch "tests/kernels/$1.patch")" 2>&1 | sed 's/^/# /'
	tests_of=build/src-$1 vmtest -d "build/$1-$arch" "${@:2}"
}

variants_apply() {
	local patch patches=(tests/{kernels,mutants}/*.patch) status=0

	[[ $series_base == 6.19 ]] || patches=(tests/kernels/"$series_base"/*.patch)
	for patch in "${patches[@]}"; do
		patch -d linux -p1 -s -F 0 --dry-run <"$patch" ||
			{ echo "$patch does not apply to linux/: mend it"; status=1; }
	done
	return "$status"
}

# without CONFIG_DEBUG_VM; also the kernel of make bench
bench_kernel() {
	build_with bench "$seals" "build/bench-seals-$arch" linux
	grep -qx '# CONFIG_DEBUG_VM is not set' "build/bench-seals-$arch/.config"
}

host_kernel() {
	build_with "host iommufd" "$seals" "build/host-$arch" linux
}

iommufd_maps_memfds() {
	host_kernel
	vmtest -d "build/host-$arch" luo_memfd_iommufd
}

hosts_pass() {
	local test

	host_kernel
	vmtest -N -d "build/host-$arch"
	for test in pagecache limits hugetlb damaged fault; do
		vmtest -N -d "build/host-$arch" "luo_memfd_$test"
	done
	[[ $series_base == 6.19 ]] || gib_survives "build/host-$arch" -N
}

# gib_survives BUILD [OPTION...]
gib_survives() {
	vmtest -d "$1" "${@:2}" -m 5G -r 3 -p "hugepagesz=1G hugepages=1" "luo_memfd_chain -g"
}

nothp_refuses() {
	build_with nothp "$seals" "build/nothp-$arch" linux
	grep -qx '# CONFIG_TRANSPARENT_HUGEPAGE is not set' "build/nothp-$arch/.config"
	vmtest -d "$seals" -u "build/nothp-$arch" luo_memfd_matrix
}

debug_vm_may_differ() {
	bench_kernel
	vmtest -d "$seals" -u "build/bench-seals-$arch" luo_memfd_seals luo_memfd_freeze
	vmtest -d "build/bench-seals-$arch" -u "$seals" luo_memfd_seals luo_memfd_freeze
}

# Instructions per page of 4 KiB: the columns are preserve and retrieve.
cost_is_bounded() {
	bench_kernel
	BENCH=quick scripts/bench series=build/bench-seals-x86_64/arch/x86/boot/bzImage
	awk -v retrieve="$retrieve_cost" '
	     NF == 13 && $2 == "4K" { rows++; bad += $9 > retrieve || $7 > ($3 == 1 ? 280 : 200) }
	     NF == 13 && $2 == "2M" { rows++; bad += $7 > 1000 || $9 > 6500 }
	     NF == 13 && $2 == "hugetlb" { rows++; bad += $7 > 1500 || $9 > 6600 }
	     NF == 7 && $3 == "row" { rows++; bad += $7 > 40 }
	     NF == 7 && $3 == 1 { rows++; bad += $7 > 550 }
	     END { exit bad || rows != 14 }' build/bench.txt
}

# debug_kernel_is_silent [TEST...]: nothing may be skipped but what needs another kernel.
# kmemleak comes to no end while threads allocate all the time.
debug_kernel_is_silent() {
	local folder=linux/tools/testing/selftests/liveupdate
	local options=(-d "$seals-debug" -m 4G -p "kho_scratch=512M,512M,768M no5lvl" -l 1800 -r 2)

	runner -B -d "$seals-debug" -s linux -c "$folder/config.vmtest.debug"
	(($#)) || set -- liveupdate luo_kexec_simple luo_multi_session luo_memfd_seals \
		luo_memfd_freeze memfd/memfd_test memfd_luo_kunit
	[[ $* != *race* ]] || options+=(-p "kmemleak=off NO_LEAKS=1")
	vmtest "${options[@]}" "$@" | tee "$scratch/log"
	! grep -E '# SKIP' "$scratch/log" | grep -vE 'this kernel keeps freed memory$'
}

text_is_clean() {
	local test folder=linux/tools/testing/selftests/liveupdate

	shellcheck -x scripts/* tests/*.sh .ci/run
	shellcheck -x -P "$folder" "$folder/vmtest.sh"
	codespell -L ser,inflight,uptodate README.md docs scripts tests patches
	# every test that vmtest.sh leaves out has a gate
	# shellcheck disable=SC2016 # for make
	for test in $(make -s --no-print-directory -C "$folder" OUTPUT=. \
		--eval 'list: ; @echo $(ALONE) $(OTHER_KERNEL)' list); do
		grep -qE "\\<$test\\>" <(printf '%s\n' "${command[@]}") scripts/gates.sh ||
			{ echo "$test has no gate in scripts/check"; return 1; }
	done
}

export_changes_nothing() {
	scripts/export 2>&1 | tee "$scratch/log"
	[[ $(tail -n 1 "$scratch/log") == "export: nothing has changed" ]]
}

# Out of git's sight: Fixes: names commits that the tree of make tree doesn't have. The
# gate maintainers looks at new files.
patches_are_in_style() {
	local mail

	for mail in $(all_patches); do
		(cd linux && GIT_DIR=/nonexistent PATH=/usr/bin:$PATH scripts/checkpatch.pl \
			--strict --no-summary --quiet --ignore UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES \
			"../$mail")
	done
}

# git am on a base that nobody has touched, as a maintainer does it, and on one with what
# the latest release changes in the same places
series_apply() {
	local git=(git -C "$scratch" -c user.name=check -c user.email=check@localhost)

	git -C linux archive base | tar -x -C "$scratch"
	"${git[@]}" init -q
	"${git[@]}" add -A
	"${git[@]}" commit -qm base
	all_patches | xargs realpath | xargs "${git[@]}" am -q
	diff <(git -C linux ls-tree -r HEAD) <(git -C "$scratch" ls-tree -r HEAD)
	[[ $series_base == 6.19 ]] || return 0
	"${git[@]}" checkout -q --detach "$("${git[@]}" rev-list --max-parents=0 HEAD)"
	"${git[@]}" apply --index "$PWD/tests/kernels/6.19.13.patch"
	"${git[@]}" commit -qm 6.19.13
	all_patches | xargs realpath | xargs "${git[@]}" am -q
}

# touched KIND: the sources of the kernel that the series touch, by name
touched() {
	tree_git diff --name-only --diff-filter=d base HEAD -- {mm,kernel,include,lib}/"*.$1"
}

# objects_of BUILD FILE...: of what the series touch, the objects that have been made
# there from one of these
objects_of() {
	local file

	for file in $(touched c); do
		! printf '/%s\n' "${@:2}" |
			grep -sqF -f - "$1/${file%/*}/.$(basename "$file" .c).o.cmd" || echo "${file%c}o"
	done
}

# kmake BUILD SOURCE ARGUMENT...: with another architecture or compiler if BUILD is named so
kmake() {
	local variables=("ARCH=$arch")

	case $1 in
	build/i386) variables=(ARCH=i386) ;;
	build/clang) variables+=("CC=$(clang_command)") ;;
	esac
	[[ $arch == "$machine" ]] || variables+=("CROSS_COMPILE=${arch/arm64/aarch64}-linux-gnu-")
	make -C "$2" O="$PWD/$1" -j"$(nproc)" -s "${variables[@]}" "${@:3}"
}

# messages BUILD SOURCE [C=1] <TARGETS: what the compiler says about them, without line
# numbers; with C=1 about all of them anew, and sparse as well. That does not understand
# folio_lruvec_lock_irqsave(), and blames whoever calls it, as in the base; and 0.6.4 lacks
# a keyword that 7.3 insists on.
messages() {
	local targets

	mapfile -t targets
	((${#targets[@]})) || return 0
	[[ ! ${3:-} ]] || (cd "$1" && rm -f "${targets[@]}")
	kmake "$1" "$2" -k W=1 CHECK="sparse -D__typeof_unqual__=__typeof__" "${@:3}" "${targets[@]}" 2>&1 |
		sed -E "s,$(realpath "$2")/,,g; s/:[0-9]+(:[0-9]+)?:/:/; s/^ *[0-9]* \|/ |/
			/context imbalance in 'folio_batch_add_lru'/d" | sort -u
}

# base_messages BUILD SOURCE: those about the base go to $scratch/base
base_messages() {
	touched c | sed 's/c$/o/' | messages "$1" "$2" C=1 >"$scratch/base"
}

# nothing_new COMMAND...: succeeds if it does, and prints nothing that $scratch/base has not
nothing_new() {
	local status=0

	"$@" >"$scratch/now" || status=$?
	comm -13 "$scratch/base" "$scratch/now" | tee "$scratch/new"
	[[ $status == 0 && ! -s $scratch/new ]]
}

# objects_are_clean BUILD SOURCE FILE...: there are no messages about the objects of these
# files that $scratch/base has not. Those that the configuration leaves out are made, too.
objects_are_clean() {
	{
		objects_of "$1" "${@:3}"
		printf '%s\n' "${@:3}" | sed -nE 's,^((mm|kernel|lib)/.*)\.c$,\1.o,p'
	} | sort -u | nothing_new messages "$1" "$2" C=1
}

# Neither they nor kernel-doc have a message that the base has not.
sources_are_clean() {
	local source files

	source=build/src-$(tree_version)
	mapfile -t files < <(touched c)
	base_messages "$base" "$source"
	objects_are_clean "$seals" linux "${files[@]}"
	kernel_doc "$source" >"$scratch/base"
	nothing_new kernel_doc linux
}

# kernel_doc SOURCE: what kernel-doc has to say, without line numbers
kernel_doc() {
	touched '[ch]' | (cd "$1" && { xargs -n 1 scripts/kernel-doc -none -Wall 2>&1 || true; }) |
		sed -E 's/:[0-9]+/:/' | sort -u
}

maintainers_are_told() {
	local mail out pattern person

	for mail in $(all_patches); do
		out=$(cd linux && scripts/get_maintainer.pl --nogit --nogit-fallback "../$mail" 2>/dev/null)
		while read -r pattern person; do
			! grep -qE "^\+\+\+ .*$pattern" "$mail" || [[ $out == *"$person"* ]] ||
				{ echo "$mail does not reach $person"; return 1; }
		done <<-'END'
			. linux-kernel@vger.kernel.org
			(liveupdate|kexec_handover|kho|mm/memfd_luo) pasha.tatashin@soleen.com
			(liveupdate|kexec_handover|kho|mm/memfd_luo) rppt@kernel.org
			kexec_core kexec@lists.infradead.org
			mm/(shmem|memfd)\.c hughd@google.com
			b/mm/ linux-mm@kvack.org
		END
	done
}

# copy_base SOURCE BUILD: begin with the base at SOURCE, and without BUILD
copy_base() {
	rm -rf "$1" "$2"
	cp -al "build/src-$(tree_version)" "$1"
}

# changed COMMIT [OPTION...]: the files that it changes
changed() {
	tree_git diff-tree --no-commit-id --name-only -r "${@:2}" "$1"
}

# update_source COMMIT SOURCE: bring what it changes to a copy of the source that has
# hard links
update_source() {
	local file

	for file in $(changed "$1"); do
		rm -f "$2/$file"
		mkdir -p "$2/$(dirname "$file")"
		tree_git show "$1:$file" >"$2/$file"
		[[ $file != *.sh ]] || chmod +x "$2/$file"
	done
}

# Every patch, in order: it builds without a message, and the tests that there are by then
# pass; those that take long where they come in. Before the runner is there, those of v6.19
# do. SERIES names the only ones looked at. What a patch does not touch is not built again.
every_patch_is_good() {
	local source=build/src-bisect-$arch out=build/bisect-$arch commit file from tests last alone files built=
	local folder=tools/testing/selftests/liveupdate

	copy_base "$source" "$out"
	seed_build "$base" "$out" "build/src-$(tree_version)" "$source"
	base_messages "$out" "$source"
	for commit in $(tree_git rev-list --reverse base..HEAD); do
		update_source "$commit" "$source"
		[[ ! ${SERIES:-} ]] || tree_git branch --format='%(refname:short)' --contains "$commit" |
			sort -V | head -n 1 | grep -qxF "${SERIES//,/$'\n'}" || continue
		tree_git log -1 --format='# %s' "$commit"
		mapfile -t files < <(changed "$commit")
		tests=(luo_kexec_simple luo_multi_session) last=() alone=() from=linux
		for file in $(changed "$commit" --diff-filter=A); do
			case $file in
			*/luo_memfd_v1.c | */luo_memfd_unknown.c | */luo_memfd_seals.c | */luo_memfd_freeze.c) ;;
			*/luo_memfd_damaged.c) tests=(luo_memfd_damaged "${tests[@]}") ;;
			*/luo_memfd_race_chain.c) last=(luo_memfd_race_chain) ;;
			*/luo_memfd_hugetlb.c) alone=(luo_memfd_hugetlb) ;;
			"$folder"/luo_memfd_*.c | */memfd_luo_kunit.c)
				tests+=("$(basename "$file" .c)") ;;
			esac
		done
		if tree_git cat-file -e "$commit:$folder/config.vmtest" 2>/dev/null; then
			from=$source
			for file in liveupdate luo_memfd_{seals,freeze}; do
				[[ ! -f $source/$folder/$file.c ]] || tests+=("$file")
			done
		fi
		# one configuration for all of them, so that the kernel is not built anew
		rm -f "$source/$folder"/config*
		cp "linux/$folder"/config* "$source/$folder"
		[[ ${files[*]} != *Kconfig* ]] || rm -f "$out/fragment" # configure it anew
		if [[ ! $built ]] || printf '%s\n' "${files[@]}" | grep -qvE '^(tools|Documentation)/|^MAINTAINERS$'; then
			tests_of=$from runner -B -d "$out" -s "$source"
			objects_are_clean "$out" "$source" "${files[@]}"
			built=yes
		fi
		! printf '%s\n' "${files[@]}" | grep -qvE '^Documentation/|^MAINTAINERS$' ||
			tests_of=$from vmtest -d "$out" "${tests[@]}" "${last[@]}" | sed 's/^/# /'
		((!${#alone[@]})) || tests_of=$from vmtest -d "$out" "${alone[@]}" | sed 's/^/# /'
	done
}

# On the plain kernel exactly those memfds are as they were that were "SEAL 0777", which
# v6.19 makes of all; 7.3 loses some. All but those with huge pages can be preserved, and the
# tests that the base has already pass.
plain_kernel_fails() {
	local log=$scratch/log tests failed

	fails vmtest -d "$base" luo_kexec_simple luo_multi_session luo_memfd_seals
	[[ $(sed -nE 's/^not ok [0-9]+ //p' "$log") == luo_memfd_seals\ stage\ 1$'\n'luo_memfd_seals\ stage\ 2 ]]
	# only memfds with huge pages cannot be preserved
	if sed '/^not ok .* luo_memfd_seals stage 1$/q' "$log" | grep '^  not ok' |
		grep -vE ' ([a-z0-9_]+_huge|orphan)$'; then
		return 1
	fi
	grep -qE '^  ok [0-9]+ finish$' "$log"
	awk -v base="$series_base" '
		/; before: .*; after: / { split($0, is, /; (before|after): /); next }
		is[2] && /^ *(not )?ok / {
			rows++
			lost += $1 == "not"
			if ($1 == "ok" && is[2] != is[3] || base == "6.19" &&
			    (is[3] != "SEAL 0777" || $1 == "not" && is[2] == is[3])) {
				print "unexpected: " $0
				bad = 1
			}
			is[2] = ""
		}
		END { print "# " lost " of " rows " memfds are not as they were"
		      exit bad || !lost || lost == rows }' "$log"

	tests=$(tree_git show base:tools/testing/selftests/liveupdate/liveupdate.c |
		sed -nE 's/^TEST_F\((\w+), (\w+)\)/\1.\2/p')
	[[ $tests ]]
	fails vmtest -d "$base" "liveupdate -f liveupdate_device"
	failed=$(sed -nE 's/^ *not ok [0-9]+ ([a-z_]+\.[a-z_0-9]+).*/\1/p' "$log")
	[[ $failed ]]
	if grep -xF "$tests" <<<"$failed"; then
		return 1
	fi

	# reboot(2) does not fail, and the results end there
	fails vmtest -d "$base" luo_memfd_freeze
	! grep -qE '^ok [0-9]+ luo_memfd_freeze' "$log"
}

# On plain 7.3 those in huge folios do not count as such, and nothing else is wrong
# but that a memfd may go to swap while it is preserved, or be lucky.
plain_pages_are_not_huge() {
	fails vmtest -d "$base" luo_memfd_pagecache
	grep -E '^  not ok' "$scratch/log" | grep -v ' pushed\.' |
		sed -E 's/^  not ok [0-9]+ [a-z_]*\.//' | uniq -c | diff -w - <(echo "3 kpageflags")
}

# The plain kernel warns, and loses the whole session: not even the memfd in which stage 1
# leaves its settings can be retrieved.
v2_is_lost() {
	rm -rf build/lost
	fails vmtest -d "$seals" -u "$base" -w build/lost luo_memfd_seals
	grep -qE '^ok [0-9]+ luo_memfd_seals stage 1$' "$scratch/log"
	grep -qE '^  Bail out! .*state memfd .*No such file or directory' "$scratch/log"
	grep -q "No registered handler for compatible 'memfd-v2'" build/lost/console.log
	grep -qE 'WARNING: .*luo_file_set_destroy' build/lost/console.log
}

unknown_seal_fails() {
	vmtest_variant a-seal-more liveupdate
	vmtest_variant a-seal-more-handed-over -u "$seals" luo_memfd_unknown_seal
}

# kernels_mix FROM TO HEADING: what changes in memfds between 7.3 with and without
# 1-memfd_luo is what its cover letter has under HEADING
kernels_mix() {
	scripts/build 1-memfd_luo 2>&1 | sed 's/^/# /'
	tests_of=build/src-1-memfd_luo fails vmtest -d "build/$1-$arch" -u "build/$2-$arch" \
		luo_memfd_matrix luo_memfd_seals
	grep -qE '^ok [0-9]+ vmtest' "$scratch/log"
	python3 tests/rows.py "$scratch/log" >"$scratch/rows"
	sed -n "/^ $3:/,/^ \?[^ ]/{/^   /{/as it was$/!s/^ *//p}}" \
		"$patch_dir"/1-memfd_luo/0000-cover-letter.patch | diff - "$scratch/rows"
}

# runner_sees TEXT ARGUMENT...
runner_sees() {
	fails vmtest -d "$seals" "${@:2}"
	grep -q "$1" "$scratch/log"
}

kernel_stops() {
	scripts/build no-room-for-bitmaps tests/kernels/no-room-for-bitmaps.patch 2>&1 | sed 's/^/# /'
	runner_sees "Kernel panic - not syncing: KHO: memory may be preserved" \
		-u "build/no-room-for-bitmaps-$arch" -w "$scratch/room" luo_kexec_simple
	grep -q "see kho_scratch=" "$scratch/room/console.log"
}

runner_fails() {
	runner_sees "no end after 1 seconds" -l 1 luo_kexec_simple
	runner_sees "Kernel panic" -p init=/nowhere -p rdinit=/nowhere liveupdate
	runner_sees "unknown test" no_such_test
}

# mbox SERIES: it, with the headers that sending adds, and a date: b4 looks for commits
# until the day of the mail at the time of now, so that is a day after all of them
mbox() {
	local mail date number=0 reply=

	for mail in "$patch_dir/$1"/0*.patch; do
		date=$(date -R -d "$(sed -n '/^Date: /{s///p;q}' "$mail") + 2 days")
		sed -Ez ":a; s/(\n(From|Subject): [^\n]*)\n /\1 /; ta
			s/\nDate: [^\n]*/\nDate: $date\nMessage-Id: <$number@localhost>$reply/" "$mail"
		number=$((number + 1)) reply='\nIn-Reply-To: <0@localhost>'
	done
}

# A mailer's view: without being told, b4 finds out what each series applies to.
b4_finds_the_base() {
	local series base before=tags/base

	for series in $(series_folders); do
		mbox "$series" >"$scratch/mbox"
		(cd linux && HOME=$scratch b4 -n am -m "$scratch/mbox" -g -o "$scratch" 0@localhost) 2>&1 |
			tee "$scratch/log" || true
		# the series before it, or an earlier commit if none between touches its files
		base=$(sed -n 's/^ Base: \(.*\) (exact match)$/\1/p' "$scratch/log")
		git -C linux merge-base --is-ancestor "$base" "$before"
		# shellcheck disable=SC2046 # names of files
		[[ $base == "$before" ]] ||
			git -C linux diff --quiet "$base" "$before" -- $(git -C linux diff --name-only "$before" "$series")
		before=heads/$series
	done
}

# The header of the ABI compiles by itself, as memfd_luo.c is compiled; the first 48 bytes
# are those of mainline's memfd-v2, the mode is behind them, and there are no holes.
layout_is_right() {
	{
		echo '#include <linux/kho/abi/memfd.h>'
		printf '_Static_assert(__builtin_offsetof(struct memfd_luo_ser, %s) == %d, "");\n' \
			pos 0 size 8 seals 16 flags 20 nr_folios 24 folios 32 mode 48 reserved 52
		printf '_Static_assert(sizeof(struct %s) == %d, "");\n' \
			memfd_luo_ser 56 memfd_luo_folio_ser 16
	} >"$seals/input.c"
	(cd "$seals" && eval "$(sed -n 's/^savedcmd_[^=]*:= //p' mm/.memfd_luo.o.cmd |
		sed 's/;.*//; s,-c -o [^ ]* [^ ]*memfd_luo.c,-fsyntax-only input.c,')")
}

# the pages that the series touch, and those that show comments of what they touch
touched_pages() {
	{
		tree_git diff --name-only base HEAD -- '*.rst'
		tree_git diff --name-only base HEAD -- '*.[ch]' | sed 's,^,.. kernel-doc:: ,' |
			(cd linux && grep -rlxF -f - Documentation)
	} | sort -u
}

# Sphinx has nothing to say about the touched pages, nor about the sources whose
# comments they show, but that it does not see other directories, as only theirs are built.
pages_are_clean() {
	local page line log=$scratch/log status=0

	make -C linux -s O="$PWD/build/pages" htmldocs \
		SPHINXDIRS="$(touched_pages | cut -d / -f 2 | sort -u | paste -sd ' ')" >"$log" 2>&1 ||
		{ tail "$log"; return 1; }
	while read -r line; do
		page=$(sed -nE "s,.*(unknown|nonexisting) document:? '/?([^']*)'.*,\\2,p" <<<"$line")
		[[ $page && -f linux/Documentation/$page.rst ]] || { echo "$line"; status=1; }
	done < <(grep -E 'WARNING|ERROR' "$log" | grep -F -f <(tree_git diff --name-only base HEAD))
	for page in $(touched_pages); do
		find build/pages -name "$(basename "$page" .rst).html" | grep . ||
			{ echo "there is no page of $page"; status=1; }
	done
	return "$status"
}

# Other configurations in which every patch must build: a name, and what is not set of
# kernel_options. Some names say more: another architecture, another compiler, or all
# that there is as a module.
kernel_options=(64BIT EXPERT SMP MULTIUSER PRINTK FUTEX DEBUG_FS BLOCK SWAP SHMEM TMPFS
		HUGETLBFS MEMFD_CREATE TRANSPARENT_HUGEPAGE CGROUPS MEMCG X86_MCE MEMORY_FAILURE
		DEBUG_KERNEL DEBUG_VM KEXEC KEXEC_FILE KEXEC_HANDOVER KEXEC_HANDOVER_DEBUG
		KEXEC_HANDOVER_DEBUGFS LIVEUPDATE LIVEUPDATE_MEMFD KUNIT MEMFD_LUO_KUNIT_TEST)
configurations=(
	"without-memfd-create TMPFS HUGETLBFS MEMFD_CREATE"
	"without-liveupdate LIVEUPDATE"
	"without-handover KEXEC_HANDOVER LIVEUPDATE"
	"without-shmem SHMEM TMPFS LIVEUPDATE"
	"without-choice HUGETLBFS TRANSPARENT_HUGEPAGE MEMCG SWAP MEMORY_FAILURE DEBUG_VM"
	"i386 64BIT"
	clang
	allmodconfig
)
[[ $series_base != 7.3 ]] || configurations+=("without-liveupdate-memfd LIVEUPDATE_MEMFD")

# where the sources are that the series touch
folders=(mm/ kernel/liveupdate/ kernel/kexec_core.o fs/d_path.o)

# the newest clang
clang_command() {
	compgen -c clang | grep -xE 'clang(-[0-9]+)?' | while read -r command; do
		echo "$("$command" -dumpversion) $command"
	done | sort -V | tail -n 1 | cut -d ' ' -f 2
}

# configure BUILD SOURCE "CONFIGURATION OPTION...": without these options
configure() {
	[[ $3 != allmodconfig ]] || { kmake "$1" "$2" allmodconfig; return; }
	printf 'CONFIG_%s=y\n' "${kernel_options[@]}" |
		sed -E "s/^(CONFIG_(${3// /|}))=y/# \1 is not set/" >"$scratch/config"
	kmake "$1" "$2" KCONFIG_ALLCONFIG="$scratch/config" allnoconfig
	! grep -xFf <(sed -n 's/^# \(.*\) is not set/\1=y/p' "$scratch/config") "$1/.config"
}

# each_patch_builds SOURCE "CONFIGURATION OPTION...": with no message that the base has not
each_patch_builds() {
	local out=build/${2%% *} commit files

	echo "# $2"
	copy_base "$1" "$out"
	configure "$out" "$1" "$2"
	printf '%s\n' prepare "${folders[@]}" | messages "$out" "$1" >"$scratch/base" ||
		{ tail "$scratch/base"; return 1; }
	for commit in $(tree_git rev-list --reverse base..HEAD -- mm kernel include lib); do
		tree_git log -1 --format='# %s' "$commit"
		update_source "$commit" "$1"
		mapfile -t files < <(changed "$commit")
		[[ ${files[*]} != *Kconfig* ]] || configure "$out" "$1" "$2"
		objects_of "$out" "${files[@]}" | nothing_new messages "$out" "$1"
	done
	printf '%s\n' "${folders[@]}" | nothing_new messages "$out" "$1"
}

# Every patch builds in each of the configurations, and gcc W=1, or clang, has nothing to
# say that it has not said before the first patch. After the last one, all of it can be
# linked, though not all modules. Those that differ in options alone are built in one
# directory, one after the other, as most objects are the same.
every_configuration_builds() {
	local source=build/src-configurations arch=x86_64 words out

	rm -rf build/linked
	for words in "${configurations[@]}"; do
		each_patch_builds "$source" "$words"
	done
	for words in "${configurations[@]/#allmodconfig*/}"; do
		out=build/${words%% *}
		[[ $words != without-* ]] || out=build/linked
		[[ ! $words ]] || { configure "$out" "$source" "$words"; kmake "$out" "$source" vmlinux; }
	done
}

# selftests_pass_on VERSION: with a kernel that is this release and the series that are committed
selftests_pass_on() {
	git clone -q . "$scratch/clone"
	make -s -C "$scratch/clone" BASE="$1" ONLY=selftests V=1 check | sed 's/^# //'
}

luvm_can_be_installed() {
	make -s -B -C luvm UAPI="$PWD/linux/include/uapi" CFLAGS="-O2 -g -Wall -Wextra -Wshadow -Werror"
	make -s install PREFIX=/usr DESTDIR="$scratch"
	"$scratch/usr/bin/luvm" list --json
	groff -man -Tutf8 -ww "$scratch/usr/share/man/man1/luvm.1" 2>&1 >/dev/null | tee "$scratch/log"
	[[ ! -s $scratch/log ]]
}

# luvm_says STATUS FROM TO TEXT: what luvm check must exit with, and have in its last line
luvm_says() {
	local is=0

	LUVM_DIR=$scratch/run luvm/luvm check --from "$2" "$3" >"$scratch/log" 2>&1 || is=$?
	[[ $is == "$1" ]] && tail -n 1 "$scratch/log" | tr -s ' ' | grep -qF "$4" && return
	sed 's/^/# /' "$scratch/log"
	echo "# status $is, must be $1"
	return 1
}

# What luvm check reads from kernels, from changed and damaged ones, and from ones packed
# in other ways; those called Image and zboot have what boots arm64.
luvm_knows_kernels() {
	local new=$seals/arch/x86/boot/bzImage old=$base/arch/x86/boot/bzImage
	local rows row status from to text number=0 result failed=0

	make -s -B -C luvm UAPI="$PWD/linux/include/uapi"
	cp "$new" "$scratch/new"
	cp "$old" "$scratch/old"
	[[ $series_base == 7.3 ]] ||
		python3 tests/images.py "$new" "$seals/arch/x86/boot/compressed/vmlinux.bin" "$scratch"
	mapfile -t rows <<-'END'
		0 new  new            guests survive
		1 new  old            does not know memfd-v2
		1 old  new            writes memfd-v1, which has no seals
		0 new  gzip           guests survive
		0 new  zstd           guests survive
		0 new  lz4            guests survive
		0 new  xz             guests survive
		0 new  lzma           guests survive
		0 new  bzip2          guests survive
		0 new  lzop           guests survive
		1 new  kho-v4         does not know kho-v1
		1 new  session-v3     does not know luo-session-v2
		1 new  no-luo         cannot take memfds over (CONFIG_LIVEUPDATE)
		1 no-luo new          cannot hand memfds over (CONFIG_LIVEUPDATE)
		1 new  memfd-v3       does not know memfd-v2
		1 memfd-v3 new        does not know memfd-v3
		1 new  memfd-v20      does not know memfd-v2
		1 new  text-only      does not know memfd-v2
		1 new  no-flags       makes memory with F_SEAL_EXEC executable
		1 new  no-thp         has no CONFIG_TRANSPARENT_HUGEPAGE
		0 no-thp new          guests survive
		1 new  other-machine  is for another architecture
		1 new  Image          is for another architecture
		0 Image Image.gz      guests survive
		0 Image zboot         guests survive
		1 new  bit            is damaged: gzip cannot unpack it
		1 new  cut            is cut short
		1 new  size           is damaged: unpacked it is
		1 new  header         is no kernel image
		1 new  empty          is no kernel image
		1 new  .              is no kernel image
		1 new  log            is no kernel image
		1 new  none           cannot open the kernel
		1 new  no-hugetlb     huge ended does not survive: one of the kernels does not know memfds of huge pages
		1 new  new            huge ended does not survive: luvm save takes guests that run
		1 new  new            huge ended does not survive: Linux 6.19 does not preserve huge pages of 1 GiB
	END
	[[ $series_base != 7.3 ]] || rows=(
		"0 new new  guests survive"
		"0 old new  guests survive"
		"1 new old  makes memory with F_SEAL_EXEC executable"
		"1 old old  makes memory with F_SEAL_EXEC executable")
	echo "TAP version 13"
	echo "1..${#rows[@]}"
	for row in "${rows[@]}"; do
		read -r status from to text <<<"$row"
		number=$((number + 1)) result=ok
		# from here on there is a guest
		[[ $to != no-hugetlb ]] || echo '{ "hugepages": 2097152 }' >"$scratch/run/huge.json"
		[[ $text != *"1 GiB" ]] || echo '{ "hugepages": 1073741824 }' >"$scratch/run/huge.json"
		luvm_says "$status" "$scratch/$from" "$scratch/$to" "$text" || { result="not ok"; failed=1; }
		echo "$result $number $from to $to: $text"
	done
	return "$failed"
}

# DEMO=base must fail, for this reason and no other
demo_needs_the_series() {
	DEMO=base fails scripts/demo
	grep -q 'seals of the memory are SEAL, must be SEAL|SHRINK|GROW|EXEC' "$scratch/log"
}

package_can_be_installed() {
	local units="luvm-save.service luvm-restore.service luvm@guest.service"

	scripts/deb luvm
	lintian --fail-on error build/deb/luvm_*.changes
	debian "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" systemd - --format=null \
		--customize-hook="chroot \"\$1\" sh -ec 'luvm list --json; systemd-analyze verify --man=no $units'"
}
