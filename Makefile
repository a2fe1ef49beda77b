# Targets only: what they do is in scripts/.

help: ## list the targets (this)
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run: ## a live update that shows which file seals survive
	@scripts/run

demo: ## a virtual machine goes on while its host's kernel is replaced
	@scripts/demo

check: ## all tests
	@scripts/check

bench: ## what a live update costs, in instructions (BENCH=quick: some of it)
	@scripts/bench

mutants: ## see whether the tests find deliberate defects
	@scripts/mutants

soak: ## a hundred live updates in a row, twice
	@scripts/soak

fetch: ## get the kernel source
	@scripts/fetch

tree: ## make or update linux/ from the kernel source and patches/
	@scripts/tree $(TRACK)

export: ## write the commits of linux/ back to patches/
	@scripts/export

install: ## luvm, which carries virtual machines over (PREFIX, DESTDIR)
	@scripts/needs demo
	@test -f /usr/include/linux/liveupdate.h || scripts/tree
	@$(MAKE) -s -C luvm install

clean: ## remove what is built; linux/ and dl/ stay
	rm -rf build [0-9]*/build

.PHONY: help run demo check bench mutants soak fetch tree export install clean
