#!/usr/bin/env bash
# luvm.sh - kill luvm, its holders and QEMU, and see that no guest is lost
#
# usage: tests/luvm.sh
#
# Runs tests/demo/kills in the host of scripts/demo, through a live update. Prints
# TAP as it comes; exits with 1 unless all that was planned is there and ok.
#
# Environment: V=1
#   HOST=debian  tests/demo/debian/failures in the Debian host; SUITE as for scripts/demo

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../scripts/common.sh"
no_arguments "$@"

DEMO=disk scripts/demo
status=0
append="console=ttyS0 liveupdate=on kho=on kunit.enable=0 panic=-1 STAGE=1"
if [[ ! ${HOST:-} ]]; then
	name=demo
	host=(-device "virtserialport,chardev=host,nr=1" -initrd build/demo-run/initrd)
	append+=" KILLS=1"
else
	name=systemd
	host=(-serial chardev:host)
	append+=" root=/dev/vda rw init=/usr/local/bin/init systemd.getty_auto=no FAILURES"
fi
work=build/$name-run
: >"$work/kills.tap"
timeout --kill-after=5 1800 qemu-system-x86_64 -M q35 -cpu max -accel tcg -m 2G -smp 2 \
	-nodefaults -no-user-config -display none -no-reboot \
	-kernel "build/$name-x86_64/arch/x86/boot/bzImage" -append "$append" \
	-chardev "file,id=console,path=$work/console.log" -serial chardev:console \
	-device virtio-serial-pci \
	-chardev "file,id=host,path=$work/kills.tap" "${host[@]}" \
	-drive "file=$work/disk,format=raw,if=none,id=disk,snapshot=on" \
	-device virtio-blk-pci,drive=disk </dev/null || status=$?
cat "$work/kills.tap"
[[ $status == 0 ]] || die "QEMU ended with $status; the host's console is in $work/console.log"
awk '/^1\.\./ { plan = substr($0, 4) } /^ok / { ok += $2 == ok + 1 } /^(not ok |failed)/ { bad = 1 }
     END { exit bad || !plan || ok != plan }' "$work/kills.tap" || die "failed"
