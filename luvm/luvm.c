// SPDX-License-Identifier: GPL-2.0

/*
 * luvm - carry QEMU guests over a live update of their host's kernel
 *
 * A guest's memory is a sealed memfd, which the kernel hands over to the next one
 * in a session of the Live Update Orchestrator (LUO), together with the state of
 * the guest's devices as QEMU migrates it and a description of both.
 *
 * What is kept, and how long:
 *  - A guest that runs needs nothing but its QEMU.
 *  - A saved guest is a LUO session. It exists as long as a process has its file
 *    descriptor open. Two holders, processes that only wait, have it open, so that one
 *    may be killed. They send copies to each process that connects to NAME.held.
 *  - A session that comes from the old kernel can be retrieved only once. The process
 *    that retrieves it forks its holders before all else.
 *  - While there are holders the guest does not run. The session is dropped before it
 *    does: from its first instruction on, the saved state is not that of its memory any
 *    more. QEMU has loaded all of the state by then.
 *
 * LUO has no list of its sessions, so they are numbered: "luvm.0" and so on. The
 * description says which guest it is.
 *
 * Here are the verbs; qemu.c talks to QEMU, saved.c to LUO, image.c reads kernel images,
 * all use util.c, and none calls this file.
 *
 * Files in the run directory: lock, which serializes luvm; NAME.json, the description;
 * NAME.qmp; NAME.pid, on which QEMU has a lock as long as it lives; NAME.log;
 * NAME.held, the socket of the holders.
 *
 * Unless told otherwise, functions return 0, or print an error in one line and return -1.
 * Sizes are in bytes.
 */

#define _GNU_SOURCE
#include "luvm.h"

static int no_guest(const char *name)
{
	return fail("there is no guest %s: luvm list says which there are", name);
}

static json_t *load_description(const char *name)
{
	const char *path = path_of(name, ".json");
	json_error_t error;
	json_t *desc = json_load_file(path, 0, &error);

	if (!desc && access(path, F_OK))
		no_guest(name);
	else if (!desc)
		fail("%s is damaged: %s", path, error.text);

	return desc;
}

/* In a file of its own first, so that a full file system or a kill leaves the old one. */
static int write_description(const char *name, json_t *desc)
{
	const char *path = path_of(name, ".json"), *new = path_of(name, ".json.new");

	if (!json_dump_file(desc, new, JSON_INDENT(2)) && !rename(new, path))
		return 0;
	fail("cannot write %s: %m", path);
	unlink(new);

	return -1;
}

static int start(const char *name, long long size, long long hugepages, char **args)
{
	json_t *desc, *array = json_array();
	const char *qemu = getenv("LUVM_QEMU");
	char cwd[PATH_MAX], machine[96];
	struct saved saved;
	struct utsname uts;
	int memory;
	pid_t pid;

	uname(&uts);
	snprintf(machine, sizeof(machine), "qemu-system-%s", uts.machine);
	while (*args)
		json_array_append_new(array, json_string(*args++));
	if (!getcwd(cwd, sizeof(cwd)))
		return fail("cannot tell the current directory: %m");
	desc = json_pack("{s:i, s:s, s:I, s:I, s:s, s:s, s:o}", "luvm", VERSION, "name", name,
			 "memory", (json_int_t)size, "hugepages", (json_int_t)hugepages,
			 "qemu", qemu ?: machine, "directory", cwd, "arguments", array);
	if (!desc)
		return fail("the arguments of QEMU have to be UTF-8");

	if (claim_all(true))
		return -1;
	if (get_held(name, &saved) || qemu_pid(name))
		return fail("there is a guest %s already: see luvm list", name);
	memory = make_memfd(name, "memory", hugepages);
	if (memory < 0)
		return -1;
	if (ftruncate(memory, size) || fcntl(memory, F_ADD_SEALS, MEMORY_SEALS))
		return fail("cannot make memory of %lld bytes: %m", size);
	if (write_description(name, desc))
		return -1;
	pid = start_qemu(name, desc, memory, false);
	if (pid < 0 || wait_qemu(name, pid) < 0) {
		unlink(path_of(name, ".json"));
		return -1;
	}
	step(name, "guest running");

	return 0;
}

/* Remove the files of a guest, but for its log. Return: whether it had a description. */
static bool forget(const char *name)
{
	unlink(path_of(name, ".held"));
	unlink(path_of(name, ".qmp"));
	unlink(path_of(name, ".pid"));

	return !unlink(path_of(name, ".json"));
}

/* Return: a QMP socket of a guest that is here, or -1. */
static int open_qmp(const char *name)
{
	int sock = qmp_open(name, QMP_SECONDS);

	return sock >= 0 ? sock :
	       fail("the QEMU of %s does not answer: end what else is connected to %s", name,
		    path_of(name, ".qmp"));
}

/* Let a stopped guest go on here, whose QEMU runs. */
static int resume(const char *name, bool is_saved, struct saved *saved)
{
	char status[32];
	int sock, err = 0;

	if (is_saved && drop(name, saved))
		return -1;
	close_saved(saved);
	/* Holders that were killed have left it. */
	unlink(path_of(name, ".held"));
	sock = open_qmp(name);
	if (sock < 0)
		return -1;
	if (qmp_status(name, sock, "query-status", "running", status) != 1)
		err = go_on(name, sock);
	close(sock);

	return err;
}

/* Let a stopped guest go on here, or give it up if it came from the previous kernel. */
static int abandon(const char *name)
{
	struct saved saved;
	int is_saved = get_held(name, &saved);

	if (is_saved < 0)
		return -1;
	if (is_saved && saved.head.incoming) {
		if (kill_qemu(name) || drop(name, &saved))
			return -1;
		forget(name);
		return 0;
	}
	if (!qemu_pid(name) || qemu_waits(name)) {
		if (kill_qemu(name))
			return -1;
		if (is_saved)
			return fail("the QEMU of %s has ended: luvm restore starts it again", name);
		return forget(name) ? 0 : no_guest(name);
	}
	return resume(name, is_saved, &saved);
}

/* -- several guests at once -- */

/* A guest of a command line. */
struct guest {
	const char *name;
	struct saved saved;	/* the session, before its child has it */
	pid_t pid;		/* the child at work on it */
	enum { WAITING, DONE, FAILED } state;
};

/*
 * Call @verb for each guest that waits, in a child of its own, as many at once as there
 * are CPUs. A killed luvm does not end its children; @killed is called for a guest whose
 * child is killed. After a failure begin no more, unless @keep_going. Return: -1 if one
 * failed.
 */
static int side_by_side(struct guest *guests, int nr, bool keep_going,
			int (*verb)(struct guest *guest), int (*killed)(const char *name))
{
	int next = 0, running = 0, err = 0, status, i;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct guest *guest;
	pid_t pid;

	for (;;) {
		guest = &guests[next];
		if (next < nr && guest->state != WAITING) {
			next++;
			continue;
		}
		if (next < nr && running < cpus && (keep_going || !err)) {
			fflush(NULL);
			guest->pid = fork();
			if (!guest->pid) {
				setsid();
				for (i = 0; i < nr; i++) {
					if (i != next)
						close_saved(&guests[i].saved);
				}
				_exit(!!verb(guest));
			}
			if (guest->pid < 0) {
				err = fail("%s: cannot fork: %m", guest->name);
				guest->state = FAILED;
			}
			close_saved(&guest->saved);
			running += guest->pid > 0;
			next++;
			continue;
		}
		pid = running ? wait(&status) : -1;
		if (pid < 0)
			break;
		for (i = 0; i < next; i++) {
			if (guests[i].pid != pid)
				continue;
			running--;
			guests[i].state = status ? FAILED : DONE;
			if (status)
				err = -1;
			if (WIFSIGNALED(status)) {
				fail("the process at work on %s was killed by signal %d",
				     guests[i].name, WTERMSIG(status));
				killed(guests[i].name);
			}
		}
	}

	return err;
}

static int preserve(const char *name, const struct saved *saved, int file)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = saved->fd[file], .token = file
	};

	if (ioctl(saved->fd[SESSION], LIVEUPDATE_SESSION_PRESERVE_FD, &arg))
		return fail("%s: cannot preserve the %s: %m", name, file_names[file]);

	return 0;
}

/* Create a session, the first one that does not exist. */
static int create_session(const char *name, struct saved *saved)
{
	int luo = open_luo(), *slot = &saved->head.slot;

	if (luo < 0)
		return -1;
	for (*slot = 0; *slot < MAX_SESSIONS && saved->fd[SESSION] < 0; ++*slot) {
		saved->fd[SESSION] = luo_session(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, *slot);
		if (saved->fd[SESSION] >= 0 || errno != EEXIST)
			break;
	}
	close(luo);
	if (*slot == MAX_SESSIONS)
		return fail("%s: %d guests are saved already", name, MAX_SESSIONS);
	if (saved->fd[SESSION] < 0)
		return fail("%s: cannot create session luvm.%d: %m", name, *slot);

	return 0;
}

/* Write and seal the description that is preserved. Return: its memfd, or -1. */
static int describe(const char *name, json_t *desc, const struct saved *saved)
{
	char sums[2][17], *text;
	struct stat st;
	int fd;

	if (fstat(saved->fd[STATE], &st) || checksum(name, saved->fd[MEMORY], sums[0]) ||
	    checksum(name, saved->fd[STATE], sums[1]))
		return -1;
	json_object_set_new(desc, "state", json_integer(st.st_size));
	json_object_set_new(desc, "memory checksum", json_string(sums[0]));
	json_object_set_new(desc, "state checksum", json_string(sums[1]));
	text = json_dumps(desc, JSON_INDENT(2));
	fd = make_memfd(name, "description", 0);
	if (fd >= 0 && (!text || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
			fcntl(fd, F_ADD_SEALS, CONTENT_SEALS))) {
		fail("%s: cannot write and seal the description: %m", name);
		close_fd(&fd);
	}
	free(text);

	return fd;
}

/*
 * Open the memory of a guest that runs. Return: a QMP socket, or -1. @desc is its
 * description, to be released in any case.
 */
static int open_running(const char *name, struct saved *saved, json_t **desc)
{
	pid_t pid = qemu_pid(name);
	char status[32], path[32];
	int sock;

	*desc = load_description(name);
	if (!*desc)
		return -1;
	if (!pid)
		return fail("the QEMU of %s has ended: see %s", name, path_of(name, ".log"));
	sock = open_qmp(name);
	if (sock < 0)
		return -1;
	if (qmp_status(name, sock, "query-status", "running", status) != 1) {
		close(sock);
		return fail("%s is not running but %s: luvm abandon lets it go on", name, status);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, MEMORY_FD);
	saved->fd[MEMORY] = open(path, O_RDWR | O_CLOEXEC);
	if (check_file(name, "memory", saved->fd[MEMORY], MEMORY_SEALS,
		       json_integer_value(json_object_get(*desc, "memory"))))
		close_fd(&sock);

	return sock;
}

/* Preserve the memory. This takes longer the more there is, so the guest runs on. */
static int preserve_memory(struct guest *guest)
{
	struct saved *saved = &guest->saved;
	const char *name = guest->name;
	json_t *desc = NULL;
	int sock, err = -1;

	if (get_held(name, saved)) {
		close_saved(saved);
		return fail("%s is saved already", name);
	}
	saved->head.incoming = false;
	sock = open_running(name, saved, &desc);
	if (sock >= 0 && !create_session(name, saved) && !preserve(name, saved, MEMORY)) {
		step(name, "memory preserved");
		err = 0;
	}
	json_decref(desc);
	close_fd(&sock);
	close_fd(&saved->fd[MEMORY]);
	if (err)
		close_saved(saved);

	return err;
}

/* Stop a guest and save all but its memory. @desc is changed. */
static int save_rest(const char *name, json_t *desc, int sock, struct saved *saved)
{
	if (qmp_do(name, sock, "stop", NULL, -1))
		return -1;
	step(name, "guest stopped");

	saved->fd[STATE] = make_memfd(name, "state", 0);
	if (saved->fd[STATE] < 0 || migrate(name, sock, "migrate", saved->fd[STATE]))
		return -1;
	if (fcntl(saved->fd[STATE], F_ADD_SEALS, CONTENT_SEALS))
		return fail("%s: cannot seal the state: %m", name);
	saved->fd[DESCRIPTION] = describe(name, desc, saved);
	if (saved->fd[DESCRIPTION] < 0)
		return -1;
	step(name, "state saved");

	if (preserve(name, saved, STATE) || preserve(name, saved, DESCRIPTION) || hold(name, saved))
		return -1;
	step(name, "preserved");

	return 0;
}

/* Return: -1 in any case. A guest whose QEMU ends meanwhile is not forgotten. */
static int undo_save(const char *name)
{
	struct saved saved;
	int is_saved;

	if (!qemu_pid(name))
		return fail("the QEMU of %s has ended while it was saved: luvm list has its state",
			    name);
	is_saved = get_held(name, &saved);
	if (is_saved < 0 || resume(name, is_saved, &saved))
		return -1;

	return fail("%s is not saved and goes on", name);
}

static int save_one(struct guest *guest)
{
	json_t *desc = NULL;
	int sock = open_running(guest->name, &guest->saved, &desc);

	if (sock < 0 || save_rest(guest->name, desc, sock, &guest->saved)) {
		close_saved(&guest->saved);
		close_fd(&sock);
		return undo_save(guest->name);
	}

	return 0;
}

/* Save all guests or, unless @keep_going, none. */
static int save(struct guest *guests, int nr, bool keep_going)
{
	int err = 0, i;

	for (i = 0; i < nr; i++) {
		if (!preserve_memory(&guests[i]))
			continue;
		guests[i].state = FAILED;
		err = -1;
		if (!keep_going)
			return nr > 1 ? fail("no guest is saved, all go on") : -1;
	}
	err |= side_by_side(guests, nr, keep_going, save_one, undo_save);
	for (i = 0; err && !keep_going && i < nr; i++) {
		close_saved(&guests[i].saved);
		if (guests[i].state == DONE)
			undo_save(guests[i].name);
	}

	return err;
}

static int restore_one(struct guest *guest)
{
	int sock = -1, state = -1, err = -1;
	const char *name = guest->name;
	json_t *desc = NULL;
	struct saved saved;
	char path[32];
	pid_t pid;

	switch (get_saved(name, &saved)) {
	case -1:
		return -1;
	case 0:
		return fail("no guest %s is saved here: luvm list says which are", name);
	}
	if (!saved.head.incoming && qemu_pid(name) && !qemu_waits(name))
		return fail("%s is saved for the next kernel, which this is not: luvm abandon lets it go on here",
			    name);
	desc = read_saved(name, &saved);
	if (!desc)
		goto keep;

	/* One of an earlier try. As there are holders, it has not run the guest. */
	if (kill_qemu(name))
		goto keep;
	/* Read it from its beginning, wherever others are. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", saved.fd[STATE]);
	state = open(path, O_RDONLY | O_CLOEXEC);
	if (state < 0) {
		fail("%s: cannot open %s: %m", name, path);
		goto keep;
	}
	if (write_description(name, desc))
		goto keep;
	/* It takes longer to start than the sums do. Without the state it runs nothing. */
	pid = start_qemu(name, desc, saved.fd[MEMORY], true);
	if (pid < 0 || check_sums(name, &saved, desc))
		goto keep;
	step(name, "checked");
	sock = wait_qemu(name, pid);
	if (sock < 0)
		goto keep;
	step(name, "QEMU started");
	if (migrate(name, sock, "migrate-incoming", state)) {
		qemu_ended(name);
		goto keep;
	}
	if (qemu_loaded(name))
		goto keep;
	step(name, "state loaded");
	/* If this fails there are no holders any more, so that QEMU alone has the guest. */
	err = drop(name, &saved);
	err |= go_on(name, sock);
	goto out;

keep:
	kill_qemu(name);
	fail("%s is kept as it is: luvm restore %s tries again", name, name);
out:
	close_saved(&saved);
	close_fd(&sock);
	close_fd(&state);
	json_decref(desc);
	return err;
}

/* The child at work was killed. Without holders QEMU has loaded all of the guest. */
static int undo_restore(const char *name)
{
	struct saved saved;
	int is_saved = get_held(name, &saved);

	close_saved(&saved);

	return is_saved ? fail("%s is kept as it is: luvm restore %s tries again", name, name) :
			  abandon(name);
}

/* Call @verb for all guests that have a file with this ending; -1 if one failed. */
static int for_all(const char *ending, int (*verb)(const char *name, void *arg), void *arg)
{
	struct dirent **entries;
	int n = scandir(run_dir, &entries, NULL, alphasort), status = 0;

	for (int i = 0; i < n; i++) {
		char *dot = strrchr(entries[i]->d_name, '.');

		if (dot && !strcmp(dot, ending)) {
			*dot = '\0';
			if (verb(entries[i]->d_name, arg))
				status = -1;
		}
		free(entries[i]);
	}
	free(entries);

	return status;
}

/* A growing list of guests. */
struct guests {
	struct guest *guest;
	int nr;
};

/* Add @name, once. */
static int add_guest(struct guests *guests, const char *name)
{
	struct guest *guest;

	if (check_name(name))
		return -1;
	for (int i = 0; i < guests->nr; i++) {
		if (!strcmp(guests->guest[i].name, name))
			return fail("%s is named twice", name);
	}
	guests->guest = realloc(guests->guest, (guests->nr + 1) * sizeof(*guest));
	guest = &guests->guest[guests->nr++];
	*guest = (struct guest){ .name = strdup(name) };
	memset(guest->saved.fd, -1, sizeof(guest->saved.fd));

	return 0;
}

/* Add @name to the guests @arg if it comes from the previous kernel. */
static int add_if_incoming(const char *name, void *arg)
{
	struct saved saved;
	int is_saved = get_held(name, &saved);

	close_saved(&saved);

	return is_saved > 0 && saved.head.incoming ? add_guest(arg, name) : is_saved < 0 ? -1 : 0;
}

/* Add an object about @name to the array @arg. */
static int list_one(const char *name, void *arg)
{
	json_t *desc = json_load_file(path_of(name, ".json"), 0, NULL);
	const char *state = "ended";
	bool incoming = false;
	pid_t pid = qemu_pid(name);
	struct saved saved;
	char status[32];
	json_t *object;
	int sock, is_saved = get_saved(name, &saved);

	if (is_saved > 0) {
		incoming = saved.head.incoming;
		state = incoming || !pid || qemu_waits(name) ? "restorable" : "saved";
		json_decref(desc);
		desc = read_saved(name, &saved);
		if (!saved.again && (!desc || check_sums(name, &saved, desc)))
			state = "damaged";
		close_saved(&saved);
	} else if (is_saved < 0) {
		state = "does not answer";
	} else if (pid) {
		sock = qmp_open(name, 5);
		state = sock < 0 || qmp_status(name, sock, "query-status", "", status) < 0 ?
			"does not answer" : status;
		close_fd(&sock);
	}
	object = json_pack("{s:s, s:s, s:I, s:I, s:b}", "name", name, "state", state, "memory",
			   json_integer_value(json_object_get(desc, "memory")), "hugepages",
			   json_integer_value(json_object_get(desc, "hugepages")),
			   "previous kernel", incoming);
	if (pid)
		json_object_set_new(object, "pid", json_integer(pid));
	json_array_append_new(arg, object);
	json_decref(desc);

	return 0;
}

/* The same for those that have no holders, which are on the list already. */
static int list_not_held(const char *name, void *arg)
{
	return access(path_of(name, ".held"), F_OK) ? list_one(name, arg) : 0;
}

/* Return: an array of all guests, or NULL. */
static json_t *all_guests(void)
{
	json_t *guests = json_array();

	if (claim_all(true) | for_all(".held", list_one, guests) |
	    for_all(".json", list_not_held, guests))
		return NULL;

	return guests;
}

static int list(bool as_json)
{
	json_t *guests = all_guests(), *guest;
	size_t i;

	if (!guests)
		return -1;
	if (as_json) {
		json_dumpf(guests, stdout, JSON_INDENT(2));
		putchar('\n');
		return 0;
	}
	json_array_foreach(guests, i, guest) {
		printf("%-20s %-12s %8lld MiB\n",
		       json_string_value(json_object_get(guest, "name")),
		       json_string_value(json_object_get(guest, "state")),
		       (long long)json_integer_value(json_object_get(guest, "memory")) >> 20);
	}

	return 0;
}

static bool is_named(const char *name, char **names)
{
	while (*names && strcmp(*names, name))
		names++;

	return *names;
}

/* Print whether @names, or if there are none all guests, survive an update to @kernel. */
static int check(const char *from, const char *kernel, char **names)
{
	const char *reason, *name, *state, *problem;
	json_t *guests = all_guests(), *guest;
	struct image old, new;
	int err, found = 0;
	size_t i;

	if (!guests || (from ? read_image(from, &old) : read_running(NULL, &old)) ||
	    read_image(kernel, &new))
		return -1;
	reason = mismatch(&old, &new, 0);
	err = reason ? -1 : 0;
	printf("%s: %s\n", old.path, image_versions(&old));
	printf("%s: %s\n", new.path, image_versions(&new));
	printf("%s: %s%s\n", new.path, reason ? "no guest survives: " : "guests survive",
	       reason ?: "");

	json_array_foreach(guests, i, guest) {
		name = json_string_value(json_object_get(guest, "name"));
		state = json_string_value(json_object_get(guest, "state"));
		if (*names && !is_named(name, names))
			continue;
		found++;
		problem = mismatch(&old, &new,
				   json_integer_value(json_object_get(guest, "hugepages")));
		if (!problem && json_is_true(json_object_get(guest, "previous kernel")))
			problem = "it is still that of the previous kernel: restore it";
		else if (!problem && strcmp(state, "running") && strcmp(state, "saved") &&
			 strcmp(state, "restorable"))
			problem = "luvm save takes guests that run";
		printf("%-20s %-12s %s%s\n", name, state,
		       problem ? "does not survive: " : "survives", problem ?: "");
		err |= problem ? -1 : 0;
	}
	while (*names)
		err |= check_name(*names++), found--;
	if (found < 0)
		return fail("some of these guests do not exist: luvm list says which do");

	return err;
}

/* See before guests are stopped that they survive the update. */
static int check_update(const char *from, const char *kernel, const struct guests *guests)
{
	struct image old, new;
	const char *reason;
	json_t *desc;

	if (read_running(from, &old) || read_image(kernel, &new))
		return -1;
	for (int i = 0; i < guests->nr; i++) {
		desc = json_load_file(path_of(guests->guest[i].name, ".json"), 0, NULL);
		reason = mismatch(&old, &new, json_integer_value(json_object_get(desc, "hugepages")));
		json_decref(desc);
		if (reason)
			return fail("%s does not survive an update to %s: %s",
				    guests->guest[i].name, kernel, reason);
	}

	return 0;
}

/* Return: a positive size, or -1 for what is none. */
static long long parse_size(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	long long size;
	char *end;

	errno = 0;
	size = strtoll(text, &end, 10);
	unit = *end ? strchr(units, *end) : units + 1;
	if (errno || end == text || !unit || (*end && end[1]) || size <= 0 ||
	    size > LLONG_MAX >> (10 * (unit - units + 1)))
		return -1;

	return size << (10 * (unit - units + 1));
}

static int usage(void)
{
	fputs("usage: luvm [-v] start NAME [-m SIZE] [--hugepages 2M|1G] [-- QEMU ARGUMENT...]\n"
	      "       luvm [-v] save [--keep-going] [--for KERNEL [--from KERNEL] [--force]] NAME...\n"
	      "       luvm [-v] abandon NAME...\n"
	      "       luvm [-v] restore [NAME...]\n"
	      "       luvm [-v] list [--json]\n"
	      "       luvm [-v] check [--from KERNEL] KERNEL [NAME...]\n", stderr);
	return 2;
}

/* Return: 2 for wrong usage. */
static int run_start(int argc, char **argv)
{
	long long size = parse_size("512M"), hugepages = 0;
	const char *name = argv[0];

	if (!strncmp(name, "luvm.", 5)) {
		fail("names that begin with \"luvm.\" are for guests whose own name is not known");
		return 2;
	}
	for (; argc > 1 && strcmp(argv[1], "--"); argv += 2, argc -= 2) {
		if (!strcmp(argv[1], "-m")) {
			size = argc > 2 ? parse_size(argv[2]) : -1;
			if (size <= 0 || size % PAGE) {
				fail("-m needs a size in pages of 4K: say 512M or 2G");
				return 2;
			}
		} else if (!strcmp(argv[1], "--hugepages")) {
			hugepages = argc > 2 ? parse_size(argv[2]) : -1;
			if (hugepages != 2LL << 20 && hugepages != 1LL << 30) {
				fail("--hugepages needs a size: say 2M or 1G");
				return 2;
			}
		} else {
			fail("unknown argument %s: arguments of QEMU come after --", argv[1]);
			return 2;
		}
	}
	if (hugepages && size % hugepages) {
		fail("memory of %lld bytes is not a multiple of the huge pages", size);
		return 2;
	}

	return start(name, size, hugepages, argv + (argc > 1 ? 2 : 1));
}

/* Make the run directory, and wait until no other luvm is at work. */
static int enter_run_dir(void)
{
	struct stat st;
	int lock;

	run_dir = getenv("LUVM_DIR") ?: "/run/luvm";
	if (run_dir[0] != '/' || strchr(run_dir, ','))
		return fail("LUVM_DIR has to be an absolute path without a comma, unlike %s",
			    run_dir);
	if ((mkdir(run_dir, 0700) && errno != EEXIST) || stat(run_dir, &st))
		return fail("cannot make the directory %s: %m", run_dir);
	if (st.st_uid != geteuid() || (st.st_mode & 0022))
		return fail("%s has to be yours and nobody else's to write to", run_dir);
	/* The longest name that claim_all() chooses. */
	if (check_name("luvm.743"))
		return -1;
	lock = open(path_of("lock", ""), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB))
		fail("waiting for another luvm");
	if (lock < 0 || flock(lock, LOCK_EX))
		return fail("cannot lock %s: %m", path_of("lock", ""));

	return 0;
}

/* The verbs, with the options that each takes and the number of arguments. */
static const struct {
	const char *name, *options;
	int min, max;
} verbs[] = {
	{ "start", "", 1, INT_MAX }, { "save", "ktfF", 1, INT_MAX },
	{ "abandon", "", 1, INT_MAX }, { "restore", "", 0, INT_MAX }, { "list", "j", 0, 0 },
	{ "check", "f", 1, INT_MAX },
};

enum { START, SAVE, ABANDON, RESTORE, LIST, CHECK, NR_VERBS };

static const struct option options[] = {
	{ "keep-going", no_argument, NULL, 'k' },
	{ "for", required_argument, NULL, 't' },
	{ "from", required_argument, NULL, 'f' },
	{ "force", no_argument, NULL, 'F' },
	{ "json", no_argument, NULL, 'j' },
	{ }
};

/* Return: 2 for wrong usage. */
static int run(int verb, int argc, char **argv, bool given[256], const char *to, const char *from)
{
	struct guests guests = { 0 };
	int err = 0, i;

	if (enter_run_dir())
		return -1;
	if (verb == START)
		return check_name(argv[0]) ? 2 : run_start(argc, argv);
	if (verb == LIST)
		return list(given['j']);
	if (verb == CHECK)
		return check(from, argv[0], argv + 1);

	for (i = 0; i < argc; i++) {
		if (add_guest(&guests, argv[i]))
			return 2;
	}
	if (to && check_update(from, to, &guests) && !given['F'])
		return fail("no guest is saved, all go on (--force saves them)");
	if (claim_all(verb == ABANDON))
		return -1;
	if (verb == SAVE)
		return save(guests.guest, guests.nr, given['k']);
	if (verb == ABANDON) {
		for (i = 0; i < argc; i++)
			err |= abandon(argv[i]);
		return err;
	}
	if (!argc)
		err = for_all(".held", add_if_incoming, &guests);

	return err | side_by_side(guests.guest, guests.nr, true, restore_one, undo_restore);
}

int main(int argc, char **argv)
{
	const char *to = NULL, *from = NULL;
	bool given[256] = { false };
	int verb, c, err;

	/* 0 to 2 have to be open, and no more: QEMU and holders would keep what the caller has. */
	while ((c = open("/dev/null", O_RDWR)) >= 0 && c < 3)
		;
	close_range(3, ~0U, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "-v")) {
		verbose = true;
		argv++;
		argc--;
	}
	if (argc < 2)
		return usage();
	argv++;
	argc--;
	for (verb = 0; verb < NR_VERBS && strcmp(argv[0], verbs[verb].name); verb++)
		;
	if (verb == NR_VERBS)
		return usage();
	/* The arguments of start are those of QEMU. */
	while (verb != START && (c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (!strchr(verbs[verb].options, c))
			return usage();
		given[c] = true;
		if (c == 't')
			to = optarg;
		if (c == 'f')
			from = optarg;
	}
	argv += optind;
	argc -= optind;
	if (argc < verbs[verb].min || argc > verbs[verb].max ||
	    (verb == SAVE && !to && (from || given['F'])))
		return usage();

	err = run(verb, argc, argv, given, to, from);

	return err < 0 ? 1 : err;
}
