// SPDX-License-Identifier: GPL-2.0

/*
 * usage: kexec KERNEL INITRD COMMANDLINE    get ready for a live update to this
 *        kexec                              do it
 */

#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc == 4) {
		int kernel = open(argv[1], O_RDONLY), initrd = open(argv[2], O_RDONLY);

		if (!syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0))
			return 0;
		perror("kexec_file_load");
		return 1;
	}

	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}
