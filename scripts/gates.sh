# shellcheck shell=bash
# Sourced by scripts/check: the gates, a function each, which succeeds if all is well
# and otherwise has said why. Those that run tests print KTAP.
#
# Uses common.sh, and the build folders $seals and $base.

: "${arch:?}" "${machine:?}" "${seals:?}" "${base:?}" "${series_base:?}" "${patch_dir:?}"

# vmtest ARGUMENT...: there is time, as other VMs may run beside this one
vmtest() {
	runner -n -l 900 "$@"
}

# selftests_pass ARCH: those that vmtest.sh runs by itself; the results are kept
selftests_pass() {
	ARCH=$1 scripts/build seals
	arch=$1 vmtest -d "build/seals-$1" -w "build/results-$1"
}

# vmtest_fails LOG ARGUMENT...: it must, and by what its results say
vmtest_fails() {
	local status=0

	vmtest "${@:2}" >"$1" 2>&1 || status=$?
	sed 's/^/# /' "$1"
	((status == 1))
}

vmtest_arm64() {
	ARCH=arm64 scripts/build seals
	arch=arm64 vmtest -d build/seals-arm64 "$@"
}

same_names() {
	diff <(names x86_64) <(names arm64)
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

# kernel_patch KERNEL: its patch in tests/kernels/, where a base may have one of its own
kernel_patch() {
	local patch=tests/kernels/$series_base/$1.patch

	[[ -f $patch ]] || patch=tests/kernels/$1.patch
	echo "$patch"
}

# vmtest_variant KERNEL ARGUMENT...: run tests on a kernel of tests/kernels/
vmtest_variant() {
	local name=$1

	scripts/build "$name" "$(kernel_patch "$name")" 2>&1 | sed 's/^/# /'
	tests_of=build/src-$name vmtest -d "build/$name-$arch" "${@:2}"
}

variants_apply() {
	local patch patches=() status=0

	for patch in tests/kernels/*.patch; do
		patches+=("$(kernel_patch "$(basename "$patch" .patch)")")
	done
	[[ $series_base != 6.19 ]] || patches+=(tests/mutants/*.patch)
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

debug_vm_may_differ() {
	bench_kernel
	vmtest -d "$seals" -u "build/bench-seals-$arch" luo_memfd_seals luo_memfd_freeze
	vmtest -d "build/bench-seals-$arch" -u "$seals" luo_memfd_seals luo_memfd_freeze
}

# Instructions per page of 4 KiB: the columns are preserve and retrieve.
cost_is_bounded() {
	bench_kernel
	BENCH=quick scripts/bench series=build/bench-seals-x86_64/arch/x86/boot/bzImage
	awk '$1 == "256M" && $2 == "4K" { rows++; bad += $5 > 250 || $8 > 500 }
	     $1 == "256M" && $2 == "2M" { rows++; bad += $5 > 35 || $8 > 15 }
	     END { exit bad || rows != 2 }' build/bench.txt
}

# debug_kernel_is_silent [TEST...]: nothing may be skipped but what needs another kernel.
# kmemleak comes to no end while threads allocate all the time.
debug_kernel_is_silent() {
	local folder=linux/tools/testing/selftests/liveupdate log=build/log/debug.log
	local options=(-d "$seals-debug" -m 4G -p "kho_scratch=512M,512M,768M no5lvl" -l 1800 -r 2)

	runner -B -d "$seals-debug" -s linux -c "$folder/config.vmtest.debug"
	(($#)) || set -- liveupdate luo_kexec_simple luo_multi_session luo_memfd_seals \
		luo_memfd_freeze memfd/memfd_test memfd_luo_kunit
	[[ $* != *race* ]] || options+=(-p kmemleak=off)
	vmtest "${options[@]}" "$@" | tee "$log"
	! grep -E '# SKIP' "$log" | grep -vE 'this kernel keeps freed memory$'
}

text_is_clean() {
	local test tests folder=linux/tools/testing/selftests/liveupdate

	shellcheck -x scripts/* tests/*.sh .ci/run
	shellcheck -x -P "$folder" "$folder/vmtest.sh"
	codespell -L ser,inflight,uptodate README.md docs scripts tests patches
	# every test that vmtest.sh leaves out has a gate
	# shellcheck disable=SC2016 # for make
	tests=$(make -s --no-print-directory -C "$folder" OUTPUT=. \
		--eval 'list: ; @echo $(ALONE) $(OTHER_KERNEL)' list)
	for test in $tests; do
		grep -qE "\\<$test\\>" <(printf '%s\n' "${command[@]}") scripts/gates.sh ||
			{ echo "$test has no gate in scripts/check"; return 1; }
	done
}

export_changes_nothing() {
	local out

	out=$(scripts/export 2>&1)
	echo "$out"
	[[ $out == "export: nothing has changed" ]]
}

# Those of the kernel, in userspace, with AddressSanitizer. They stop for nothing, and
# say at the end how many passed.
xarray_is_good() {
	local folder

	folder=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$folder'" RETURN
	cp -a --parents linux/{lib,include,tools} "$folder"
	make -s -C "$folder/linux/tools/testing/radix-tree" xarray
	"$folder/linux/tools/testing/radix-tree/xarray" | tee "$folder/results"
	grep -qE '^XArray: ([0-9]+) of \1 tests passed$' "$folder/results"
}

# the patches of all series, in order
all_patches() {
	local series

	for series in $(series_folders); do
		patches_of "$series"
	done
}

# Out of git's sight: Fixes: names commits that the tree of make tree doesn't have.
# XA_BUG_ON() is what all tests of the XArray use, and no more than a message. 7.3's
# MAINTAINERS has the directories of all new files.
patches_are_in_style() {
	local mail ignored

	for mail in $(all_patches); do
		# the gate maintainers looks at new files
		ignored=UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES
		! grep -q '^+++ b/lib/test_xarray.c' "$mail" || ignored+=,AVOID_BUG
		(cd linux && GIT_DIR=/nonexistent PATH=/usr/bin:$PATH scripts/checkpatch.pl \
			--strict --no-summary --quiet --ignore "$ignored" "../$mail")
	done
}

# git am on a base that nobody has touched, as a maintainer does it
series_apply() {
	local folder

	folder=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$folder'" RETURN
	git -C linux archive base | tar -x -C "$folder"
	git -C "$folder" init -q
	git -C "$folder" add -A
	git -C "$folder" -c user.name=check -c user.email=check@localhost commit -qm base
	all_patches | xargs realpath |
		xargs git -C "$folder" -c user.name=check -c user.email=check@localhost am -q
	git -C "$folder" diff --exit-code HEAD --stat
	diff -r -x .git <(git -C linux ls-tree -r HEAD) <(git -C "$folder" ls-tree -r HEAD)
}

# touched KIND: the sources of the kernel that the series touch, by name
touched() {
	tree_git diff --name-only --diff-filter=d base HEAD -- {mm,kernel,include,lib}/"*.$1"
}

# the objects of these sources
touched_objects() {
	touched c | sed 's/c$/o/'
}

# objects_of BUILD FILE...: of what the series touch, the objects that have been made
# there from one of these
objects_of() {
	local object

	for object in $(touched_objects); do
		! printf '/%s\n' "${@:2}" |
			grep -sqF -f - "$1/$(dirname "$object")/.$(basename "$object").cmd" || echo "$object"
	done
}

# object_messages SOURCE BUILD OBJECT...: what gcc W=1 and sparse say about them, without
# line numbers. Sparse does not understand folio_lruvec_lock_irqsave(), and blames whoever
# calls it, as in the base. Sparse 0.6.4 lacks a keyword that 7.3 insists on.
object_messages() {
	local cross=

	[[ $arch == "$machine" ]] ||
		cross=${arch/arm64/aarch64}-linux-gnu-
	(cd "$2" && rm -f "${@:3}")
	make -C "$1" O="$PWD/$2" ARCH="$arch" CROSS_COMPILE="$cross" \
		CHECK="sparse -D__typeof_unqual__=__typeof__" -s W=1 C=1 "${@:3}" 2>&1 |
		sed -E "s,$(realpath "$1")/,,g; s/:[0-9]+(:[0-9]+)?:/:/
			/context imbalance in 'folio_batch_add_lru'/d" | sort -u
}

# nothing_new BASE NOW: fails if NOW has lines that BASE has not, and prints them
nothing_new() {
	local new

	new=$(comm -13 "$1" "$2") || return
	[[ -z $new ]] || { echo "$new"; return 1; }
}

# objects_are_clean SOURCE BUILD BASE FILE...: the objects of these files have nothing to
# say that is not in the file BASE, which is what was said about the base. Those that
# the configuration leaves out are made as well.
objects_are_clean() {
	local objects

	mapfile -t objects < <({
		objects_of "$2" "${@:4}"
		printf '%s\n' "${@:4}" | sed -nE 's,^((mm|kernel|lib)/.*)\.c$,\1.o,p'
	} | sort -u)
	((${#objects[@]})) || return 0
	object_messages "$1" "$2" "${objects[@]}" >"$2/messages"
	nothing_new "$3" "$2/messages"
}

# compile BUILD OPTION...: the standard input, as memfd_luo.c is compiled there
compile() {
	cat >"$1/input.c"
	(cd "$1" &&
	 eval "$(sed -n 's/^savedcmd_[^=]*:= //p' mm/.memfd_luo.o.cmd | sed "s/;.*//
		s,-c -o [^ ]* [^ ]*memfd_luo.c,${*:2} input.c,")")
}

# Neither they nor kernel-doc have, and the header of the ABI compiles by itself.
sources_are_clean() {
	local source files objects

	source=build/src-$(tree_version)
	mapfile -t files < <(touched c)
	mapfile -t objects < <(touched_objects)
	object_messages "$source" "$base" "${objects[@]}" >"$base/messages"
	objects_are_clean linux "$seals" "$base/messages" "${files[@]}"
	echo "#include <linux/kho/abi/memfd.h>" | compile "$seals" -fsyntax-only
	# nothing that the base does not have
	nothing_new <(kernel_doc "$source") <(kernel_doc linux)
}

# kernel_doc SOURCE: what kernel-doc has to say, without line numbers
kernel_doc() {
	touched '[ch]' | while read -r file; do
		[[ -f $1/$file ]] || continue
		(cd "$1"; scripts/kernel-doc -none -Wall "$file") 2>&1 || true
	done | sed -E 's/:[0-9]+/:/' | sort -u
}

maintainers_are_told() {
	local mail out people person

	for mail in $(all_patches); do
		people=()
		! grep -qE '^\+\+\+ .*(liveupdate|kexec_handover|kho|mm/memfd_luo)' "$mail" ||
			people+=(pasha.tatashin@soleen.com rppt@kernel.org)
		! grep -qE '^\+\+\+ .*kexec_core' "$mail" || people+=(kexec@lists.infradead.org)
		! grep -qE '^\+\+\+ .*mm/(shmem|memfd)\.c' "$mail" || people+=(hughd@google.com)
		! grep -qE '^\+\+\+ b/mm/' "$mail" || people+=(linux-mm@kvack.org)
		((${#people[@]})) || people=(linux-kernel@vger.kernel.org)
		out=$(cd linux && scripts/get_maintainer.pl --nogit --nogit-fallback "../$mail" 2>/dev/null)
		for person in "${people[@]}"; do
			[[ $out == *"$person"* ]] || { echo "$mail does not reach $person"; return 1; }
		done
	done
}

# update_source COMMIT SOURCE: bring what it changes to a copy of the source that has
# hard links
update_source() {
	local file

	for file in $(tree_git diff-tree --no-commit-id --name-only -r "$1"); do
		rm -f "$2/$file"
		mkdir -p "$2/$(dirname "$file")"
		tree_git show "$1:$file" >"$2/$file"
		[[ $file != *.sh ]] || chmod +x "$2/$file"
	done
}

# Every patch, in order: it builds without a message, and the tests that there are
# by then pass; those that take long where they come in. Before the runner is there,
# those of v6.19 do. SERIES names the only ones looked at. What a patch does not touch is not built again.
every_patch_is_good() {
	local source=build/src-bisect-$arch out=build/bisect-$arch commit changed file from tests first last files objects built=
	local folder=tools/testing/selftests/liveupdate

	rm -rf "$source" "$out"
	cp -al "build/src-$(tree_version)" "$source"
	seed_build "$base" "$out" "build/src-$(tree_version)" "$source"
	mapfile -t objects < <(touched_objects)
	object_messages "$source" "$out" "${objects[@]}" >"$out/messages.base"
	for commit in $(tree_git rev-list --reverse base..HEAD); do
		update_source "$commit" "$source"
		[[ ! ${SERIES:-} ]] || tree_git branch --format='%(refname:short)' --contains "$commit" |
			sort -V | head -n 1 | grep -qxF "${SERIES//,/$'\n'}" || continue
		tree_git log -1 --format='# %s' "$commit"
		tests=(luo_kexec_simple luo_multi_session) first=() last=()
		changed=$(tree_git diff-tree --no-commit-id --name-only -r "$commit")
		for file in $changed; do
			[[ $file != */Kconfig* ]] || rm -f "$out/fragment" # configure it anew
			! tree_git cat-file -e "$commit~:$file" 2>/dev/null || continue
			case $file in
			*/luo_memfd_v1.c) ;;
			*/luo_memfd_damaged.c) first=(luo_memfd_damaged) ;;
			*/luo_memfd_race_chain.c) last=(luo_memfd_race_chain) ;;
			"$folder"/luo_memfd_*.c | */memfd_luo_kunit.c)
				tests+=("$(basename "$file" .c)") ;;
			esac
		done
		# one configuration for all of them, so that the kernel is not built anew
		rm -f "$source/$folder"/config*
		cp "linux/$folder"/config* "$source/$folder"
		from=linux
		if tree_git cat-file -e "$commit:$folder/config.vmtest" 2>/dev/null; then
			from=$source
			tests+=(liveupdate)
			for file in "$source/$folder"/luo_memfd_{seals,freeze}.c; do
				[[ ! -f $file || " ${tests[*]} " == *" $(basename "$file" .c) "* ]] || tests+=("$(basename "$file" .c)")
			done
		fi
		if [[ ! $built ]] || grep -qvE '^(tools|Documentation)/|^MAINTAINERS$' <<<"$changed"; then
			tests_of=$from runner -B -d "$out" -s "$source"
			mapfile -t files <<<"$changed"
			objects_are_clean "$source" "$out" "$out/messages.base" "${files[@]}"
			built=yes
		fi
		! grep -qvE '^Documentation/|^MAINTAINERS$' <<<"$changed" ||
			tests_of=$from vmtest -d "$out" "${first[@]}" "${tests[@]}" "${last[@]}" | sed 's/^/# /'
	done
}

# rows LOG: of luo_memfd_seals, for each memfd that came back: "ok" or "not", what it was,
# what it is, and its name, with tabs between
rows() {
	awk '/^ *# .*: created with:.*; before: .*; after: / {
		     sub(/^ *# /, "")
		     name = before = after = $0
		     sub(/: created with:.*/, "", name)
		     sub(/.*; before: /, "", before); sub(/; after: .*/, "", before)
		     sub(/.*; after: /, "", after)
		     at[name] = before "\t" after
		     next
	     }
	     /^ *(not )?ok [0-9]+ / {
		     result = $1
		     sub(/^ *(not )?ok [0-9]+ (- )?/, ""); sub(/: comes back as it was$/, "")
		     if ($0 in at)
			     print result "\t" at[$0] "\t" $0
	     }' "$1"
}

# On the plain kernel exactly those memfds are as they were that were "SEAL 0777", which
# v6.19 makes of all; 7.3 loses some. All can be preserved, and the tests that the base
# has already pass.
plain_kernel_fails() {
	local log=build/log/plain.log tests failed

	vmtest_fails "$log" -d "$base" luo_kexec_simple luo_multi_session luo_memfd_seals
	grep -qE '^ok [0-9]+ luo_memfd_seals stage 1$' "$log"
	grep -qE '^not ok [0-9]+ luo_memfd_seals stage 2$' "$log"
	(($(grep -c '^not ok' "$log") == 1))
	grep -qE '^  ok [0-9]+ (finish|the sessions can be finished)$' "$log"
	rows "$log" | awk -F '\t' -v base="$series_base" '
		{ rows++ }
		$1 == "not" { lost++ }
		($1 == "ok") && $2 != $3 { print "cannot fail: " $4; bad = 1 }
		base == "6.19" && ($3 != "SEAL 0777" || ($1 == "ok") != ($2 == $3)) {
			print "unexpected: " $0; bad = 1 }
		END { print "# " lost " of " rows " memfds are not as they were"
		      exit bad || !lost || lost == rows }'

	tests=$(tree_git show base:tools/testing/selftests/liveupdate/liveupdate.c 2>/dev/null |
		sed -nE 's/^TEST_F\((\w+), (\w+)\)/\1.\2/p')
	[[ $tests ]]
	vmtest_fails "$log" -d "$base" "liveupdate -f liveupdate_device"
	failed=$(sed -nE 's/^ *not ok [0-9]+ ([a-z_]+\.[a-z_0-9]+).*/\1/p' "$log")
	[[ $failed ]]
	! grep -xF "$tests" <<<"$failed"

	# reboot(2) does not fail, and the results end there
	vmtest_fails "$log" -d "$base" luo_memfd_freeze
	! grep -qE '^ok [0-9]+ luo_memfd_freeze' "$log"
}

# On plain 7.3 those in huge folios do not count as such, and nothing else is wrong
# but that a memfd may go to swap while it is preserved, or be lucky.
plain_pages_are_not_huge() {
	local log=build/log/plain-pages.log

	vmtest_fails "$log" -d "$base" luo_memfd_pagecache
	grep -E '^  not ok' "$log" | grep -v 'pushed out while it was preserved: can be' |
		sed -E 's/^  not ok [0-9]+ [^:]*: //' | uniq -c | diff -w - \
		<(echo "5 /proc/kpageflags calls them huge if they are, and only then")
}

v1_is_retrieved() {
	vmtest -d "$base" -u "$seals" luo_memfd_v1
}

# The plain kernel warns, and loses the whole session: not even the memfd in which stage 1
# leaves its settings can be retrieved.
v2_is_lost() {
	local console=build/lost/console.log log=build/log/lost.log

	rm -rf build/lost
	vmtest_fails "$log" -d "$seals" -u "$base" -w build/lost luo_memfd_seals
	grep -qE '^ok [0-9]+ luo_memfd_seals stage 1$' "$log"
	grep -qE '^  Bail out! .*state memfd .*No such file or directory' "$log"
	grep -q "No registered handler for compatible 'memfd-v2'" "$console"
	grep -qE 'WARNING: .*luo_file_set_destroy' "$console"
}

# From a kernel that writes a version of its own for some memfds, without a warning.
unknown_version_is_lost() {
	vmtest_variant a-version-more -u "$seals" luo_memfd_unknown_version
}

unknown_seal_fails() {
	vmtest_variant a-seal-more liveupdate
	vmtest_variant a-seal-more-handed-over -u "$seals" luo_memfd_unknown_seal
}

# kernels_mix FROM TO HEADING: what becomes of all memfds between 7.3 with and
# without the series is what the cover letter has under HEADING. Every memfd is in
# build/log/rows-HEADING.
kernels_mix() {
	local log=build/log/mix.log

	rm -rf build/mix
	vmtest_fails "$log" -d "$1" -u "$2" -w build/mix luo_memfd_matrix luo_memfd_seals
	grep -qE '^ok [0-9]+ (vmtest|all kernels are silent)' "$log"
	python3 tests/rows.py build/mix/results.ktap "build/log/rows-${3// /-}" >"$log"
	sed 's/^/# /' "$log"
	diff <(awk -v heading=" $3:" '$0 == heading { on = 1; next } on && NF { sub(/^ */, ""); print }
				      on && !NF && found++ { exit }' "$patch_dir"/1-memfd_luo/0000-cover-letter.patch) "$log"
}

# runner_sees TEXT ARGUMENT...
runner_sees() {
	local log=build/log/runner.log

	vmtest_fails "$log" "${@:2}"
	grep -q "$1" "$log"
}

runner_fails() {
	runner_sees "no end after 1 seconds" -d "$seals" -l 1 luo_kexec_simple
	runner_sees "Kernel panic" -d "$seals" -p init=/nowhere -p rdinit=/nowhere liveupdate
	runner_sees "unknown test" -d "$seals" no_such_test
}

# A mailer's view: without being told, b4 finds out what each series applies to. It
# needs the headers that sending adds, and a date: b4 looks for commits until the day
# of the mail at the time of now, so that is a day that comes after all of them.
b4_finds_the_base() {
	local series before=tags/base work

	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" RETURN
	for series in $(series_folders); do
		python3 - "$patch_dir/$series" "$work/$series.mbox" <<-'EOF'
			import datetime, email, email.utils, glob, mailbox, sys
			box = mailbox.mbox(sys.argv[2])
			for number, name in enumerate(sorted(glob.glob(sys.argv[1] + "/0*.patch"))):
			    mail = email.message_from_binary_file(open(name, "rb"))
			    for header in "From", "Subject":
			        mail.replace_header(header, " ".join(mail[header].split()))
			    date = email.utils.parsedate_to_datetime(mail["Date"]) + datetime.timedelta(days=2)
			    mail.replace_header("Date", email.utils.format_datetime(date))
			    mail["Message-Id"] = "<%d@localhost>" % number
			    if number:
			        mail["In-Reply-To"] = "<0@localhost>"
			    box.add(mail)
			box.flush()
		EOF
		(cd linux && HOME=$work b4 -n am -m "$work/$series.mbox" -g -o "$work" 0@localhost) \
			>"$work/$series.log" 2>&1 || true
		sed 's/^/# /' "$work/$series.log"
		grep -qx " Base: $before (exact match)" "$work/$series.log"
		before=heads/$series
	done
}

# layout BUILD: of the ABI in that kernel, as pahole sees it
layout() {
	printf '#include <linux/kho/abi/memfd.h>\nstruct memfd_luo_ser a; struct memfd_luo_folio_ser b;\n' |
		compile "$1" -g -c -o abi.o
	pahole -C memfd_luo_ser,memfd_luo_folio_ser "$1/abi.o"
}

# Without holes, and the first 48 bytes are those of mainline's memfd-v2; on 7.3 it is that of the base.
layout_is_right() {
	local log=build/log/layout

	layout "$seals" | tee "$log"
	if [[ $series_base == 7.3 ]]; then
		diff <(layout "$base") "$log"
		return
	fi
	! grep -E 'hole|padding' "$log"
	# as mainline has it, and the mode behind it
	diff <(printf '%s\n' "memfd_luo_folio_ser 16" "memfd_luo_ser 56" "pos 0" "size 8" "seals 16" \
		"flags 20" "nr_folios 24" "folios 32" "mode 48" "reserved 52" | sort) \
	     <(awk '/^struct/ { type = $2 }
		    /^\t/ && $(NF - 4) ~ /;$/ && type == "memfd_luo_ser" { sub(/;/, ""); print $(NF - 4), $(NF - 2) }
		    $2 == "size:" { print type, $3 + 0 }' "$log" | sort)
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
# comments they show, but that it does not see other folders, as only theirs are built.
pages_are_clean() {
	local folder page line log=$PWD/build/log/pages.log status=0

	for folder in $(touched_pages | cut -d / -f 2 | sort -u); do
		make -C linux -s O="$PWD/build/pages" htmldocs SPHINXDIRS="$folder" >"$log" 2>&1 ||
			{ tail "$log"; return 1; }
		while read -r line; do
			page=$(sed -nE "s,.*(unknown|nonexisting) document:? '/?([^']*)'.*,\\2,p" <<<"$line")
			[[ -z $page || ! -f linux/Documentation/$page.rst ]] || continue
			echo "$line"
			status=1
		done < <(grep -E 'WARNING|ERROR' "$log" | grep -F -f <(tree_git diff --name-only base HEAD))
	done
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
folders=(mm/ kernel/liveupdate/ kernel/kexec_core.o lib/xarray.o lib/test_xarray.o)

# kmake CONFIGURATION BUILD SOURCE ARGUMENT...
kmake() {
	local variables=(ARCH=x86_64)

	case $1 in
	i386) variables=(ARCH=i386) ;;
	clang) variables+=("CC=$(clang_command)") ;;
	esac
	[[ $(uname -m) == x86_64 ]] || variables+=(CROSS_COMPILE=x86_64-linux-gnu-)
	make -C "$3" O="$PWD/build/$2" -j"$(nproc)" -s "${variables[@]}" "${@:4}"
}

# the newest clang
clang_command() {
	compgen -c clang | grep -xE 'clang(-[0-9]+)?' | while read -r command; do
		echo "$("$command" -dumpversion) $command"
	done | sort -V | tail -n 1 | cut -d ' ' -f 2
}

# configure "CONFIGURATION OPTION..." BUILD SOURCE: without these options
configure() {
	local words option config=build/log/configuration

	read -ra words <<<"$1"
	if [[ ${words[0]} == allmodconfig ]]; then
		kmake allmodconfig "$2" "$3" allmodconfig
		return
	fi
	printf 'CONFIG_%s=y\n' "${kernel_options[@]}" >"$config"
	for option in "${words[@]:1}"; do
		sed -i "s/^CONFIG_$option=y/# CONFIG_$option is not set/" "$config"
	done
	kmake "${words[0]}" "$2" "$3" KCONFIG_ALLCONFIG="$PWD/$config" allnoconfig &&
		! grep -xFf <(sed -n 's/^# \(.*\) is not set/\1=y/p' "$config") "build/$2/.config"
}

# what the compiler says about some objects, without line numbers
messages() {
	kmake "$1" "$1" "$2" -k W=1 "${@:3}" 2>&1 | sed -E 's/:[0-9]+(:[0-9]+)?:/:/; s/^ *[0-9]* \|/ |/' | sort -u
}

# Every patch builds in each of the configurations, and gcc W=1, or clang, has nothing
# to say that it has not said before the first patch. After the last one, all of
# it can be linked.
every_configuration_builds() {
	local source=build/src-configurations commit words name objects changed status=0

	rm -rf "$source" build/linked
	cp -al "build/src-$(tree_version)" "$source"
	for words in "${configurations[@]}"; do
		name=${words%% *}
		echo "# $name"
		rm -rf "build/$name"
		configure "$words" "$name" "$source"
		messages "$name" "$source" prepare "${folders[@]}" >"build/log/$name.base" ||
			{ tail "build/log/$name.base"; return 1; }
	done
	for commit in $(tree_git rev-list --reverse base..HEAD -- mm kernel include lib); do
		tree_git log -1 --format='# %s' "$commit"
		update_source "$commit" "$source"
		mapfile -t changed < <(tree_git diff-tree --no-commit-id --name-only -r "$commit")
		for words in "${configurations[@]}"; do
			name=${words%% *}
			[[ ${changed[*]} != *Kconfig* ]] || configure "$words" "$name" "$source" || status=1
			mapfile -t objects < <(objects_of "build/$name" "${changed[@]}")
			((${#objects[@]})) || continue
			messages "$name" "$source" "${objects[@]}" >"build/log/$name.now" || status=1
			nothing_new "build/log/$name.base" "build/log/$name.now" || { echo "in $name"; status=1; }
		done
	done
	for words in "${configurations[@]}"; do
		name=${words%% *}
		echo "# $name, all of it"
		messages "$name" "$source" "${folders[@]}" >"build/log/$name.now" || status=1
		nothing_new "build/log/$name.base" "build/log/$name.now" || { echo "in $name"; status=1; }
		links "$words" "$source" || { echo "$name cannot be linked"; status=1; }
	done
	return "$status"
}

# links "CONFIGURATION OPTION..." SOURCE: the whole kernel, though not with all modules.
# Those that differ in options alone are built in one folder, one after the other, as
# most objects are the same.
links() {
	local name=${1%% *} out=linked

	[[ $name != allmodconfig ]] || return 0
	[[ $name == without-* ]] || out=$name
	configure "$1" "$out" "$2" && kmake "$name" "$out" "$2" vmlinux
}

# selftests_pass_on VERSION: with a kernel that is this release and the series
selftests_pass_on() {
	local source=build/src-$1-seals out=build/seals-$1-$arch

	rm -rf "$source" "$out"
	mkdir -p "$source"
	tar -xf "$(BASE=$1 scripts/fetch)" -C "$source" --strip-components=1
	all_patches | xargs realpath | xargs cat | patch -d "$source" -p1 -s --no-backup-if-mismatch
	runner -B -d "$out" -s "$source"
	vmtest -d "$out"
}

luvm_can_be_installed() {
	local folder

	folder=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$folder'" RETURN
	make -s -B -C luvm CFLAGS="-O2 -g -Wall -Wextra -Wshadow -Werror"
	make -s install PREFIX=/usr DESTDIR="$folder"
	"$folder/usr/bin/luvm" list --json
	groff -man -Tutf8 -ww "$folder/usr/share/man/man1/luvm.1" 2>&1 >/dev/null | tee "$folder/man"
	[[ ! -s $folder/man ]]
}

# DEMO=base must fail, for this reason and no other
demo_needs_the_series() {
	local log=build/log/demo-base.log status=0

	DEMO=base scripts/demo >"$log" 2>&1 || status=$?
	sed 's/^/# /' "$log"
	((status == 1))
	grep -q 'seals of the memory are SEAL, must be SEAL|SHRINK|GROW|EXEC' "$log"
}
