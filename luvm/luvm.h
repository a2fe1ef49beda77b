/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the parts of luvm, see luvm.c. Functions print errors before they return them. */

#ifndef LUVM_H
#define LUVM_H

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <linux/liveupdate.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define __noreturn	__attribute__((noreturn))

/* Headers of libc may be older than the kernel. */
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x0020
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT	26
#endif

#define MEMORY_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_EXEC)
#define CONTENT_SEALS	(MEMORY_SEALS | F_SEAL_WRITE)

#define VERSION		1	/* of the description */
#define MAX_SESSIONS	744	/* LUO takes a few more */
#define QMP_SECONDS	60	/* how long QEMU may take for one thing */
#define LUO_SECONDS	2	/* how long /dev/liveupdate may be in use */
#define MEMORY_FD	3	/* in QEMU */
#define PID_FD		4
#define SAMPLES		1024	/* pages of memory in its checksum */
#define PAGE		4096

/* The files of a session; the numbers are the tokens. */
enum { SESSION, MEMORY, STATE, DESCRIPTION, NR_FILES };

/* A saved guest, as its holders send it. */
struct saved {
	struct {
		int slot;	/* the number of the session */
		bool incoming;	/* from the previous kernel, not for the next one */
	} head;
	int fd[NR_FILES];	/* -1: none */
	bool again;		/* one could not be retrieved, for a reason that may pass */
};

/* A kernel image: masks of the versions that it knows. */
struct image {
	const char *path;
	int machine;		/* EM_... of ELF */
	bool running;		/* it has what /proc/version shows */
	uint32_t kho, luo, session, memfd, hugetlb;
	bool huge;		/* CONFIG_TRANSPARENT_HUGEPAGE */
	bool exec;		/* F_SEAL_EXEC comes back without other seals */
};

extern const char * const file_names[NR_FILES];
extern const char *run_dir;
extern bool verbose;

/* util.c: messages, names of files, waiting */
int __printf(1, 2) fail(const char *fmt, ...);
void step(const char *name, const char *what);
void close_fd(int *fd);
const char *path_of(const char *name, const char *ending);
bool wait_some(time_t *deadline, int seconds);
int check_name(const char *name);

/* qemu.c: sockets, QMP and the process */
int connect_to(const char *path, int type, int seconds);
int send_fds(int sock, const void *data, size_t len, const int *fds, int nr);
int qmp_do(const char *name, int sock, const char *command, json_t *args, int fd);
int qmp_open(const char *name, int seconds);
int qmp_status(const char *name, int sock, const char *command, const char *wanted,
	       char buf[32]);
int migrate(const char *name, int sock, const char *command, int fd);
int go_on(const char *name, int sock);
pid_t qemu_pid(const char *name);
bool qemu_waits(const char *name);
int qemu_loaded(const char *name);
int kill_qemu(const char *name);
int qemu_ended(const char *name);
pid_t start_qemu(const char *name, json_t *desc, int memory, bool incoming);
int wait_qemu(const char *name, pid_t pid);

/* saved.c: memfds, sessions and who holds them */
int check_file(const char *name, const char *what, int fd, int seals, long long size);
int make_memfd(const char *name, const char *what, long long hugepages);
int checksum(const char *name, int fd, char sum[17]);
json_t *read_saved(const char *name, const struct saved *saved);
int check_sums(const char *name, const struct saved *saved, json_t *desc);
int open_luo(void);
int luo_session(int luo, unsigned long request, int slot);
void close_saved(struct saved *saved);
int hold(const char *name, const struct saved *saved);
int get_held(const char *name, struct saved *saved);
int get_saved(const char *name, struct saved *saved);
int drop(const char *name, struct saved *saved);
int claim_all(bool optional);

/* image.c: kernel images */
int read_image(const char *path, struct image *image);
int read_running(const char *path, struct image *image);
const char *image_versions(const struct image *image);
const char *mismatch(const struct image *from, const struct image *to, long long hugepages);

#endif /* LUVM_H */
