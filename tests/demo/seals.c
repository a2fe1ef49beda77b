// SPDX-License-Identifier: GPL-2.0

/*
 * A service of the host of make demo HOST=debian, with six memfds in the service manager's
 * descriptor store: makes and stores them if STAGE=1, and otherwise gets them from there
 * and sees whether they are as they were. Prints a line for each that is not, and a summary.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x0020
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif

#define RESIZE	(F_SEAL_SHRINK | F_SEAL_GROW)
#define WRITES	(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define KINDS	6

static const struct kind {
	const char *name;
	unsigned int flags;
	int seals;	/* when it is stored */
	mode_t mode;
} kinds[KINDS] = {
	{ "no_sealing", 0, F_SEAL_SEAL, 0777 },
	{ "qemu", MFD_ALLOW_SEALING, F_SEAL_SEAL | RESIZE, 0777 },
	{ "crosvm", MFD_NOEXEC_SEAL, F_SEAL_SEAL | RESIZE | F_SEAL_EXEC, 0666 },
	{ "systemd", MFD_NOEXEC_SEAL, F_SEAL_SEAL | RESIZE | F_SEAL_WRITE | F_SEAL_EXEC, 0666 },
	{ "runc", MFD_ALLOW_SEALING, F_SEAL_SEAL | RESIZE | WRITES | F_SEAL_EXEC, 0511 },
	{ "mode_0400", MFD_ALLOW_SEALING, RESIZE, 0400 },
};

/* Send @fd for the store, as sd_pid_notify_with_fds() does. */
static int store(int fd, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET") ?: "";
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char text[64];
	struct iovec iov = { .iov_base = text };
	struct msghdr msg = { .msg_name = &addr, .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	iov.iov_len = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	msg.msg_namelen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));

	return sendmsg(sock, &msg, 0) < 0 ? -1 : 0;
}

static int make(const struct kind *kind)
{
	int fd = memfd_create(kind->name, MFD_CLOEXEC | kind->flags);

	if (fd < 0 || write(fd, kind->name, strlen(kind->name)) < 0 || fchmod(fd, kind->mode) ||
	    (kind->flags && fcntl(fd, F_ADD_SEALS, kind->seals)) || store(fd, kind->name)) {
		printf("failed: cannot store memfd %s: %m\n", kind->name);
		return -1;
	}

	return 0;
}

static bool is_right(const struct kind *kind, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	char text[64] = "";
	struct stat st;

	if (fstat(fd, &st) || pread(fd, text, sizeof(text) - 1, 0) < 0) {
		printf("failed: cannot read memfd %s: %m\n", kind->name);
		return false;
	}
	if (seals == kind->seals && (st.st_mode & 07777) == kind->mode && !strcmp(text, kind->name))
		return true;
	printf("failed: memfd %s has seals %#x, must be %#x, mode %#o, must be %#o, and says \"%s\"\n",
	       kind->name, seals, kind->seals, st.st_mode & 07777, kind->mode, text);

	return false;
}

int main(void)
{
	/* What comes from the store has the numbers from 3 on, in the order of the names here. */
	char *names = getenv("LISTEN_FDNAMES") ?: "";
	int right = 0, fd = 3;

	if (!strcmp(getenv("STAGE") ?: "", "1")) {
		for (int i = 0; i < KINDS; i++) {
			if (make(&kinds[i]))
				return 1;
		}
		printf("seals: %d memfds are in the descriptor store\n", KINDS);
		return 0;
	}

	for (char *name = strtok(names, ":"); name; name = strtok(NULL, ":"), fd++) {
		for (int i = 0; i < KINDS; i++) {
			if (!strcmp(name, kinds[i].name))
				right += is_right(&kinds[i], fd);
		}
	}
	printf("%sseals: %d of %d memfds of the descriptor store are as they were\n",
	       right == KINDS ? "" : "failed: ", right, KINDS);

	return right != KINDS;
}
