// SPDX-License-Identifier: GPL-2.0

/*
 * usage: kexec KERNEL INITRD COMMANDLINE    get ready for a live update to this
 *        kexec [-e]                         do it
 *        kexec refused                      the same, with a preserved memfd that has
 *                                           a bad page, so that reboot(2) fails
 *        kexec refuse                       only keep such a memfd, for ever
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/liveupdate.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void handle_sigbus(int signal)
{
}

/* Preserve a memfd, and then mark its page as bad. The pin keeps the kernel from more. */
static int preserve_offender(void)
{
	struct liveupdate_ioctl_create_session session = { .size = sizeof(session), .name = "refused" };
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg) };
	int luo = open("/dev/liveupdate", O_RDWR);
	char *map;

	arg.fd = memfd_create("refused", 0);
	if (ftruncate(arg.fd, 4096))
		return -1;
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, arg.fd, 0);
	if (map == MAP_FAILED)
		return -1;
	*map = 1;
	if (ioctl(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, &session))
		return -1;
	close(luo);
	if (ioctl(session.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &arg))
		return -1;

	/* About the bad page, which this process has mapped. SIG_IGN does not stop it. */
	signal(SIGBUS, handle_sigbus);
	return madvise(map, 4096, MADV_HWPOISON) && errno != EBUSY ? -1 : 0;
}

int main(int argc, char **argv)
{
	int refused;

	if (argc == 4) {
		int kernel = open(argv[1], O_RDONLY), initrd = open(argv[2], O_RDONLY);

		if (!syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0))
			return 0;
		perror("kexec_file_load");
		return 1;
	}

	if (argc == 2 && strcmp(argv[1], "-e") && preserve_offender()) {
		perror("preserve");
		return 2;
	}
	while (argc == 2 && !strcmp(argv[1], "refuse"))
		pause();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	refused = errno == EHWPOISON;
	perror("reboot");
	return argc == 2 && !refused ? 2 : 1;
}
