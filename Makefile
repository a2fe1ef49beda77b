# Targets only: what they do is in scripts/.

help: ## list the targets (this)
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run: ## a live update that shows which file seals survive
	@scripts/run

demo: ## a virtual machine goes on while its host's kernel is replaced (GUESTS=N HUGEPAGES=2M HOST=debian)
	@scripts/demo

check: ## the tests (LIST=1: which; ONLY=a,b ALSO=a,b ALL=1 DEBUG=1)
	@scripts/check

shell: ## a prompt in the VM, with the tests (UPDATE=1: after a live update)
	@scripts/shell

bench: ## what a live update costs, in instructions (BENCH=quick: some of it)
	@scripts/bench

mutants: ## see whether the tests find deliberate bugs
	@scripts/mutants

fetch: ## get the kernel source
	@scripts/fetch

tree: ## make or update linux/ from the kernel source and patches/
	@scripts/tree $(TRACK)

export: ## write the commits of linux/ back to patches/
	@scripts/export

install: ## luvm, which carries virtual machines over (PREFIX, DESTDIR)
	@scripts/install gcc libc6-dev libjansson-dev
	@test -f /usr/include/linux/liveupdate.h || scripts/tree
	@$(MAKE) -s -C luvm install UAPI="$$(bash -c '. scripts/common.sh; pwd')/linux/include/uapi"

deb: ## Debian packages of the kernel with all series, and of luvm
	@scripts/deb

clean: ## remove what is built; linux/ and dl/ stay
	rm -rf build [0-9]*/build

.PHONY: help run demo check shell bench mutants fetch tree export install deb clean
