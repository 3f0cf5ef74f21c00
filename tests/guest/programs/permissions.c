/*
 * Who may do what to which file: users, modes and operations, each combination tried.
 *
 * Begins as root. A user is played by effective and file-system ids, with real and saved ids left at root's, so that one
 * process can be everybody in turn; it needs no children. Every line is one user and one mode, with the result of each
 * operation behind it: 0, or the errno.
 */
#include "show.h"
#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define BASE "/tmp/krait-permissions"
enum { OWNER = 1000, MEMBER = 1001, OTHER = 1003, GROUP = 2000, OWN_GROUP = 3000 };

struct user {
    const char *name;
    uid_t uid;
    gid_t gid;
    gid_t group; /* supplementary; 0: none */
    uint64_t capabilities; /* effective, beyond what the ids give */
};

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const struct user users[] = {
    {"root", 0, 0, 0, ~UINT64_C(0)},
    {"owner", OWNER, OWN_GROUP, 0, 0},
    {"owner in group", OWNER, OWN_GROUP, GROUP, 0},
    {"member", MEMBER, GROUP, 0, 0},
    {"late member", MEMBER, OWN_GROUP, GROUP, 0},
    {"other", OTHER, OWN_GROUP, 0, 0},
    {"root's group", OTHER, 0, 0, 0},
    {"powerless root", 0, 0, 0, 0},
    {"other+dac_override", OTHER, OWN_GROUP, 0, CAP(DAC_OVERRIDE)},
    {"other+dac_read_search", OTHER, OWN_GROUP, 0, CAP(DAC_READ_SEARCH)},
    {"other+fowner", OTHER, OWN_GROUP, 0, CAP(FOWNER)},
    {"other+chown", OTHER, OWN_GROUP, 0, CAP(CHOWN)},
    {"owner+fsetid", OWNER, OWN_GROUP, 0, CAP(FSETID)},
    {"other+fsetid", OTHER, OWN_GROUP, 0, CAP(FSETID) | CAP(DAC_OVERRIDE) | CAP(FOWNER)},
    {"other+mknod", OTHER, OWN_GROUP, 0, CAP(MKNOD) | CAP(DAC_OVERRIDE)},
};
#define USERS (sizeof users / sizeof *users)

static void must(long result, const char *what)
{
    if (result < 0) {
        printf("cannot prepare: %s: %s\n", what, strerrorname_np(errno));
        exit(1);
    }
}
#define MUST(call) must((long)(call), #call)

static void set_effective(uint64_t wanted)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    MUST(syscall(SYS_capget, &header, data));
    uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    wanted &= permitted;
    data[0].effective = (uint32_t)wanted;
    data[1].effective = (uint32_t)(wanted >> 32);
    MUST(syscall(SYS_capset, &header, data));
}

static void become_root(void)
{
    MUST(syscall(SYS_setresuid, -1, 0, -1));
    set_effective(~UINT64_C(0));
    MUST(syscall(SYS_setresgid, 0, 0, 0));
    MUST(syscall(SYS_setgroups, 0, NULL));
}

static void become(const struct user *who)
{
    become_root();
    if (who->group)
        MUST(syscall(SYS_setgroups, 1, &who->group));
    MUST(syscall(SYS_setresgid, -1, who->gid, -1));
    MUST(syscall(SYS_setresuid, -1, who->uid, -1));
    set_effective(who->capabilities);
}

/* --- a file --- */

#define FILE_PATH BASE "/open/file"

static void make_file(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
    unlink(path);
    int descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    MUST(descriptor);
    MUST(write(descriptor, "contents", 8));
    close(descriptor);
    MUST(chown(path, uid, gid));
    MUST(chmod(path, mode));
}

static int failure(long result)
{
    return result < 0 ? errno : 0;
}

static int opens(const char *path, int flags)
{
    int descriptor = open(path, flags, 0600);
    int error = failure(descriptor);
    if (descriptor >= 0)
        close(descriptor);
    return error;
}

static int sets_times(const char *path, long first, long second)
{
    struct timespec times[2] = {{1, first}, {2, second}};
    return failure(utimensat(AT_FDCWD, path, times, 0));
}

static int writes_through(const char *path)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY);
    if (descriptor < 0)
        return errno;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int again = open(link, O_WRONLY);
    int error = failure(again);
    if (again >= 0)
        close(again);
    if (fstat(descriptor, &status))
        error = errno;
    close(descriptor);
    return error;
}

static int watches(const char *path)
{
    static int descriptor = -1; /* one for all: to close one takes Linux a grace period */
    if (descriptor < 0)
        descriptor = inotify_init();
    return failure(inotify_add_watch(descriptor, path, IN_MODIFY));
}

static int executes(const char *path)
{
    char *const words[] = {(char *)path, NULL};
    return failure(execve(path, words, words));
}

static int keeps_atime(const char *path)
{
    int descriptor = open(path, O_RDONLY);
    int error = descriptor < 0 ? errno : failure(fcntl(descriptor, F_SETFL, O_NOATIME));
    if (descriptor >= 0)
        close(descriptor);
    return error;
}

/* Both are asked by the real user, who is root; `EACCESS` is about the effective one. */
static int may(const char *path, int mode, int flags)
{
    return failure(syscall(SYS_faccessat2, AT_FDCWD, path, mode, flags));
}

static void try_file(const struct user *who, mode_t mode)
{
    static const char *const names[] = {
        "r", "w", "rw", "3", "trunc", "append", "noatime", "path", "creat", "acc_r", "acc_w", "acc_x", "eff_r", "eff_w", "eff_x",
        "eff_rwx", "truncate", "chmod", "chown_same", "chown_other", "chgrp_same", "chgrp_own", "chgrp_other", "touch",
        "now", "times", "omit", "now+omit", "again", "watch", "exec", "setfl", "utime", "trusted",
    };
    int error = 0;
    printf("%s %04o:", who->name, mode);
    for (unsigned each = 0; each < sizeof names / sizeof *names; each++) {
        if (!error) { /* what fails changes nothing */
            become_root();
            make_file(FILE_PATH, mode, OWNER, GROUP);
            become(who);
        }
        const char *path = FILE_PATH;
        switch (each) {
        case 0: error = opens(path, O_RDONLY); break;
        case 1: error = opens(path, O_WRONLY); break;
        case 2: error = opens(path, O_RDWR); break;
        case 3: error = opens(path, 3); break;
        case 4: error = opens(path, O_RDONLY | O_TRUNC); break;
        case 5: error = opens(path, O_WRONLY | O_APPEND); break;
        case 6: error = opens(path, O_RDONLY | O_NOATIME); break;
        case 7: error = opens(path, O_PATH); break;
        case 8: error = opens(path, O_RDWR | O_CREAT); break;
        case 9: error = may(path, R_OK, 0); break;
        case 10: error = may(path, W_OK, 0); break;
        case 11: error = may(path, X_OK, 0); break;
        case 12: error = may(path, R_OK, AT_EACCESS); break;
        case 13: error = may(path, W_OK, AT_EACCESS); break;
        case 14: error = may(path, X_OK, AT_EACCESS); break;
        case 15: error = may(path, R_OK | W_OK | X_OK, AT_EACCESS); break;
        case 16: error = failure(truncate(path, 3)); break;
        case 17: error = failure(chmod(path, 0640)); break;
        case 18: error = failure(chown(path, OWNER, -1)); break;
        case 19: error = failure(chown(path, OTHER, -1)); break;
        case 20: error = failure(chown(path, -1, GROUP)); break;
        case 21: error = failure(chown(path, -1, OWN_GROUP)); break;
        case 22: error = failure(chown(path, -1, 4000)); break;
        case 23: error = failure(utimensat(AT_FDCWD, path, NULL, 0)); break;
        case 24: error = sets_times(path, UTIME_NOW, UTIME_NOW); break;
        case 25: error = sets_times(path, 5, 6); break;
        case 26: error = sets_times(path, UTIME_OMIT, UTIME_OMIT); break;
        case 27: error = sets_times(path, UTIME_NOW, UTIME_OMIT); break;
        case 28: error = writes_through(path); break;
        case 29: error = watches(path); break;
        case 30: error = executes(path); break;
        case 31: error = keeps_atime(path); break;
        case 32: error = failure(utimes(path, NULL)); break;
        case 33: error = failure(setxattr(path, "trusted.krait", "x", 1, 0)); break;
        }
        if (error)
            printf(" %s=%s", names[each], strerrorname_np(error));
    }
    printf("\n");
}

/* What is left of the set-id bits after an operation that succeeds. */
static void try_bits(const struct user *who, mode_t mode)
{
    static const char *const names[] = {"chmod", "write", "ftruncate", "chown", "nothing", "trunc"};
    printf("bits of %s %04o:", who->name, mode);
    for (int each = 0; each < 6; each++) {
        become_root();
        make_file(FILE_PATH, mode, OWNER, GROUP);
        int descriptor = open(FILE_PATH, O_WRONLY);
        become(who);
        int error = 0;
        switch (each) {
        case 0: error = failure(chmod(FILE_PATH, mode)); break;
        case 1: error = failure(write(descriptor, "x", 1)); break;
        case 2: error = failure(ftruncate(descriptor, 2)); break;
        case 3: error = failure(chown(FILE_PATH, -1, who->gid)); break;
        case 4: error = failure(chown(FILE_PATH, -1, -1)); break;
        case 5: error = opens(FILE_PATH, O_WRONLY | O_TRUNC); break;
        }
        become_root();
        struct stat status;
        MUST(stat(FILE_PATH, &status));
        printf(" %s=%s,%04o", names[each], error ? strerrorname_np(error) : "ok", status.st_mode & 07777);
        close(descriptor);
    }
    printf("\n");
}

/* --- a directory --- */

#define DIRECTORY BASE "/open/directory"
#define ELSEWHERE BASE "/open/elsewhere"

/* Removes what is in a directory, but for `sub`: to remove a directory can take Linux milliseconds. */
static void empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    MUST(directory ? 0 : -1);
    for (struct dirent *each; (each = readdir(directory));)
        if (each->d_name[0] != '.' && strcmp(each->d_name, "sub"))
            MUST(unlinkat(dirfd(directory), each->d_name, each->d_type == DT_DIR ? AT_REMOVEDIR : 0));
    closedir(directory);
}

static void make_directories(mode_t mode)
{
    mkdir(DIRECTORY, 0700);
    mkdir(ELSEWHERE, 0700);
    if (!unlink(DIRECTORY "/sub")) /* a file after an exchange */
        MUST(rename(ELSEWHERE "/mine", DIRECTORY "/sub"));
    rename(ELSEWHERE "/sub", DIRECTORY "/sub");
    empty_directory(DIRECTORY);
    empty_directory(ELSEWHERE);
    MUST(chmod(ELSEWHERE, 0777));
    make_file(ELSEWHERE "/mine", 0666, OTHER, GROUP); /* what protected_hardlinks lets anybody link to */
    make_file(DIRECTORY "/mine", 0666, MEMBER, GROUP);
    make_file(DIRECTORY "/theirs", 0644, 1234, 1234);
    mkdir(DIRECTORY "/sub", 0755);
    MUST(chown(DIRECTORY "/sub", MEMBER, GROUP));
    MUST(chown(DIRECTORY, OWNER, GROUP));
    MUST(chmod(DIRECTORY, mode));
}

static int binds(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    int error = failure(bind(descriptor, (struct sockaddr *)&address, sizeof address));
    close(descriptor);
    return error;
}

static int enters_open(const char *path)
{
    int descriptor = open(path, O_PATH | O_DIRECTORY);
    int error = descriptor < 0 ? errno : failure(fchdir(descriptor));
    if (descriptor >= 0)
        close(descriptor);
    MUST(chdir("/"));
    return error;
}

static int opens_below(const char *path, const char *name)
{
    int descriptor = open(path, O_PATH | O_DIRECTORY);
    if (descriptor < 0)
        return errno;
    int opened = openat(descriptor, name, O_RDONLY);
    int error = failure(opened);
    if (opened >= 0)
        close(opened);
    close(descriptor);
    return error;
}

static void try_directory(const struct user *who, mode_t mode)
{
    static const char *const names[] = {
        "list", "chdir", "fchdir", "stat", "dot", "self", "missing", "open", "openat", "create", "create_old", "excl", "tmpfile",
        "mkdir", "mkdir_old", "symlink", "fifo", "device", "node", "bind", "link_in", "link_out", "unlink", "unlink_theirs",
        "unlink_dir", "rmdir", "rmdir_file", "rename", "rename_theirs", "over", "over_theirs", "out", "in", "dir_out",
        "dir_over", "exchange", "readlink", "statfs", "slash", "long",
    };
    int error = 0;
    printf("%s %04o/:", who->name, mode);
    for (unsigned each = 0; each < sizeof names / sizeof *names; each++) {
        if (!error) { /* what fails changes nothing */
            become_root();
            make_directories(mode);
            become(who);
        }
        struct stat status;
        char long_name[sizeof DIRECTORY + 320] = DIRECTORY "/";
        switch (each) {
        case 0: error = opens(DIRECTORY, O_RDONLY | O_DIRECTORY); break;
        case 1: error = failure(chdir(DIRECTORY)); MUST(chdir("/")); break;
        case 2: error = enters_open(DIRECTORY); break;
        case 3: error = failure(stat(DIRECTORY "/mine", &status)); break;
        case 4: error = failure(stat(DIRECTORY "/.", &status)); break;
        case 5: error = failure(stat(DIRECTORY "/", &status)); break;
        case 6: error = failure(stat(DIRECTORY "/missing", &status)); break;
        case 7: error = opens(DIRECTORY "/theirs", O_RDONLY); break;
        case 8: error = opens_below(DIRECTORY, "theirs"); break;
        case 9: error = opens(DIRECTORY "/new", O_WRONLY | O_CREAT); break;
        case 10: /* in a sticky directory it depends on protected_regular, a setting of the host's */
            error = mode & 01000 ? 0 : opens(DIRECTORY "/theirs", O_RDONLY | O_CREAT);
            break;
        case 11: error = opens(DIRECTORY "/theirs", O_RDONLY | O_CREAT | O_EXCL); break;
        case 12: error = opens(DIRECTORY, O_WRONLY | O_TMPFILE); break;
        case 13: error = failure(mkdir(DIRECTORY "/made", 0755)); break;
        case 14: error = failure(mkdir(DIRECTORY "/sub", 0755)); break;
        case 15: error = failure(symlink("mine", DIRECTORY "/link")); break;
        case 16: error = failure(mknod(DIRECTORY "/fifo", S_IFIFO | 0600, 0)); break;
        case 17: error = failure(mknod(DIRECTORY "/device", S_IFCHR | 0600, 0x103)); break;
        case 18: error = failure(mknod(DIRECTORY "/new", S_IFREG | 0600, 0)); break;
        case 19: error = binds(DIRECTORY "/socket"); break;
        case 20: error = failure(link(ELSEWHERE "/mine", DIRECTORY "/linked")); break;
        case 21: error = failure(link(DIRECTORY "/mine", ELSEWHERE "/linked")); break;
        case 22: error = failure(unlink(DIRECTORY "/mine")); break;
        case 23: error = failure(unlink(DIRECTORY "/theirs")); break;
        case 24: error = failure(unlink(DIRECTORY "/sub")); break;
        case 25: error = failure(rmdir(DIRECTORY "/sub")); break;
        case 26: error = failure(rmdir(DIRECTORY "/theirs")); break;
        case 27: error = failure(rename(DIRECTORY "/mine", DIRECTORY "/renamed")); break;
        case 28: error = failure(rename(DIRECTORY "/theirs", DIRECTORY "/renamed")); break;
        case 29: error = failure(rename(DIRECTORY "/theirs", DIRECTORY "/mine")); break;
        case 30: error = failure(rename(DIRECTORY "/mine", DIRECTORY "/theirs")); break;
        case 31: error = failure(rename(DIRECTORY "/theirs", ELSEWHERE "/renamed")); break;
        case 32: error = failure(rename(ELSEWHERE "/mine", DIRECTORY "/renamed")); break;
        case 33: error = failure(rename(DIRECTORY "/sub", ELSEWHERE "/sub")); break;
        case 34: error = failure(rename(DIRECTORY "/sub", DIRECTORY "/mine")); break;
        case 35:
            error = failure(syscall(SYS_renameat2, AT_FDCWD, DIRECTORY "/sub", AT_FDCWD, ELSEWHERE "/mine", 2)); /* RENAME_EXCHANGE */
            break;
        case 36: error = failure(readlink(DIRECTORY "/mine", long_name, 10)); break;
        case 37: {
            char room[256];
            error = failure(syscall(SYS_statfs, DIRECTORY "/mine", room));
            break;
        }
        case 38: error = failure(mkdir(DIRECTORY "/made/", 0755)); break;
        case 39:
            memset(long_name + sizeof DIRECTORY, 'x', 300);
            error = failure(stat(long_name, &status));
            break;
        }
        if (error)
            printf(" %s=%s", names[each], strerrorname_np(error));
    }
    printf("\n");
}

/* Who owns what is made, and with which mode. */
static void try_making(const struct user *who, mode_t mode)
{
    printf("made by %s in %04o:", who->name, mode);
    become_root();
    make_directories(mode);
    become(who);
    umask(0);
    int descriptor = open(DIRECTORY "/new", O_CREAT | O_WRONLY, 02775);
    if (descriptor >= 0)
        close(descriptor);
    mkdir(DIRECTORY "/made", 0775);
    mkfifo(DIRECTORY "/fifo", 02775);
    symlink("x", DIRECTORY "/link");
    become_root();
    static const char *const names[] = {"new", "made", "fifo", "link"};
    for (int each = 0; each < 4; each++) {
        struct stat status;
        char path[160];
        snprintf(path, sizeof path, DIRECTORY "/%s", names[each]);
        if (lstat(path, &status))
            printf(" %s=%s", names[each], strerrorname_np(errno));
        else
            printf(" %s=%u:%u,%04o", names[each], status.st_uid, status.st_gid, status.st_mode & 07777);
    }
    umask(022);
    printf("\n");
}

/* --- the way to a file --- */

static void try_way(const struct user *who)
{
    struct stat status;
    printf("%s on the way:", who->name);
    become_root();
    make_file(BASE "/closed/file", 0666, 0, 0);
    unlink(BASE "/open/through");
    MUST(symlink(BASE "/closed/file", BASE "/open/through"));
    become(who);
    printf(" file=%d", failure(stat(BASE "/closed/file", &status)));
    printf(" up=%d", failure(stat(BASE "/closed/../open", &status)));
    printf(" here=%d", failure(stat(BASE "/closed/.", &status)));
    printf(" itself=%d", failure(stat(BASE "/closed", &status)));
    printf(" missing=%d", failure(stat(BASE "/closed/missing", &status)));
    printf(" through=%d", failure(stat(BASE "/open/through", &status)));
    printf(" link=%d", failure(lstat(BASE "/open/through", &status)));
    printf(" real=%d", may(BASE "/closed/file", R_OK, 0));
    printf(" create=%d", opens(BASE "/closed/new", O_CREAT | O_WRONLY));
    printf(" notdir=%d", failure(stat(FILE_PATH "/x", &status)));
    become_root();
    unlink(BASE "/closed/new");
    int descriptor = open(BASE "/closed", O_RDONLY | O_DIRECTORY);
    become(who);
    printf(" at=%d", failure(fstatat(descriptor, "file", &status, 0)));
    printf(" at.=%d", failure(fstatat(descriptor, ".", &status, 0)));
    printf(" fchmod=%d", failure(fchmod(descriptor, 0700)));
    printf(" chroot=%d\n", who->capabilities == ~UINT64_C(0) ? 0 : failure(chroot(BASE "/open")));
    close(descriptor);
}

/* --- sockets --- */

static void try_socket(const struct user *who, mode_t mode)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = BASE "/open/socket"};
    become_root();
    unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
    MUST(listen(listener, 1));
    MUST(chown(address.sun_path, OWNER, GROUP));
    MUST(chmod(address.sun_path, mode));
    become(who);
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("%s connects %04o: %d\n", who->name, mode, failure(connect(descriptor, (struct sockaddr *)&address, sizeof address)));
    close(descriptor);
    close(listener);
}

/* --- who a thread is --- */

static void print_ids(const char *name)
{
    uid_t ids[3];
    gid_t groups[3];
    syscall(SYS_getresuid, &ids[0], &ids[1], &ids[2]);
    syscall(SYS_getresgid, &groups[0], &groups[1], &groups[2]);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    syscall(SYS_capget, &header, data);
    printf("%s: %d %d %d, %d %d %d, %s %s, dumpable %d\n", name, ids[0], ids[1], ids[2], groups[0], groups[1], groups[2],
           data[0].effective & CAP(DAC_OVERRIDE) ? "overrides" : "does not override",
           data[0].permitted & CAP(DAC_OVERRIDE) ? "may" : "may not", prctl(PR_GET_DUMPABLE));
}

static void *in_thread(void *unused)
{
    (void)unused;
    print_ids("thread at first");
    MUST(syscall(SYS_setresgid, OTHER, OTHER, OTHER));
    MUST(syscall(SYS_setresuid, OTHER, OTHER, OTHER));
    print_ids("thread");
    printf("thread opens: %d\n", opens(FILE_PATH, O_RDONLY));
    printf("thread cannot go back: %d\n", failure(syscall(SYS_setresuid, 0, 0, 0)));
    return NULL;
}

static void try_thread(void)
{
    become_root();
    make_file(FILE_PATH, 0600, 0, 0);
    pthread_t thread;
    MUST(-pthread_create(&thread, NULL, in_thread, NULL));
    pthread_join(thread, NULL);
    print_ids("process");
    printf("process opens: %d\n", opens(FILE_PATH, O_RDONLY));
}

static void try_file_ids(void)
{
    become_root();
    make_file(FILE_PATH, 0600, 0, 0);
    printf("setfsuid: %d %d\n", setfsuid(OWNER), setfsuid(-1));
    print_ids("with fsuid");
    printf("opens: %d\n", opens(FILE_PATH, O_RDONLY));
    printf("setfsuid: %d\n", setfsuid(0));
    print_ids("fsuid back");
    printf("opens: %d\n", opens(FILE_PATH, O_RDONLY));
    printf("setfsgid: %d %d %d\n", setfsgid(GROUP), setfsgid(-1), setfsgid(0));
}

/* As many groups as Linux allows, in an order of no use; each comes back, sorted, and counts. */
static void try_groups(void)
{
    enum { MOST = 65536 };
    static gid_t groups[MOST + 1], found[MOST];
    become_root();
    for (unsigned i = 0; i <= MOST; i++)
        groups[i] = 100000 + i * 40503 % MOST * 3;
    printf("too many groups: %d\n", failure(syscall(SYS_setgroups, MOST + 1, groups)));
    printf("most groups: %d\n", failure(syscall(SYS_setgroups, MOST, groups)));
    printf("counted: %ld\n", syscall(SYS_getgroups, 0, NULL));
    printf("no room: %d\n", failure(syscall(SYS_getgroups, MOST - 1, found)));
    printf("given: %ld\n", syscall(SYS_getgroups, MOST, found));
    uint64_t sum = 0;
    for (unsigned i = 0; i < MOST; i++)
        sum = sum * 31 + found[i];
    printf("from %u to %u, %lx\n", found[0], found[MOST - 1], sum);
    make_file(FILE_PATH, 0640, 0, 100000);
    MUST(syscall(SYS_setresuid, -1, OTHER, -1));
    static const gid_t tried[] = {100000, 100003, 100001, 100000 + (MOST - 1) * 3, 100000 + MOST * 3, 99999};
    for (unsigned i = 0; i < sizeof tried / sizeof *tried; i++) {
        MUST(syscall(SYS_setresuid, -1, 0, -1));
        MUST(chown(FILE_PATH, 0, tried[i]));
        MUST(syscall(SYS_setresuid, -1, OTHER, -1));
        printf("group %u opens: %d\n", tried[i], opens(FILE_PATH, O_RDONLY));
    }
    become_root();
    groups[1] = -1;
    printf("no group: %d\n", failure(syscall(SYS_setgroups, 3, groups)));
    printf("bad address: %d\n", failure(syscall(SYS_setgroups, 3, NULL)));
    groups[1] = groups[0];
    printf("twice: %d %ld\n", failure(syscall(SYS_setgroups, 2, groups)), syscall(SYS_getgroups, 2, found));
}

#define SET_ID BASE "/set-id"

static void copy_itself(void)
{
    static char room[1 << 16];
    unlink(SET_ID);
    int from = open("/proc/self/exe", O_RDONLY), to = open(SET_ID, O_CREAT | O_WRONLY, 0700);
    MUST(to);
    for (ssize_t count; (count = read(from, room, sizeof room)) > 0;)
        MUST(write(to, room, count));
    close(from);
    close(to);
    MUST(chown(SET_ID, MEMBER, GROUP));
    MUST(chmod(SET_ID, 06755));
}

/* Root's rights go for good. */
static void leave_root(void)
{
    become_root();
    make_file(FILE_PATH, 0600, 0, 0);
    copy_itself();
    int ends[2];
    MUST(pipe(ends));
    printf("setgroups: %d\n", failure(syscall(SYS_setgroups, 0, NULL)));
    printf("setgid: %d\n", failure(syscall(SYS_setgid, OWN_GROUP)));
    printf("setuid: %d\n", failure(syscall(SYS_setuid, OWNER)));
    print_ids("left");
    printf("back: %d\n", failure(syscall(SYS_setuid, 0)));
    printf("groups: %d\n", failure(syscall(SYS_setgroups, 0, NULL)));
    printf("opens: %d\n", opens(FILE_PATH, O_RDONLY));
    printf("null: %d\n", opens("/dev/null", O_RDWR));
    printf("zero: %d\n", opens("/dev/zero", O_RDONLY));
    printf("maps: %d\n", opens("/proc/self/maps", O_RDONLY));
    printf("status: %d\n", opens("/proc/self/status", O_RDONLY));
    printf("environ: %d\n", opens("/proc/self/environ", O_RDONLY));
    printf("fd: %d\n", opens("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    printf("sysctl: %d\n", opens("/proc/sys/kernel/hostname", O_WRONLY));
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", ends[0]);
    printf("root's pipe: %d\n", opens(link, O_RDONLY | O_NONBLOCK));
    MUST(pipe(ends));
    snprintf(link, sizeof link, "/proc/self/fd/%d", ends[0]);
    printf("own pipe: %d\n", opens(link, O_RDONLY | O_NONBLOCK));
    prctl(PR_SET_DUMPABLE, 1);
    struct stat status;
    printf("environ: %d\n", opens("/proc/self/environ", O_RDONLY));
    MUST(stat("/proc/self/environ", &status));
    printf("owner: %u:%u\n", status.st_uid, status.st_gid);
    printf("tmp: %d\n", opens("/tmp", O_TMPFILE | O_RDWR));
    printf("root: %d\n", failure(mkdir("/krait-new", 0700)));
    printf("bounding: %d\n", failure(prctl(PR_CAPBSET_DROP, CAP_CHOWN)));
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    umask(022);
    if (count > 1) {
        print_ids(words[1]);
        printf("secure %d\n", getauxval(23) != 0);
        return 0;
    }
    mkdir(BASE, 0755);
    mkdir(BASE "/open", 0755);
    MUST(chmod(BASE "/open", 0777));
    mkdir(BASE "/closed", 0700);
    MUST(chmod(BASE "/closed", 0700));
    static const mode_t modes[] = {0, 0400, 040, 04, 0200, 020, 02, 0100, 010, 01, 0640, 0604, 0446, 0755, 04755, 02755, 02644, 06711};
    static const mode_t directory_modes[] = {0, 0700, 070, 07, 0500, 050, 05, 0600, 060, 06, 0300, 030, 03, 0755, 01777, 01755, 03777, 02777};
    static const mode_t set_ids[] = {06777, 04777, 02777, 02767, 0777};
    for (unsigned each = 0; each < USERS; each++) {
        for (unsigned mode = 0; mode < sizeof modes / sizeof *modes; mode++)
            try_file(&users[each], modes[mode]);
        for (unsigned mode = 0; mode < sizeof directory_modes / sizeof *directory_modes; mode++)
            try_directory(&users[each], directory_modes[mode]);
        for (unsigned mode = 0; mode < sizeof set_ids / sizeof *set_ids; mode++)
            try_bits(&users[each], set_ids[mode]);
        try_making(&users[each], 0777);
        try_making(&users[each], 02777);
        try_way(&users[each]);
        static const mode_t socket_modes[] = {0, 0200, 020, 02, 0555};
        for (int mode = 0; mode < 5; mode++)
            try_socket(&users[each], socket_modes[mode]);
    }
    try_thread();
    try_file_ids();
    try_groups();
    become_root();
    leave_root();
    fflush(stdout);
    execve(SET_ID, (char *const[]){"set-id", "after execve", NULL}, (char *const[]){NULL});
    return 1;
}
