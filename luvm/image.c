// SPDX-License-Identifier: GPL-2.0

/*
 * luvm: reads from kernel images which hand-over data they know. See luvm.c.
 *
 * The versions are in the kernel as compatible strings, which it compares with those of
 * the hand-over data: those of KHO and LUO as strings of their own, that of each file
 * handler in a field of its structure. Neither the version of a kernel nor its
 * configuration or types (IKCONFIG, BTF) have them.
 */

#define _GNU_SOURCE
#include <elf.h>
#include <sys/resource.h>
#include "luvm.h"

#define HANDLER_FIELD	48	/* LIVEUPDATE_HNDL_COMPAT_LENGTH */

/* The tools that unpack, by the first bytes. */
static const struct tool {
	const char *magic;
	size_t len;
	const char *argv[4];
} tools[] = {
	{ "\x1f\x8b", 2, { "gzip", "-dc" } },
	{ "\x28\xb5\x2f\xfd", 4, { "zstd", "-dcq" } },
	{ "\x02\x21\x4c\x18", 4, { "lz4", "-dcq" } },
	{ "\xfd\x37zXZ", 5, { "xz", "-dcq" } },
	{ "\x5d\0\0", 3, { "xz", "-dcq", "--format=lzma" } },
	{ "BZh", 3, { "bzip2", "-dcq" } },
	{ "\x89LZO", 4, { "lzop", "-dcq" } },
};

static uint32_t le32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return u[0] | u[1] << 8 | u[2] << 16 | (uint32_t)u[3] << 24;
}

/* Return: the contents of @fd, or NULL. */
static const char *map(int fd, size_t *size)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st))
		return NULL;
	*size = st.st_size;
	data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);

	return data == MAP_FAILED ? NULL : data;
}

/* Unpack @data. Return: the result, and its size in @size, or NULL. */
static const char *unpack(const char *path, const struct tool *tool, const char *data,
			  size_t *size)
{
	int in = memfd_create("packed", MFD_CLOEXEC), out = memfd_create("unpacked", MFD_CLOEXEC);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), status = -1;
	const char *result = NULL;
	/* More than any kernel has: memory is for guests. */
	struct rlimit limit = { 1 << 30, 1 << 30 };
	pid_t pid;

	if (in < 0 || out < 0 || write(in, data, *size) != (ssize_t)*size) {
		fail("cannot copy what is packed in %s: %m", path);
		return NULL;
	}
	lseek(in, 0, SEEK_SET);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(null, 2) == 2 &&
		    !setrlimit(RLIMIT_FSIZE, &limit))
			execvp(tool->argv[0], (char **)tool->argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		fail("cannot run %s, which unpacks %s: install it", tool->argv[0], path);
	else if (status)
		fail("%s is damaged: %s cannot unpack it", path, tool->argv[0]);
	else
		result = map(out, size);
	close(null);
	close(out);
	close(in);

	return result;
}

/*
 * Find the strings "@prefix N". Return: a mask of the N. @handler: those in the field of
 * a file handler, filled with zeros.
 */
static uint32_t versions(const char *data, size_t size, const char *prefix, bool handler)
{
	static const char zeros[HANDLER_FIELD];
	const char *p = data, *end = data + size - HANDLER_FIELD;
	size_t len = strlen(prefix);
	uint32_t mask = 0;
	char *stop;
	long n;

	for (; p < end && (p = memmem(p, end - p, prefix, len)); p += len) {
		n = p[len] > '0' && p[len] <= '9' ? strtol(p + len, &stop, 10) : 32;
		if (n > 31 || *stop || (!handler && p > data && p[-1]) ||
		    (handler && ((p - data) % 8 || memcmp(stop, zeros, p + HANDLER_FIELD - stop))))
			continue;
		mask |= 1U << n;
	}

	return mask;
}

static bool has(const char *data, size_t size, const char *text)
{
	return memmem(data, size, text, strlen(text));
}

int read_image(const char *path, struct image *image)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t size, begin = 0, len, unpacked = 0;
	const char *data = fd < 0 ? NULL : map(fd, &size);
	char running[512] = "";
	FILE *file;

	*image = (struct image){ .path = path };
	if (fd < 0)
		return fail("cannot open the kernel %s: %m", path);
	close(fd);
	if (!data)
		return fail("%s is no kernel image", path);
	file = fopen("/proc/version", "re");
	if (file) {
		(void)!fgets(running, sizeof(running), file);
		fclose(file);
	}

	/* The headers of Documentation/arch/x86/boot.rst, and of EFI zboot. */
	len = size;
	if (size > 1024 && !memcmp(data + 0x202, "HdrS", 4)) {
		begin = (((unsigned char)data[0x1f1] ?: 4) + 1) * 512 + (size_t)le32(data + 0x248);
		len = le32(data + 0x24c);
		if (len > 4 && begin + len <= size)
			unpacked = le32(data + begin + len - 4);
	} else if (size > 1024 && !memcmp(data, "MZ\0\0zimg", 8)) {
		begin = le32(data + 8);
		len = le32(data + 12);
	}
	if (len < 1024 || begin + len > size)
		return fail("%s is no kernel image, or is cut short", path);
	data += begin;
	size = len;

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (memcmp(data, tools[i].magic, tools[i].len))
			continue;
		/* Where the format does not end with the unpacked size, x86 appends it. */
		if (unpacked && i)
			size -= 4;
		data = unpack(path, &tools[i], data, &size);
		if (!data)
			return -1;
		if (unpacked && size != unpacked)
			return fail("%s is damaged: unpacked it is %zu bytes, must be %zu", path,
				    size, unpacked);
		break;
	}

	if (size > 1024 && !memcmp(data, ELFMAG, SELFMAG))
		image->machine = ((const Elf64_Ehdr *)data)->e_machine;
	else if (size > 1024 && !memcmp(data + 56, "ARM\x64", 4))
		image->machine = EM_AARCH64;
	if (!image->machine || !has(data, size, "Linux version "))
		return fail("%s is no kernel image of x86_64 or arm64", path);

	image->running = *running && has(data, size, running);
	image->kho = versions(data, size, "kho-v", false);
	image->luo = versions(data, size, "luo-v", false);
	image->session = versions(data, size, "luo-session-v", false);
	image->memfd = versions(data, size, "memfd-v", true);
	image->hugetlb = versions(data, size, "memfd-hugetlb-v", true);
	/* An argument that only CONFIG_TRANSPARENT_HUGEPAGE has. */
	image->huge = has(data, size, "transparent_hugepage=");
	/* The messages about recorded flags, with the series for 6.19 and for 7.3. */
	image->exec = has(data, size, "flags %#x do not give seals %#x") ||
		      has(data, size, "in seals, %#x in flags");

	return 0;
}

/* Read the image of the running kernel: @path, or if that is NULL, one in the usual places. */
int read_running(const char *path, struct image *image)
{
	static char paths[2][128];
	struct utsname uts;

	if (path) {
		if (read_image(path, image))
			return -1;
		return image->running ? 0 : fail("%s is not the kernel that is running", path);
	}

	uname(&uts);
	snprintf(paths[0], sizeof(paths[0]), "/boot/vmlinuz-%s", uts.release);
	snprintf(paths[1], sizeof(paths[1]), "/lib/modules/%s/vmlinuz", uts.release);
	for (int i = 0; i < 2; i++) {
		if (!access(paths[i], F_OK) && !read_image(paths[i], image) && image->running)
			return 0;
	}

	return fail("the image of the running kernel is neither %s nor %s: name it with --from",
		    paths[0], paths[1]);
}

/* Return: the versions of an image, with commas, until the next call. */
const char *image_versions(const struct image *image)
{
	const struct {
		const char *name;
		uint32_t mask;
	} kinds[] = {
		{ "kho", image->kho }, { "luo", image->luo }, { "luo-session", image->session },
		{ "memfd", image->memfd }, { "memfd-hugetlb", image->hugetlb },
	};
	static char buf[2048];
	size_t len = 0;

	strcpy(buf, "nothing of a live update");
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		for (int i = 1; i < 32; i++) {
			if (kinds[kind].mask & 1U << i)
				len += snprintf(buf + len, sizeof(buf) - len, "%s%s-v%d",
						len ? ", " : "", kinds[kind].name, i);
		}
	}

	return buf;
}

/*
 * Return: why guests do not survive an update, or NULL. @hugepages is the size of their
 * huge pages in bytes, or 0.
 */
const char *mismatch(const struct image *from, const struct image *to, long long hugepages)
{
	struct image missing = {
		.kho = from->kho & ~to->kho,
		.luo = from->luo & ~to->luo,
		.session = from->session & ~to->session,
	};
	static char buf[4096];
	int version = 31;

	/* Each kernel writes the newest version that it has a handler for. */
	while (version && !(from->memfd & 1U << version))
		version--;
	missing.memfd = (1U << version) & ~to->memfd;

	if (from->machine != to->machine)
		return "it is for another architecture";
	if (!from->kho || !from->luo || !version) {
		snprintf(buf, sizeof(buf), "%s cannot hand memfds over (CONFIG_LIVEUPDATE)",
			 from->path);
	} else if (!to->kho || !to->luo || !to->memfd) {
		return "it cannot take memfds over (CONFIG_LIVEUPDATE)";
	} else if (missing.kho || missing.luo || missing.session || missing.memfd) {
		snprintf(buf, sizeof(buf), "it does not know %s", image_versions(&missing));
	} else if (version == 1) {
		snprintf(buf, sizeof(buf), "%s writes memfd-v1, which has no seals", from->path);
	} else if (from->huge && !to->huge) {
		return "it has no CONFIG_TRANSPARENT_HUGEPAGE, which large folios need";
	} else if (hugepages && !(from->hugetlb & to->hugetlb)) {
		return "one of the kernels does not know memfds of huge pages (memfd-hugetlb-v1)";
	} else if (hugepages > 2LL << 20 && from->kho == 1U << 1) {
		/* kho-v1 with memfds of huge pages is 6.19 with the series. */
		return "Linux 6.19 does not preserve huge pages of 1 GiB";
	} else if (!to->exec) {
		return "it makes memory with F_SEAL_EXEC executable and write-sealed";
	} else {
		return NULL;
	}

	return buf;
}
