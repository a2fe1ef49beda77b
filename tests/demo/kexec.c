// SPDX-License-Identifier: GPL-2.0

/*
 * usage: kexec KERNEL INITRD COMMANDLINE    get ready for a live update to this
 *        kexec                              do it
 *        kexec refused                      the same, with a memfd that has come to a
 *                                           state that cannot be preserved
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/liveupdate.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x0020
#endif

/* Preserve a memfd, let some execute it, and seal that: no flag can say it. */
static int preserve_offender(void)
{
	struct liveupdate_ioctl_create_session session = { .size = sizeof(session), .name = "refused" };
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg) };
	int luo = open("/dev/liveupdate", O_RDWR);

	arg.fd = memfd_create("refused", MFD_ALLOW_SEALING);
	if (ioctl(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, &session) || ftruncate(arg.fd, 4096) ||
	    fcntl(arg.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ||
	    ioctl(session.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &arg) || fchmod(arg.fd, 0766) ||
	    fcntl(arg.fd, F_ADD_SEALS, F_SEAL_EXEC))
		return -1;

	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4) {
		int kernel = open(argv[1], O_RDONLY), initrd = open(argv[2], O_RDONLY);

		if (!syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0))
			return 0;
		perror("kexec_file_load");
		return 1;
	}

	if (argc == 2 && preserve_offender()) {
		perror("preserve");
		return 2;
	}
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}
