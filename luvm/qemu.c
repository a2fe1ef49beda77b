// SPDX-License-Identifier: GPL-2.0

/* luvm: talks to QEMU, and starts and ends it. See luvm.c. */

#define _GNU_SOURCE
#include "luvm.h"

/* -- sockets -- */

/* Return: a socket connected to @path, or -1 silently. */
int connect_to(const char *path, int type, int seconds)
{
	struct timeval timeout = { .tv_sec = seconds };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		close_fd(&sock);

	return sock;
}

/* Send all of @data, and @nr file descriptors with it. Silent. */
int send_fds(int sock, const void *data, size_t len, const int *fds, int nr)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(NR_FILES * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (nr) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr * sizeof(int));
	}

	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* -- QMP -- */

/*
 * Run a command, with @fd if that is not -1; takes @args, which may be NULL. Skips
 * events, and replies to a luvm that was killed: QEMU sends them to the next connection.
 * Return: the value that the command returns, or NULL; not silent.
 */
static json_t *qmp(const char *name, int sock, const char *command, json_t *args, int fd)
{
	static unsigned int number;
	json_t *request, *reply = NULL, *value;
	char *text, id[32];
	int err;

	snprintf(id, sizeof(id), "%d.%u", getpid(), ++number);
	request = json_pack("{s:s, s:s}", "execute", command, "id", id);
	if (args)
		json_object_set_new(request, "arguments", args);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	err = text ? send_fds(sock, text, strlen(text), &fd, fd >= 0) : -1;
	free(text);

	while (!err && (reply = json_loadfd(sock, JSON_DISABLE_EOF_CHECK, NULL))) {
		if (!strcmp(json_string_value(json_object_get(reply, "id")) ?: "", id))
			break;
		json_decref(reply);
	}
	if (!reply) {
		fail("the QEMU of %s does not answer to %s: see %s", name, command,
		     path_of(name, ".log"));
		return NULL;
	}

	value = json_incref(json_object_get(reply, "return"));
	if (!value)
		fail("the QEMU of %s refuses %s: %s", name, command,
		     json_string_value(json_object_get(json_object_get(reply, "error"), "desc")) ?:
		     "without a reason");
	json_decref(reply);

	return value;
}

/* The same where only success matters. */
int qmp_do(const char *name, int sock, const char *command, json_t *args, int fd)
{
	json_t *value = qmp(name, sock, command, args, fd);

	json_decref(value);

	return value ? 0 : -1;
}

/* Return: a socket that takes commands, or -1 silently. */
int qmp_open(const char *name, int seconds)
{
	int sock = connect_to(path_of(name, ".qmp"), SOCK_STREAM, seconds);
	json_t *greeting;

	if (sock < 0)
		return -1;
	greeting = json_loadfd(sock, JSON_DISABLE_EOF_CHECK, NULL);
	json_decref(greeting);
	if (!greeting || qmp_do(name, sock, "qmp_capabilities", NULL, -1))
		close_fd(&sock);

	return sock;
}

/* Return: 1 if the "status" that @command reports is @wanted, 0 if not; it goes to @buf. */
int qmp_status(const char *name, int sock, const char *command, const char *wanted,
	       char buf[32])
{
	json_t *value = qmp(name, sock, command, NULL, -1);
	const char *status = json_string_value(json_object_get(value, "status"));

	/* Before the first migration there is none. */
	snprintf(buf, 32, "%s", status ?: "none");
	json_decref(value);

	return value ? !strcmp(buf, wanted) : -1;
}

/* Leave memory that is shared out of migrations, or do not. */
static int ignore_shared(const char *name, int sock, bool on)
{
	return qmp_do(name, sock, "migrate-set-capabilities",
		      json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability",
				"x-ignore-shared", "state", on), -1);
}

/* Migrate to, or come from, the file @fd, and wait for the end. */
int migrate(const char *name, int sock, const char *command, int fd)
{
	char status[32], uri[64];
	int done, major = 0;
	time_t deadline = 0;
	json_t *version;

	version = qmp(name, sock, "query-version", NULL, -1);
	json_unpack(version, "{s:{s:i}}", "qemu", "major", &major);
	json_decref(version);
	/* New ones take no files as fd:, and old ones do not know file:. */
	snprintf(uri, sizeof(uri), major < 9 ? "fd:luvm" : "file:/proc/%d/fd/%d", getpid(), fd);
	if (ignore_shared(name, sock, true) ||
	    (major < 9 && qmp_do(name, sock, "getfd", json_pack("{s:s}", "fdname", "luvm"), fd)) ||
	    qmp_do(name, sock, command, json_pack("{s:s}", "uri", uri), -1))
		return -1;

	do {
		done = qmp_status(name, sock, "query-migrate", "completed", status);
		if (done)
			return done > 0 ? 0 : -1;
		if (!strcmp(status, "failed") || !strcmp(status, "cancelled"))
			return fail("%s of %s failed (%s): see %s", command, name, status,
				    path_of(name, ".log"));
	} while (wait_some(&deadline, QMP_SECONDS));

	return fail("the QEMU of %s does not end %s in %d seconds", name, command, QMP_SECONDS);
}

/* Let a guest go on as if it had not been saved. */
int go_on(const char *name, int sock)
{
	time_t deadline = 0;
	char status[32];

	if (qmp_do(name, sock, "migrate_cancel", NULL, -1))
		return -1;
	do {
		if (qmp_status(name, sock, "query-migrate", "none", status) < 0)
			return -1;
		if (strcmp(status, "setup") && strcmp(status, "active") &&
		    strcmp(status, "device") && strcmp(status, "cancelling"))
			break;
	} while (wait_some(&deadline, QMP_SECONDS));

	if (ignore_shared(name, sock, false) || qmp_do(name, sock, "cont", NULL, -1))
		return -1;
	step(name, "guest running");

	return 0;
}

/* -- QEMU as a process -- */

/* Return: the pid of the QEMU of a guest, 0 if there is none; silent. */
pid_t qemu_pid(const char *name)
{
	int fd = open(path_of(name, ".pid"), O_RDONLY | O_CLOEXEC);
	time_t deadline = 0;
	char buf[16] = "";
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	/* Before it becomes QEMU it has the lock and writes its pid, all at once. */
	while (!pid && flock(fd, LOCK_SH | LOCK_NB)) {
		if (pread(fd, buf, sizeof(buf) - 1, 0) > 0 && strchr(buf, '\n'))
			pid = atoi(buf);
		else if (!wait_some(&deadline, QMP_SECONDS))
			break;
	}
	close(fd);

	return pid;
}

/*
 * Whether QEMU waits for the state of the guest, as the one that luvm restore starts: then
 * an empty line follows in its pid file. With @loaded it does not wait any more.
 */
static bool qemu_state(const char *name, bool loaded)
{
	int fd = open(path_of(name, ".pid"), O_RDWR | O_CLOEXEC);
	char buf[16] = "", *end = NULL;

	if (fd >= 0 && pread(fd, buf, sizeof(buf) - 1, 0) > 0)
		end = strstr(buf, "\n\n");
	if (end && loaded && !ftruncate(fd, end + 1 - buf))
		end = NULL;
	close_fd(&fd);

	return end;
}

bool qemu_waits(const char *name)
{
	return qemu_pid(name) && qemu_state(name, false);
}

int qemu_loaded(const char *name)
{
	return qemu_state(name, true) ? fail("cannot write %s: %m", path_of(name, ".pid")) : 0;
}

/* Kill it, and wait until it does not use its memory any more. */
int kill_qemu(const char *name)
{
	pid_t pid = qemu_pid(name);
	time_t deadline = 0;

	if (!pid)
		return 0;
	if (kill(pid, SIGKILL))
		return fail("cannot kill the QEMU of %s, %d: %m", name, pid);
	do {
		waitpid(pid, NULL, WNOHANG);
		if (!qemu_pid(name))
			return 0;
	} while (wait_some(&deadline, QMP_SECONDS));

	return fail("the QEMU of %s, %d, does not die", name, pid);
}

/* Say why QEMU has ended, which is in the last line of its log. */
int qemu_ended(const char *name)
{
	FILE *file = fopen(path_of(name, ".log"), "re");
	char line[512], last[512] = "it says nothing\n";

	while (file && fgets(line, sizeof(line), file))
		memcpy(last, line, sizeof(last));
	if (file)
		fclose(file);
	last[strcspn(last, "\n")] = '\0';

	return fail("QEMU refuses to run %s: %s", name, last);
}

static char **qemu_command(const char *name, json_t *desc, bool incoming)
{
	json_t *args = json_object_get(desc, "arguments");
	long long size = json_integer_value(json_object_get(desc, "memory"));
	char **argv = calloc(json_array_size(args) + 18, sizeof(*argv)), **p = argv;
	size_t i;

	if (!argv)
		return NULL;
	*p++ = (char *)json_string_value(json_object_get(desc, "qemu"));
	*p++ = "-name";
	*p++ = (char *)name;
	*p++ = "-m";
	asprintf(p++, "%lldB", size);
	*p++ = "-object";
	asprintf(p++, "memory-backend-file,id=luvm,size=%lld,mem-path=/proc/self/fd/%d,share=on",
		 size, MEMORY_FD);
	*p++ = "-machine";
	*p++ = "memory-backend=luvm";
	*p++ = "-qmp";
	asprintf(p++, "unix:%s,server=on,wait=off", path_of(name, ".qmp"));
	*p++ = "-display";
	*p++ = "none";
	if (incoming) {
		*p++ = "-S";
		*p++ = "-incoming";
		*p++ = "defer";
	}
	for (i = 0; i < json_array_size(args); i++)
		*p++ = (char *)json_string_value(json_array_get(args, i));

	return argv;
}

static void __noreturn exec_qemu(char **argv, const char *dir, int log, int memory,
				 int pid_file, bool incoming)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	signal(SIGPIPE, SIG_DFL);
	/* Out of the way of the numbers that they get. */
	memory = fcntl(memory, F_DUPFD_CLOEXEC, 100);
	pid_file = fcntl(pid_file, F_DUPFD_CLOEXEC, 100);
	if (dprintf(pid_file, "%d\n%s", getpid(), incoming ? "\n" : "") < 0 || chdir(dir) ||
	    dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
	    dup2(memory, MEMORY_FD) < 0 || dup2(pid_file, PID_FD) < 0)
		dprintf(log, "cannot prepare QEMU in %s: %m\n", dir);
	else
		execvp(argv[0], argv);
	dprintf(log, "cannot run %s: %m\n", argv[0]);
	_exit(1);
}

/* Return: the pid of a new QEMU, or -1. */
pid_t start_qemu(const char *name, json_t *desc, int memory, bool incoming)
{
	int pid_file = open(path_of(name, ".pid"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int log = open(path_of(name, ".log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
		       0600);
	char **argv = qemu_command(name, desc, incoming);
	pid_t pid;

	if (pid_file < 0 || log < 0 || !argv)
		return fail("cannot write in %s: %m", run_dir);
	if (flock(pid_file, LOCK_EX | LOCK_NB) || ftruncate(pid_file, 0))
		return fail("a QEMU of %s runs already", name);
	unlink(path_of(name, ".qmp"));

	fflush(NULL);
	pid = fork();
	if (!pid)
		exec_qemu(argv, json_string_value(json_object_get(desc, "directory")), log,
			  memory, pid_file, incoming);
	close(log);
	close(pid_file);
	if (pid < 0)
		return fail("cannot fork: %m");

	return pid;
}

/* Return: a QMP socket of the QEMU that start_qemu() has started, or -1 with none left. */
int wait_qemu(const char *name, pid_t pid)
{
	time_t deadline = 0;
	int sock;

	do {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return qemu_ended(name);
		sock = qmp_open(name, QMP_SECONDS);
		if (sock >= 0)
			return sock;
	} while (wait_some(&deadline, QMP_SECONDS));
	kill_qemu(name);

	return fail("the QEMU of %s does not answer in %d seconds: see %s", name, QMP_SECONDS,
		    path_of(name, ".log"));
}
