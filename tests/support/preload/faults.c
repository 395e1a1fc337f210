/*
 * A preload library for crash, disk and order proofs.
 *
 * It stands between a program and the kernel, looks at every call that makes something durable or
 * sends something to a peer of interest (a *point*), and can record the point, kill the process at
 * it, or make it fail. It does not touch calls on other descriptors. It calls the kernel by
 * `syscall` only, allocates nothing, and takes one spin lock while it learns a new label.
 *
 *   KW_FAULT_STORE   path prefixes of files, separated by commas. The label of a file is its base
 *                    name; of a prefix that ends with `/` it is that folder's name and `/\*` (a slash and a star).
 *   KW_FAULT_PEER    peers, separated by commas: 127.0.0.1:5432, [::1]:5432, /path/of/a/socket
 *   KW_FAULT_ARM     points count only while this file exists; without it always
 *   KW_FAULT_RECORD  file that gets a line per point: sequence, kind, label, ordinal, bytes, begin and
 *                    end (CLOCK_MONOTONIC, ns), result, mark; by tabs. What makes durable is written
 *                    down after it ended, what is sent before it begins, so that "synced before
 *                    sent" in the record was so in the world.
 *   KW_FAULT_MARK    texts, separated by commas; the record names the first one found in the bytes
 *   KW_FAULT_KILL    KIND[@LABEL]:N:before|after|torn    SIGKILL at the N-th such point
 *   KW_FAULT_ERROR   KIND[@LABEL]:N:ERRNO:once|forever   the N-th such point fails, or all from it
 *   KW_FAULT_ROOM    how many bytes files may still grow; unlink and ftruncate give room back
 *   KW_FAULT_FIRED   file that gets a line for each fault that was really injected
 *
 * KIND is write, sync, send, truncate, rename, unlink, connect or any.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE, SYNC, SEND, TRUNCATE, RENAME, UNLINK, CONNECT, KINDS };
static const char *const KIND_NAMES[KINDS] = {"write", "sync", "send", "truncate", "rename", "unlink", "connect"};
enum when { BEFORE, AFTER, TORN, FAIL_ONCE, FAIL_FOREVER };
static const char *const WHEN_NAMES[] = {"before", "after", "torn", "once", "forever"};

#define MAX_FDS 65536
#define MAX_LABELS 64
#define MAX_ITEMS 16
#define ANY_KIND (-1)
#define NONE (-1)

struct label {
    char name[160];
    atomic_long seen[KINDS];
};

struct rule {
    int kind;
    char label[160];
    long nth;
    enum when when;
    int error;
    atomic_long seen;
};

struct point {
    enum kind kind;
    int label;
    size_t bytes;
    const struct iovec *parts;
    size_t count;
    long sequence, ordinal;
};

struct list {
    char text[4096];
    char *item[MAX_ITEMS];
    int count;
};

static struct label labels[MAX_LABELS];
static atomic_int label_count;
static atomic_flag label_lock = ATOMIC_FLAG_INIT;
static _Atomic short fd_label[MAX_FDS]; /* 0 not known yet, -1 of no interest, else label + 1 */
static atomic_long sequence;
static struct rule rules[MAX_ITEMS];
static int rule_count;
static struct list store_prefixes, peers, marks;
static const char *arm_file, *record_file, *fired_file;
static int has_room_limit;
static atomic_long room;

/* ---- what the environment asks for ------------------------------------------------------- */

static void split(struct list *list, const char *text) {
    if (!text) return;
    snprintf(list->text, sizeof list->text, "%s", text);
    char *rest = NULL;
    for (char *item = strtok_r(list->text, ",", &rest); item && list->count < MAX_ITEMS;
         item = strtok_r(NULL, ",", &rest))
        list->item[list->count++] = item;
}

static void refuse(const char *what) {
    dprintf(2, "keywheel fault library: cannot understand `%s`\n", what);
    _exit(97);
}

static int error_number(const char *name) {
    static const struct {
        const char *name;
        int number;
    } KNOWN[] = {{"ENOSPC", ENOSPC},         {"EIO", EIO},           {"EDQUOT", EDQUOT},
                 {"EROFS", EROFS},           {"EPIPE", EPIPE},       {"ECONNRESET", ECONNRESET},
                 {"ECONNREFUSED", ECONNREFUSED}, {"ETIMEDOUT", ETIMEDOUT}, {"EAGAIN", EAGAIN},
                 {"EINTR", EINTR},           {"EACCES", EACCES}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strcmp(name, KNOWN[i].name)) return KNOWN[i].number;
    return 0;
}

/* Cuts the text after its last colon off and returns it. */
static char *last_part(char *text, const char *whole) {
    char *colon = strrchr(text, ':');
    if (!colon) refuse(whole);
    *colon = 0;
    return colon + 1;
}

static void add_rule(const char *whole, int is_error) {
    if (rule_count == MAX_ITEMS || strlen(whole) >= 256) refuse(whole);
    struct rule *rule = &rules[rule_count++];
    char text[256];
    snprintf(text, sizeof text, "%s", whole);
    char *when = last_part(text, whole);
    int low = is_error ? FAIL_ONCE : BEFORE, high = is_error ? FAIL_FOREVER : TORN, found = 0;
    for (int i = low; i <= high; i++)
        if (!strcmp(when, WHEN_NAMES[i])) rule->when = i, found = 1;
    if (!found) refuse(whole);
    if (is_error && !(rule->error = error_number(last_part(text, whole)))) refuse(whole);
    rule->nth = atol(last_part(text, whole));
    if (rule->nth < 1) refuse(whole);
    char *at = strchr(text, '@');
    if (at) {
        *at = 0;
        snprintf(rule->label, sizeof rule->label, "%s", at + 1);
    }
    rule->kind = strcmp(text, "any") ? KINDS : ANY_KIND;
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(text, KIND_NAMES[i])) rule->kind = i;
    if (rule->kind == KINDS) refuse(whole);
}

static void add_rules(const char *text, int is_error) {
    struct list list = {.count = 0};
    split(&list, text);
    for (int i = 0; i < list.count; i++) add_rule(list.item[i], is_error);
}

__attribute__((constructor)) static void configure(void) {
    split(&store_prefixes, getenv("KW_FAULT_STORE"));
    split(&peers, getenv("KW_FAULT_PEER"));
    split(&marks, getenv("KW_FAULT_MARK"));
    arm_file = getenv("KW_FAULT_ARM");
    record_file = getenv("KW_FAULT_RECORD");
    fired_file = getenv("KW_FAULT_FIRED");
    add_rules(getenv("KW_FAULT_KILL"), 0);
    add_rules(getenv("KW_FAULT_ERROR"), 1);
    const char *limit = getenv("KW_FAULT_ROOM");
    has_room_limit = limit != NULL;
    atomic_store(&room, limit ? atol(limit) : 0);
}

/* ---- which descriptor is of interest ----------------------------------------------------- */

static int label_of_name(const char *name) {
    while (atomic_flag_test_and_set(&label_lock)) {
    }
    int count = atomic_load(&label_count), index = 0;
    while (index < count && strcmp(labels[index].name, name)) index++;
    if (index == count) {
        if (count == MAX_LABELS) refuse("more labels than the library holds");
        snprintf(labels[index].name, sizeof labels[index].name, "%s", name);
        atomic_store(&label_count, count + 1);
    }
    atomic_flag_clear(&label_lock);
    return index;
}

static int label_of_path(const char *path) {
    for (int i = 0; i < store_prefixes.count; i++) {
        const char *prefix = store_prefixes.item[i];
        size_t length = strlen(prefix);
        if (strncmp(path, prefix, length)) continue;
        const char *slash = strrchr(path, '/');
        if (prefix[length - 1] != '/') return label_of_name(slash ? slash + 1 : path);
        char folder[160];
        size_t start = length - 1;
        while (start > 0 && prefix[start - 1] != '/') start--;
        snprintf(folder, sizeof folder, "%s*", prefix + start);
        return label_of_name(folder);
    }
    return NONE;
}

static int label_of_address(const struct sockaddr *address, socklen_t length) {
    char host[INET6_ADDRSTRLEN] = "", name[160] = "";
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(name, sizeof name, "%s:%d", host, ntohs(in->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(name, sizeof name, "[%s]:%d", host, ntohs(in->sin6_port));
    } else if (address->sa_family == AF_UNIX && length > sizeof(sa_family_t)) {
        const struct sockaddr_un *un = (const void *)address;
        snprintf(name, sizeof name, "%.*s", (int)(length - sizeof(sa_family_t)), un->sun_path);
    }
    for (int i = 0; i < peers.count; i++)
        if (!strcmp(peers.item[i], name)) return label_of_name(name);
    return NONE;
}

/* Asks the kernel what a descriptor is; `known` stays 0 while a socket has no peer yet. */
static int look_up(int fd, int *known) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    *known = length > 0;
    if (length <= 0) return NONE;
    path[length] = 0;
    if (path[0] == '/') return label_of_path(path);
    if (strncmp(path, "socket:", 7)) return NONE;
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    *known = syscall(SYS_getpeername, fd, &peer, &size) == 0;
    return *known ? label_of_address((struct sockaddr *)&peer, size) : NONE;
}

static int label_of_fd(int fd) {
    if (fd < 0 || (!store_prefixes.count && !peers.count)) return NONE;
    short cached = fd < MAX_FDS ? atomic_load(&fd_label[fd]) : 0;
    if (cached) return cached < 0 ? NONE : cached - 1;
    int saved = errno, known = 0, label = look_up(fd, &known);
    errno = saved;
    if (known && fd < MAX_FDS) atomic_store(&fd_label[fd], label == NONE ? -1 : (short)(label + 1));
    return label;
}

static void forget(int fd) {
    if (fd >= 0 && fd < MAX_FDS) atomic_store(&fd_label[fd], 0);
}

/* ---- what happens at a point ------------------------------------------------------------- */

static long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void append(const char *file, const char *format, ...) {
    if (!file) return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof line) length = sizeof line - 1;
    int saved = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        syscall(SYS_write, fd, line, length);
        syscall(SYS_close, fd);
    }
    errno = saved;
}

static int is_armed(void) {
    if (!arm_file) return 1;
    int saved = errno;
    int found = syscall(SYS_faccessat, AT_FDCWD, arm_file, F_OK) == 0;
    errno = saved;
    return found;
}

static const char *mark_of(const struct point *point) {
    for (int m = 0; m < marks.count; m++)
        for (size_t i = 0; i < point->count; i++)
            if (memmem(point->parts[i].iov_base, point->parts[i].iov_len, marks.item[m], strlen(marks.item[m])))
                return marks.item[m];
    return "-";
}

static void record(const struct point *point, long begin, long end, long result) {
    if (!record_file) return;
    append(record_file, "%ld\t%s\t%s\t%ld\t%zu\t%ld\t%ld\t%ld\t%s\n", point->sequence, KIND_NAMES[point->kind],
           labels[point->label].name, point->ordinal, point->bytes, begin, end, result, mark_of(point));
}

static void fired(const struct point *point, const char *what) {
    append(fired_file, "%s\t%s\t%ld\t%s\n", KIND_NAMES[point->kind], labels[point->label].name, point->ordinal, what);
}

static void die(const struct point *point, enum when when) {
    fired(point, WHEN_NAMES[when]);
    for (;;) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Every rule counts the points that it matches; the first that is due decides. */
static const struct rule *due_rule(const struct point *point) {
    const struct rule *due = NULL;
    for (int i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if (rule->kind != ANY_KIND && rule->kind != (int)point->kind) continue;
        if (rule->label[0] && strcmp(rule->label, labels[point->label].name)) continue;
        long seen = atomic_fetch_add(&rule->seen, 1) + 1;
        if (!due && (seen == rule->nth || (rule->when == FAIL_FOREVER && seen > rule->nth))) due = rule;
    }
    return due;
}

/* Takes room for growth, or says that there is none. Negative growth gives room back. */
static int takes_room(long growth) {
    if (!has_room_limit || growth == 0) return 1;
    if (growth < 0) return atomic_fetch_sub(&room, growth), 1;
    if (atomic_fetch_sub(&room, growth) >= growth) return 1;
    atomic_fetch_add(&room, growth);
    return 0;
}

static long size_of(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 ? (long)info.st_size : 0;
}

static long growth_of_write(int fd, long offset, size_t bytes) {
    if (!has_room_limit) return 0;
    long size = size_of(fd);
    if (offset < 0) {
        int flags = (int)syscall(SYS_fcntl, fd, F_GETFL, 0);
        offset = flags >= 0 && (flags & O_APPEND) ? size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    long end = offset + (long)bytes;
    return end > size ? end - size : 0;
}

struct call {
    long number, a, b, c, d, e, f;
};

static long perform(const struct call *call) {
    return syscall(call->number, call->a, call->b, call->c, call->d, call->e, call->f);
}

/* Lets half of the first piece through, for a crash in the middle of it. */
static void perform_half(const struct point *point, struct call call) {
    if (!point->count) return;
    struct iovec half = {point->parts[0].iov_base, point->parts[0].iov_len / 2};
    struct msghdr message = {.msg_iov = &half, .msg_iovlen = 1};
    if (call.number == SYS_sendmsg) {
        call.b = (long)&message;
    } else if (call.number == SYS_writev || call.number == SYS_pwritev) {
        call.b = (long)&half;
        call.c = 1;
    } else {
        call.c = (long)half.iov_len;
    }
    perform(&call);
}

static long fail(const struct point *point, int error, const char *what) {
    fired(point, what);
    record(point, now_ns(), 0, -error);
    errno = error;
    return -1;
}

static long at_point(struct point *point, const struct call *call, long growth) {
    if (point->label == NONE || !is_armed()) return perform(call);
    point->sequence = atomic_fetch_add(&sequence, 1) + 1;
    point->ordinal = atomic_fetch_add(&labels[point->label].seen[point->kind], 1) + 1;
    const struct rule *rule = due_rule(point);
    if (rule && rule->error) return fail(point, rule->error, WHEN_NAMES[rule->when]);
    if (rule && rule->when == BEFORE) die(point, BEFORE);
    if (rule && rule->when == TORN) {
        perform_half(point, *call);
        die(point, TORN);
    }
    if (!takes_room(growth)) return fail(point, ENOSPC, "room");
    int goes_out = point->kind == SEND || point->kind == CONNECT;
    long begin = now_ns();
    if (goes_out) record(point, begin, begin, 0);
    long result = perform(call);
    int saved = errno;
    if (!goes_out) record(point, begin, now_ns(), result);
    if (rule) die(point, AFTER);
    errno = saved;
    return result;
}

static long with_bytes(int fd, enum kind kind, const struct iovec *parts, size_t count, long offset,
                       const struct call *call) {
    struct point point = {.kind = kind, .label = label_of_fd(fd), .parts = parts, .count = count};
    if (point.label == NONE) return perform(call);
    struct stat info;
    if (kind == WRITE && fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode)) point.kind = SEND;
    for (size_t i = 0; i < count; i++) point.bytes += parts[i].iov_len;
    long growth = point.kind == WRITE ? growth_of_write(fd, offset, point.bytes) : 0;
    return at_point(&point, call, growth);
}

static long without_bytes(enum kind kind, int label, long growth, const struct call *call) {
    struct point point = {.kind = kind, .label = label};
    return at_point(&point, call, growth);
}

/* ---- the calls --------------------------------------------------------------------------- */

ssize_t write(int fd, const void *bytes, size_t count) {
    struct iovec part = {(void *)bytes, count};
    return with_bytes(fd, WRITE, &part, 1, -1, &(struct call){SYS_write, fd, (long)bytes, (long)count});
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    struct iovec part = {(void *)bytes, count};
    return with_bytes(fd, WRITE, &part, 1, offset, &(struct call){SYS_pwrite64, fd, (long)bytes, (long)count, offset});
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return with_bytes(fd, WRITE, parts, (size_t)count, -1, &(struct call){SYS_writev, fd, (long)parts, count});
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    return with_bytes(fd, WRITE, parts, (size_t)count, offset,
                      &(struct call){SYS_pwritev, fd, (long)parts, count, offset});
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(fd, parts, count, offset);
}

ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t length) {
    struct iovec part = {(void *)bytes, count};
    return with_bytes(fd, SEND, &part, 1, -1,
                      &(struct call){SYS_sendto, fd, (long)bytes, (long)count, flags, (long)to, (long)length});
}

ssize_t send(int fd, const void *bytes, size_t count, int flags) { return sendto(fd, bytes, count, flags, NULL, 0); }

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return with_bytes(fd, SEND, message->msg_iov, message->msg_iovlen, -1,
                      &(struct call){SYS_sendmsg, fd, (long)message, flags});
}

int fsync(int fd) { return (int)without_bytes(SYNC, label_of_fd(fd), 0, &(struct call){SYS_fsync, fd}); }

int fdatasync(int fd) { return (int)without_bytes(SYNC, label_of_fd(fd), 0, &(struct call){SYS_fdatasync, fd}); }

int ftruncate64(int fd, off64_t length) {
    int label = label_of_fd(fd);
    long shrunk = label != NONE && has_room_limit && length < size_of(fd) ? length - size_of(fd) : 0;
    return (int)without_bytes(TRUNCATE, label, shrunk, &(struct call){SYS_ftruncate, fd, length});
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    int label = label_of_fd(fd);
    long growth = label != NONE && mode == 0 ? growth_of_write(fd, offset, (size_t)length) : 0;
    return (int)without_bytes(WRITE, label, growth, &(struct call){SYS_fallocate, fd, mode, offset, length});
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    int saved = errno;
    int result = fallocate64(fd, 0, offset, length) == 0 ? 0 : errno;
    errno = saved;
    return result;
}

int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    int label = label_of_path(to);
    if (label == NONE) label = label_of_path(from);
    return (int)without_bytes(RENAME, label, 0,
                              &(struct call){SYS_renameat2, from_dir, (long)from, to_dir, (long)to, (long)flags});
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return renameat2(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int dir, const char *path, int flags) {
    int label = label_of_path(path);
    struct stat info;
    long freed = label != NONE && has_room_limit && fstatat(dir, path, &info, 0) == 0 ? -(long)info.st_size : 0;
    return (int)without_bytes(UNLINK, label, freed, &(struct call){SYS_unlinkat, dir, (long)path, flags});
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    forget(fd);
    int label = address && peers.count ? label_of_address(address, length) : NONE;
    return (int)without_bytes(CONNECT, label, 0, &(struct call){SYS_connect, fd, (long)address, (long)length});
}

int close(int fd) {
    forget(fd);
    return (int)syscall(SYS_close, fd);
}

int dup3(int from, int to, int flags) {
    forget(to);
    return (int)syscall(SYS_dup3, from, to, flags);
}

int dup2(int from, int to) {
    if (from == to) return (int)syscall(SYS_fcntl, from, F_GETFD, 0) < 0 ? -1 : to;
    return dup3(from, to, 0);
}
