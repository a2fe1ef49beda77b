// SPDX-License-Identifier: GPL-2.0

/* luvm: messages, names of files, waiting. See luvm.c. */

#define _GNU_SOURCE
#include "luvm.h"

const char *run_dir;
bool verbose;

/* In one piece, as others may write at the same time. */
int fail(const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "luvm: %s\n", text);

	return -1;
}

void step(const char *name, const char *what)
{
	if (verbose)
		fprintf(stderr, "luvm: %s: %s\n", name, what);
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The file of guest @name with this ending, until the fourth next call. */
const char *path_of(const char *name, const char *ending)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s%s", run_dir, name, ending);

	return path;
}

/* Wait 5 ms; false when @seconds have passed. @deadline is to begin as 0. */
bool wait_some(time_t *deadline, int seconds)
{
	struct timespec now, pause = { .tv_nsec = 5000000 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!*deadline)
		*deadline = now.tv_sec + seconds;
	nanosleep(&pause, NULL);

	return now.tv_sec < *deadline;
}

int check_name(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	struct sockaddr_un addr;
	size_t len = strlen(name);

	if (!len || len >= LIVEUPDATE_SESSION_NAME_LENGTH || name[0] == '.' || name[0] == '-' ||
	    len != strspn(name, allowed))
		return fail("a name is 1 to %d letters, digits, or ._- inside, unlike \"%s\"",
			    LIVEUPDATE_SESSION_NAME_LENGTH - 1, name);
	if (strlen(path_of(name, ".held")) >= sizeof(addr.sun_path))
		return fail("%s is too long for a socket: choose a shorter LUVM_DIR or name",
			    path_of(name, ".held"));

	return 0;
}
