// SPDX-License-Identifier: GPL-2.0

/*
 * The guest of scripts/demo, as the init of a Linux without a console: counts for
 * ever on its serial port, and with each number gives the checksum of its memory, in
 * which each number changes a word.
 *
 * usage: guest N    prints the first N lines as they have to be, anywhere
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define WORDS	(1 << 20)	/* 8 MiB */

static uint64_t memory[WORDS];

int main(int argc, char **argv)
{
	unsigned long last = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	uint64_t sum;

	if (!last) {
		if (mount("none", "/dev", "devtmpfs", 0, NULL) ||
		    !freopen("/dev/ttyS0", "w", stdout))
			return 1;
	}

	for (uint64_t i = 0; i < WORDS; i++)
		memory[i] = i * 0x9e3779b97f4a7c15 + 1;
	for (unsigned long n = 1; !last || n <= last; n++) {
		memory[n * 7919 % WORDS] ^= n * 0xff51afd7ed558ccd;
		sum = 0;
		for (uint64_t i = 0; i < WORDS; i++)
			sum = (sum ^ memory[i]) * 0x100000001b3;
		printf("%lu %016lx\n", n, (unsigned long)sum);
		fflush(stdout);
		if (!last)
			usleep(10000);
	}

	return 0;
}
