// SPDX-License-Identifier: GPL-2.0

/* luvm: saved guests: their memfds, their LUO sessions, and the holders of these. See luvm.c. */

#define _GNU_SOURCE
#include "luvm.h"

const char * const file_names[] = { "session", "memory", "state", "description" };

/* -- memfds and their contents -- */

static const char *seal_names(int seals, char buf[64])
{
	static const char * const names[] = {
		"SEAL", "SHRINK", "GROW", "WRITE", "FUTURE_WRITE", "EXEC"
	};
	int len = snprintf(buf, 64, "%s", seals < 0 ? "no memfd" : seals ? "" : "none");

	for (int i = 0; i < 6 && seals > 0; i++) {
		if (seals & (1 << i))
			len += snprintf(buf + len, 64 - len, "%s%s", len ? "|" : "", names[i]);
	}

	return buf;
}

/* See that the file has exactly @seals and is of @size, unless that is -1. */
int check_file(const char *name, const char *what, int fd, int seals, long long size)
{
	int is = fcntl(fd, F_GET_SEALS);
	char buf[2][64];
	struct stat st;

	if (is != seals)
		return fail("%s: seals of the %s are %s, must be %s", name, what,
			    seal_names(is, buf[0]), seal_names(seals, buf[1]));
	if (fstat(fd, &st) || (size >= 0 && st.st_size != size))
		return fail("%s: size of the %s is %lld, must be %lld", name, what,
			    (long long)st.st_size, size);

	return 0;
}

/*
 * Return: a new memfd that can be sealed and never executed, with huge pages of so many
 * bytes unless that is 0, or -1.
 */
int make_memfd(const char *name, const char *what, long long hugepages)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL;
	char buf[128];
	int fd;

	snprintf(buf, sizeof(buf), "%s %s", name, what);
	if (hugepages)
		flags |= MFD_HUGETLB | __builtin_ctzll(hugepages) << MFD_HUGE_SHIFT;
	fd = memfd_create(buf, flags);
	if (fd < 0)
		fail("cannot make a memfd for the %s of %s: %m", what, name);

	return fd;
}

/*
 * A number that tells contents from others, not from forged ones: the seals prevent
 * those. Of large files it takes some pages, evenly spread.
 */
int checksum(const char *name, int fd, char sum[17])
{
	uint64_t hash = 0xcbf29ce484222325, pages, word, page[PAGE / 8];
	struct stat st;
	uint64_t i, n;

	if (fstat(fd, &st))
		return fail("%s: fstat: %m", name);
	pages = (st.st_size + PAGE - 1) / PAGE;
	n = pages < SAMPLES ? pages : SAMPLES;
	for (i = 0; i < n; i++) {
		memset(page, 0, sizeof(page));
		if (pread(fd, page, sizeof(page), i * pages / n * PAGE) <= 0)
			return fail("%s: cannot read what is saved: %m", name);
		for (word = 0; word < PAGE / 8; word++) {
			hash = (hash ^ page[word]) * 0x100000001b3;
			hash ^= hash >> 29;
		}
	}
	snprintf(sum, 17, "%016" PRIx64, hash);

	return 0;
}

/*
 * Check seals, sizes and description of a saved guest before any of it is used. Return:
 * the description, or NULL.
 */
json_t *read_saved(const char *name, const struct saved *saved)
{
	static const int seals[] = { [MEMORY] = MEMORY_SEALS, [STATE] = CONTENT_SEALS,
				     [DESCRIPTION] = CONTENT_SEALS };
	const char *own_name, *qemu, *dir, *sums[NR_FILES];
	json_int_t version, sizes[NR_FILES] = { 0 };
	json_t *desc, *args;
	int i, fd;

	for (i = MEMORY; i < NR_FILES; i++) {
		if (saved->fd[i] < 0 || check_file(name, file_names[i], saved->fd[i], seals[i], -1))
			return NULL;
	}

	/* The position is shared with others. */
	fd = saved->fd[DESCRIPTION];
	lseek(fd, 0, SEEK_SET);
	desc = json_loadfd(fd, 0, NULL);
	if (json_unpack(desc, "{s:I, s:s, s:s, s:s, s:o, s:I, s:I, s:s, s:s}", "luvm", &version,
			"name", &own_name, "qemu", &qemu, "directory", &dir, "arguments", &args,
			"memory", &sizes[MEMORY], "state", &sizes[STATE],
			"memory checksum", &sums[MEMORY], "state checksum", &sums[STATE]) ||
	    version != VERSION) {
		fail("%s: the description is not one of this luvm (version %d)", name, VERSION);
		goto bad;
	}
	/* See claim_all() for the other name. */
	if (strcmp(own_name, name) && strncmp(name, "luvm.", 5)) {
		fail("%s: the description is that of %s", name, own_name);
		goto bad;
	}

	for (i = MEMORY; i <= STATE; i++) {
		if (check_file(name, file_names[i], saved->fd[i], seals[i], sizes[i]))
			goto bad;
	}

	return desc;
bad:
	json_decref(desc);
	return NULL;
}

/* Compare the checksums with those in the description, which read_saved() has checked. */
int check_sums(const char *name, const struct saved *saved, json_t *desc)
{
	const char *must[NR_FILES];
	char sum[17];

	json_unpack(desc, "{s:s, s:s}", "memory checksum", &must[MEMORY],
		    "state checksum", &must[STATE]);
	for (int i = MEMORY; i <= STATE; i++) {
		if (checksum(name, saved->fd[i], sum))
			return -1;
		if (strcmp(sum, must[i]))
			return fail("%s: the %s does not belong to the %s: its checksum is %s, must be %s",
				    name, file_names[i],
				    file_names[i == MEMORY ? STATE : DESCRIPTION], sum, must[i]);
	}

	return 0;
}

/* -- LUO -- */

/* Return: /dev/liveupdate, or -1. */
int open_luo(void)
{
	time_t deadline = 0;
	int luo;

	/* One process can have it open at a time, and may be another child of this luvm. */
	do {
		luo = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	} while (luo < 0 && errno == EBUSY && wait_some(&deadline, LUO_SECONDS));
	if (luo >= 0)
		return luo;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return fail("no /dev/liveupdate: boot a kernel that has CONFIG_LIVEUPDATE, with kho=on liveupdate=on");
	if (errno == EBUSY)
		return fail("/dev/liveupdate is in use: end the other program that does live updates");

	return fail("cannot open /dev/liveupdate: %m");
}

/* Return: the session of this number, to send (create) or received, or -1 with errno. */
int luo_session(int luo, unsigned long request, int slot)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };

	snprintf((char *)arg.name, sizeof(arg.name), "luvm.%d", slot);

	return ioctl(luo, request, &arg) ? -1 : arg.fd;
}

/* Wait until the session of this number is closed by all, and its memory thawed. */
static int wait_dropped(const char *name, int slot)
{
	time_t deadline = 0;
	int luo, session;

	do {
		luo = open_luo();
		if (luo < 0)
			return -1;
		session = luo_session(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, slot);
		close(luo);
	} while (session < 0 && wait_some(&deadline, QMP_SECONDS));
	if (session < 0)
		return fail("%s: another process has session luvm.%d open", name, slot);
	close(session);

	return 0;
}

/* -- holders -- */

/* Serve for ever: a connection gets all that is held, unless it is for the end. */
static void __noreturn serve(int sock, const struct saved *saved)
{
	struct timeval timeout = { .tv_sec = 5 };
	int nr = 0;
	char what;
	int conn;

	while (nr < NR_FILES && saved->fd[nr] >= 0)
		nr++;
	for (;;) {
		conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
		if (conn < 0)
			continue;
		/* One that does not ask must not keep others waiting for ever. */
		setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		if (recv(conn, &what, 1, 0) == 1) {
			/* Both holders are a process group of their own. */
			if (what == 'q')
				kill(0, SIGKILL);
			send_fds(conn, &saved->head, sizeof(saved->head), saved->fd, nr);
		}
		close(conn);
	}
}

void close_saved(struct saved *saved)
{
	for (int i = 0; i < NR_FILES; i++)
		close_fd(&saved->fd[i]);
}

/* Write to a file that there may be. */
static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dprintf(fd, "%s", text);
		close(fd);
	}
}

/* Fork two holders of what is saved. The caller keeps its copies. */
int hold(const char *name, const struct saved *saved)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int fd, holders = 0, pipes[2];
	struct saved mine = *saved;
	char ready;
	pid_t pid;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path_of(name, ".held"));
	unlink(addr.sun_path);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) || listen(sock, 16) ||
	    pipe2(pipes, O_CLOEXEC)) {
		fail("%s: cannot make the socket %s: %m", name, addr.sun_path);
		close_fd(&sock);
		return -1;
	}

	fflush(NULL);
	pid = fork();
	if (!pid) {
		setsid();
		if (chdir("/"))
			_exit(1);
		/* Nothing else may be kept open, least of all a QMP connection. */
		sock = fcntl(sock, F_DUPFD_CLOEXEC, 100);
		fd = fcntl(pipes[1], F_DUPFD_CLOEXEC, 100);
		for (int i = 0; i < NR_FILES; i++) {
			if (mine.fd[i] >= 0)
				mine.fd[i] = fcntl(mine.fd[i], F_DUPFD_CLOEXEC, 100);
		}
		close_range(0, 99, 0);
		open("/dev/null", O_RDWR);
		/* systemd ends them neither with their unit nor, for the @, before a kexec. */
		write_to("/sys/fs/cgroup/cgroup.procs", "0");
		program_invocation_name[0] = '@';
		write_to("/proc/self/oom_score_adj", "-1000");
		if (fork() < 0)
			_exit(1);
		/* Who waits for this may be gone: the guest has to be held all the same. */
		(void)!write(fd, "", 1);
		close(fd);
		serve(sock, &mine);
	}
	close(sock);
	close(pipes[1]);
	/* Wait for both, until each has said so or is gone. Either of the two will do. */
	while (pid > 0 && read(pipes[0], &ready, 1) == 1)
		holders++;
	close(pipes[0]);
	if (!holders) {
		unlink(addr.sun_path);
		return fail("%s: cannot start the processes that hold it", name);
	}

	return 0;
}

/*
 * Get copies of the file descriptors that the holders of a guest have. Return: 1, or 0 if
 * there are no holders, or -1 if nobody knows.
 */
int get_held(const char *name, struct saved *saved)
{
	struct iovec iov = { .iov_base = &saved->head, .iov_len = sizeof(saved->head) };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(NR_FILES * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	int sock = connect_to(path_of(name, ".held"), SOCK_SEQPACKET, 5);
	struct cmsghdr *cmsg;

	memset(saved->fd, -1, sizeof(saved->fd));
	if (sock < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		return 0;
	if (sock < 0 || send(sock, "f", 1, MSG_NOSIGNAL) != 1 ||
	    recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(saved->head) || !CMSG_FIRSTHDR(&msg)) {
		close_fd(&sock);
		return fail("%s: the process that holds it does not answer", name);
	}
	close(sock);
	cmsg = CMSG_FIRSTHDR(&msg);
	memcpy(saved->fd, CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));

	return 1;
}

/* The same with all files, retrieved if they come from the previous kernel. */
int get_saved(const char *name, struct saved *saved)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg) };
	int is_saved = get_held(name, saved);

	saved->again = false;
	/* LUO returns the same file each time. */
	for (arg.token = MEMORY; is_saved > 0 && saved->head.incoming && arg.token < NR_FILES;
	     arg.token++) {
		if (!ioctl(saved->fd[SESSION], LIVEUPDATE_SESSION_RETRIEVE_FD, &arg)) {
			saved->fd[arg.token] = arg.fd;
			continue;
		}
		saved->again |= errno == ENOMEM || errno == ENFILE || errno == EMFILE ||
				errno == EINTR || errno == EACCES;
		fail("%s: cannot retrieve the %s: %m", name, file_names[arg.token]);
	}

	return is_saved;
}

/*
 * Drop the session, and with it the holders. @saved keeps its files.
 */
int drop(const char *name, struct saved *saved)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };
	int sock = connect_to(path_of(name, ".held"), SOCK_SEQPACKET, 5), err = 0;

	/*
	 * The holders first: if this process is killed here, the end of the last of them
	 * finishes the session, while a finished session that is held looks like a damaged
	 * guest.
	 */
	if (sock >= 0) {
		send(sock, "q", 1, MSG_NOSIGNAL);
		close(sock);
	}
	unlink(path_of(name, ".held"));
	if (saved->head.incoming && ioctl(saved->fd[SESSION], LIVEUPDATE_SESSION_FINISH, &arg))
		err = fail("%s: cannot finish the session: %m", name);
	close_fd(&saved->fd[SESSION]);

	return saved->head.incoming ? err : wait_dropped(name, saved->head.slot);
}

/* Whether there is a guest of this name, running or held. */
static bool is_here(const char *name)
{
	struct saved saved;
	int is_saved = get_held(name, &saved);

	close_saved(&saved);

	return is_saved || qemu_pid(name);
}

/*
 * Take over all sessions that come from the previous kernel. Nothing is done if
 * there is no LUO and @optional; if it is in use, guests may be in it that nobody knows of.
 */
int claim_all(bool optional)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = DESCRIPTION };
	struct saved saved = { .head = { .incoming = true } };
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	int luo, status = 0;
	const char *own_name;
	json_t *desc;

	if (optional && access("/dev/liveupdate", F_OK))
		return 0;
	luo = open_luo();
	if (luo < 0)
		return -1;
	memset(saved.fd, -1, sizeof(saved.fd));
	for (int slot = 0; slot < MAX_SESSIONS; slot++) {
		saved.fd[SESSION] = luo_session(luo, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, slot);
		if (saved.fd[SESSION] < 0) {
			/* There is none of this number, or it is held already. */
			if (errno != ENOENT && errno != EINVAL)
				status = fail("cannot retrieve session luvm.%d: %m", slot);
			continue;
		}
		saved.head.slot = slot;

		/* If nobody can tell whose it is, or the name is taken, it goes by its number. */
		snprintf(name, sizeof(name), "luvm.%d", slot);
		if (!ioctl(saved.fd[SESSION], LIVEUPDATE_SESSION_RETRIEVE_FD, &arg)) {
			lseek(arg.fd, 0, SEEK_SET);
			desc = json_loadfd(arg.fd, 0, NULL);
			own_name = json_string_value(json_object_get(desc, "name"));
			if (own_name && !check_name(own_name) && !is_here(own_name))
				snprintf(name, sizeof(name), "%s", own_name);
			json_decref(desc);
			close(arg.fd);
		}
		/* The only one that there is: to close it would give the guest up. */
		while (hold(name, &saved))
			sleep(5);
		close(saved.fd[SESSION]);
		step(name, "session retrieved");
	}
	close(luo);

	return status;
}
