// SPDX-License-Identifier: GPL-2.0

/*
 * The init of scripts/bench, in both kernels of a live update: preserves memfds in the
 * first one, retrieves them in the second one, and writes what that took to a virtio
 * port as lines "name value". On the kernel command line are
 *
 *   STAGE=1  must be the last; init gives 2 to the second kernel
 *   LRU=gen  switch the multi-gen LRU on
 *   HUGE=N   1: 2 MiB folios instead of 4 KiB ones, 2: huge pages of hugetlb of 2 MiB,
 *            3: of 1 GiB
 *   FILES=N  how many memfds of each class; none shows what all else costs
 *   KIB=N    their size
 *   SEALS=A,B  the classes
 *   RUN=N    the page frames of a memfd are in runs of N, with one of another memfd
 *            between two runs; 0: in a row
 *
 * Instructions are those that the processor executes between two reads of its time
 * stamp counter, which QEMU's -icount shift=0 increments once an instruction. It also
 * runs ahead to the next timer when there is nothing to do, so idle ticks are errors.
 *
 * The port is not used before all is measured, as the host answers at another
 * instruction each time.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/liveupdate.h>
#include <linux/reboot.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB (30U << 26)
#endif

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE	4096
#define HUGE_SIZE	(2UL << 20)
#define MAX_FILES	128
#define WARM_UP		"warm-up"
#define LOOP		2000000UL

static const struct {
	const char *name;
	unsigned int flags;
	unsigned int seals;
} classes[] = {
	{ "none", MFD_ALLOW_SEALING, 0 },
	{ "qemu", MFD_ALLOW_SEALING, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW },
	{ "crosvm", MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL,
	  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW },
	{ "write", MFD_ALLOW_SEALING, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE },
};

static char results[8192];
static size_t results_len;
static int luo;

static void report(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	results_len += vsnprintf(results + results_len, sizeof(results) - results_len, fmt, args);
	va_end(args);
}

/* The port shows up some time after its driver. */
static void send_results(void)
{
	int fd = -1;

	for (int i = 0; fd < 0 && i < 1000; i++) {
		usleep(10000);
		fd = open("/dev/vport0p1", O_WRONLY);
	}
	if (fd < 0 || write(fd, results, results_len) != (ssize_t)results_len)
		perror("bench: /dev/vport0p1");
	close(fd);
}

static void end(void)
{
	send_results();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0);
	for (;;)
		pause();
}

static void check(bool good, const char *what)
{
	if (good)
		return;
	report("failed %s: %s\n", what, strerror(errno));
	end();
}

static long number(const char *name)
{
	const char *value = getenv(name);

	check(value, name);
	return atol(value);
}

static unsigned long instructions(void)
{
	return __builtin_ia32_rdtsc();
}

/* The sum of the numbers after all that begins like @name in a file of /proc. */
static long count(const char *path, const char *name)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, buf, sizeof(buf) - 1);
	long sum = 0;

	check(len > 0, path);
	close(fd);
	buf[len] = '\0';
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, name, strlen(name)))
			sum += atol(line + strcspn(line, " "));
	}

	return sum;
}

/* In ticks. The fourth number of the line, so skip what is before it. */
static long idle(void)
{
	long ticks = -1;
	FILE *file = fopen("/proc/stat", "r");

	check(file && fscanf(file, "cpu %*d %*d %*d %ld", &ticks) == 1, "/proc/stat");
	fclose(file);

	return ticks;
}

static int create_session(const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };

	strcpy((char *)arg.name, name);
	check(!ioctl(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg), "create a session");

	return arg.fd;
}

static int retrieve_session(const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };

	strcpy((char *)arg.name, name);
	check(!ioctl(luo, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg), "retrieve a session");

	return arg.fd;
}

static void preserve(int session, int fd, int token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token
	};

	check(!ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg), "preserve");
}

static int retrieve(int session, int token)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };

	check(!ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg), "retrieve");

	return arg.fd;
}

static void finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	check(!ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg), "finish");
}

static int make_memfd(unsigned int flags, unsigned int seals, size_t size, long run)
{
	const size_t step = run ? run * PAGE_SIZE : HUGE_SIZE;
	int fd = memfd_create("bench", flags), other = run ? memfd_create("gaps", flags) : -1;
	static char data[HUGE_SIZE];

	check(fd >= 0 && !ftruncate(fd, size) && step <= HUGE_SIZE, "memfd");
	if (flags & MFD_HUGETLB) {
		/* There is no write(2). */
		char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		check(map != MAP_FAILED, "map huge pages");
		memset(map, 'x', size);
		munmap(map, size);
	}
	memset(data, 'x', sizeof(data));
	for (size_t done = flags & MFD_HUGETLB ? size : 0, len; done < size; done += len) {
		len = size - done < step ? size - done : step;
		check(pwrite(fd, data, len, done) == (ssize_t)len, "fill a memfd");
		check(!run || write(other, data, PAGE_SIZE) == PAGE_SIZE, "fill the gaps");
	}
	check(!seals || !fcntl(fd, F_ADD_SEALS, seals), "F_ADD_SEALS");

	return fd;
}

static unsigned long loop(void)
{
	unsigned long loops = LOOP / 2, before = instructions();

	asm volatile("1: dec %0; jnz 1b" : "+r" (loops) : : "cc");

	return instructions() - before;
}

/*
 * Wait until what was put off is done, which is when some ticks in a row take next to
 * nothing, and then for the next tick: what is shorter than the time between two is
 * measured without any.
 */
static void settle(void)
{
	unsigned long last;
	int quiet = 0;

	for (int i = 0; i < 2000 && quiet < 20; i++)
		quiet = loop() < LOOP + 4000 ? quiet + 1 : 0;
	check(quiet == 20, "settle");

	do
		last = instructions();
	while (instructions() - last < 200);
}

/* What the counter is worth: a loop and an empty syscall. */
static void calibrate(void)
{
	unsigned long before;

	settle();
	report("loop %lu\n", loop());
	syscall(SYS_getppid);
	before = instructions();
	syscall(SYS_getppid);
	report("syscall %lu\n", instructions() - before);
}

static void preserve_class(unsigned int nr, long files, size_t size, long huge)
{
	long freed, allocated, pages, moved, free_before, allocated_before, idle_before;
	const unsigned int flags = classes[nr].flags | (huge == 2 ? MFD_HUGETLB | MFD_HUGE_2MB :
							 huge == 3 ? MFD_HUGETLB | MFD_HUGE_1GB : 0);
	const char *name = classes[nr].name;
	int session = create_session(name);
	unsigned long before;
	int fds[MAX_FILES];

	pages = count("/proc/meminfo", "ShmemHugePages:");
	for (long i = 0; i < files; i++)
		fds[i] = make_memfd(flags, classes[nr].seals, size, number("RUN"));
	pages = count("/proc/meminfo", "ShmemHugePages:") - pages;
	check(pages == (huge == 1 ? (long)(files * size >> 10) : 0), "folios of another size");

	/* Some huge pages are in areas that nothing is preserved in. Have them moved. */
	if (huge == 2) {
		int other = create_session("moved");

		for (long i = 0; i < files; i++)
			preserve(other, fds[i], i);
		close(other);
	}

	/* What it takes to ask is not to be counted: ask twice. */
	free_before = count("/proc/vmstat", "pgfree ");
	allocated_before = count("/proc/vmstat", "pgalloc_");
	freed = count("/proc/vmstat", "pgfree ");
	allocated = count("/proc/vmstat", "pgalloc_");
	free_before = 2 * freed - free_before;
	allocated_before = 2 * allocated - allocated_before;

	moved = count("/proc/vmstat", "pgmigrate_success ");
	idle_before = idle();
	settle();
	before = instructions();
	for (long i = 0; i < files; i++)
		preserve(session, fds[i], i);
	report("preserve.%s %lu\n", name, instructions() - before);
	check(idle() == idle_before, "preserve: the processor was idle");
	check(count("/proc/vmstat", "pgmigrate_success ") == moved, "preserve: folios were moved");

	freed = count("/proc/vmstat", "pgfree ") - free_before;
	allocated = count("/proc/vmstat", "pgalloc_") - allocated_before;
	report("kept.%s %ld\n", name, (allocated - freed) * 4096);
	report("temporary.%s %ld\n", name, freed * 4096);
}

static void retrieve_class(unsigned int nr, long files, size_t size)
{
	const char *name = classes[nr].name;
	int session = retrieve_session(name);
	unsigned long before;
	int fds[MAX_FILES];
	long idle_before;
	struct stat st;
	char last;

	idle_before = idle();
	settle();
	before = instructions();
	for (long i = 0; i < files; i++)
		fds[i] = retrieve(session, i);
	report("retrieve.%s %lu\n", name, instructions() - before);

	settle();
	before = instructions();
	finish(session);
	report("finish.%s %lu\n", name, instructions() - before);
	check(idle() == idle_before, "retrieve: the processor was idle");

	for (long i = 0; i < files; i++)
		check(!fstat(fds[i], &st) && st.st_size == (off_t)size &&
		      pread(fds[i], &last, 1, size - 1) == 1 && last == 'x', "read it again");
}

static void load_kernel(void)
{
	int kernel = open("/boot/kernel", O_RDONLY), initrd = open("/boot/initrd", O_RDONLY);
	int fd = open("/proc/cmdline", O_RDONLY);
	char line[4096] = "", *stage;

	check(read(fd, line, sizeof(line) - 1) > 0, "/proc/cmdline");
	stage = strstr(line, "STAGE=1");
	check(stage, "STAGE=1");
	strcpy(stage, "STAGE=2");
	check(!syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line, 0),
	      "kexec_file_load");
}

/*
 * The kernel can't be asked any more when it is done with this. It says so on the
 * console, with a time stamp, and so do we before. @fd is handed over.
 */
static void live_update(int fd)
{
	int kmsg = open("/dev/kmsg", O_WRONLY);
	unsigned long now;

	send_results();
	results_len = 0;
	settle();
	check(write(kmsg, "bench: reboot", 13) == 13, "/dev/kmsg");
	now = instructions();
	check(pwrite(fd, &now, sizeof(now), 0) == sizeof(now), "write");
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, 0);
	check(false, "reboot");
}

static void set(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/mm/%s", name);
	fd = open(path, O_WRONLY);
	check(write(fd, value, strlen(value)) > 0, path);
	close(fd);
}

int main(void)
{
	unsigned long start = instructions();
	int stage = number("STAGE");
	long huge = number("HUGE");
	long files = number("FILES");
	size_t size = number("KIB") << 10;
	const char *seals = getenv("SEALS"), *lru = getenv("LRU");
	unsigned long rebooted;
	int session, fd;
	char pool[16];

	check(!mount("none", "/dev", "devtmpfs", 0, NULL), "/dev");
	check(!mount("none", "/proc", "proc", 0, NULL), "/proc");
	check(!mount("none", "/sys", "sysfs", 0, NULL), "/sys");
	luo = open("/dev/liveupdate", O_RDWR);
	check(luo >= 0, "/dev/liveupdate");
	check(files <= MAX_FILES && seals && lru, "FILES, SEALS and LRU");
	set("lru_gen/enabled", strcmp(lru, "gen") ? "n" : "y");

	/* What only the first one has to pay for comes first. */
	if (stage == 1) {
		set("transparent_hugepage/shmem_enabled", huge == 1 ? "always" : "never");
		calibrate();
		load_kernel();
		/* Stays: takes the free folios of the areas that nothing is preserved in. */
		make_memfd(0, 0, 64 << 20, 0);
		if (huge == 2) {
			/* For one class, and some for those that have to be moved. */
			snprintf(pool, sizeof(pool), "%zu", files * size / HUGE_SIZE + 16);
			set("hugepages/hugepages-2048kB/nr_hugepages", pool);
		} else if (huge == 3) {
			snprintf(pool, sizeof(pool), "%zu", files * size >> 30);
			set("hugepages/hugepages-1048576kB/nr_hugepages", pool);
		}
		session = create_session(WARM_UP);
		fd = make_memfd(MFD_ALLOW_SEALING, F_SEAL_SEAL, 65536, 0);
		preserve(session, fd, 0);
		for (unsigned int i = 0; i < ARRAY_SIZE(classes); i++) {
			if (strstr(seals, classes[i].name))
				preserve_class(i, files, size, huge);
		}
		live_update(fd);
	}

	session = retrieve_session(WARM_UP);
	fd = retrieve(session, 0);
	finish(session);
	check(pread(fd, &rebooted, sizeof(rebooted), 0) == sizeof(rebooted), "read");
	report("boot %lu\n", start - rebooted);
	for (unsigned int i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strstr(seals, classes[i].name))
			retrieve_class(i, files, size);
	}
	end();
}
