/* Names, files and what they are. */
#include <dirent.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static const char *const names[] = {
    "a", "b", "c", "d", "e", "d/a", "d/b", "e/a", "d/e", "d/e/a", "l", "l/a", "fifo", "sock", "a/", "d/", ".", "a/b", "./a",
    "d/./b", "l/", "missing/a", "d//a", /* inside the root that is the program's own: */ "..", "/", "/a", "/d/b", "../a", "d/../a", "e/..", "l/../a",
};
#define CONFINED 8
/* A name may be wrong, or what else the call is given, but not both: see wrong_once. */
static char *path(void)
{
    int wrong = !spoiled && one_in(60);
    if (spoiled)
        return strcpy(given(8), ".");
    spoiled = 1;
    if (wrong && one_in(2))
        return wrong_place();
    if (wrong) {
        int size = ANY(254, 255, 256, 4094, 4095, 4096);
        char *at = given(5000);
        memset(at, 'x', size), at[size] = 0;
        for (int i = 200; size > 256 && i < size; i += 200)
            at[i] = '/';
        return at;
    }
    return strcpy(given(64), names[below(one_in(2) ? 11 : COUNT(names) - (confined ? 0 : CONFINED))]);
}
/* One that is there, more likely than not, and is not a special file or another program's. */
static char *own_name(void) { return placed(strcpy(given(64), names[below(14)])); }
static int directory(void) { return one_in(6) ? fd(DIRECTORY) : one_in(20) ? fd(NOTHING) : AT_FDCWD; }
static int open_flags(void)
{
    int flags = ANY(O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR) | O_NONBLOCK;
    flags |= SOME(O_CREAT, O_CREAT, O_TRUNC, O_APPEND, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_NOATIME, O_DSYNC, O_SYNC, O_NOCTTY, O_ASYNC);
    return flags & O_CREAT ? flags & ~O_DIRECTORY : flags;
}
static int mode(void) { return one_in(3) ? below(010000) : ANY(0644, 0600, 0755, 0777, 0400, 0); }

/* Times that the program set are small; others are shown as now. */
static void show_time(const char *name, long seconds, long part)
{
    if (seconds < 2000000)
        say(" %s %ld.%09ld", name, seconds, part);
    else
        say(" %s now", name);
}
static void show_stat(const struct stat *s)
{
    say(" {%o links %lu uid %u gid %u size %ld blocks %ld of %ld", s->st_mode, s->st_nlink, s->st_uid, s->st_gid, s->st_size, s->st_blocks, s->st_blksize);
    if (S_ISSOCK(s->st_mode)) {
        say("}"); /* of sockfs, which keeps no times */
        return;
    }
    show_time("a", s->st_atim.tv_sec, s->st_atim.tv_nsec);
    show_time("m", s->st_mtim.tv_sec, s->st_mtim.tv_nsec);
    show_time("c", s->st_ctim.tv_sec, s->st_ctim.tv_nsec);
    say("}");
}
static void stat_of(const char *name, long result, struct stat *s)
{
    say("%ld    %s", now, name);
    if (result == 0)
        show_stat(s);
    say("\n");
}
/* What is in a directory, by name. */
static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void list(int fd)
{
    static char text[8192];
    char *found[200];
    int count = 0;
    long size, left = 20;
    HIDE(lseek, fd, 0, SEEK_SET);
    static char all[8192];
    int used = 0;
    while (left-- && (size = syscall(SYS_getdents64, fd, text, 400 + below(600))) > 0)
        for (long at = 0; at < size;) {
            struct dirent64 *entry = (void *)(text + at);
            if (count < 200 && used < 8000) {
                found[count++] = all + used;
                used += 1 + sprintf(all + used, "%.40s:%d", entry->d_name, entry->d_type);
            }
            at += entry->d_reclen;
        }
    int error = errno;
    lseek(fd, 0, SEEK_SET); /* where the end is, is the file system's affair */
    qsort(found, count, sizeof *found, by_name);
    say("%ld    list %s", now, size < 0 ? strerrorname_np(error) : "");
    for (int i = 0; i < count; i++)
        say(" %s", found[i]);
    say("\n");
}

static void name_calls(void)
{
    char *a;
    switch (below(14)) {
    case 0 ... 2: CALL(mkdirat, directory(), path(), mode()); break;
    case 3: CALL(unlinkat, directory(), path(), one_in(4) ? (wrong_once(3) ? 1 : AT_REMOVEDIR) : one_in(3) ? AT_REMOVEDIR : 0); break;
    case 4: CALL(rmdir, path()); break;
    case 5: a = own_name(), CALL(renameat2, directory(), a, AT_FDCWD, strcpy(given(64), names[below(14)]), one_in(2) ? 0 : (wrong_once(3) ? 8 : below(4))); break;
    case 6: a = path(), CALL(rename, a, strcpy(given(64), names[below(14)])); break;
    case 7: a = own_name(), CALL(linkat, directory(), a, AT_FDCWD, strcpy(given(64), names[below(14)]), one_in(3) ? (wrong_once(4) ? 0x800 : SOME(AT_SYMLINK_FOLLOW, AT_EMPTY_PATH)) : 0); break;
    case 8: CALL(symlinkat, path(), directory(), own_name()); break;
    case 9: {
        u64 size = one_in(3) ? short_length() : 4096;
        CALL(readlinkat, directory(), one_in(2) ? placed(strcpy(given(8), "l")) : path(), output(size), size);
        break;
    }
    case 10: CALL(mknodat, directory(), own_name(), mode() & 07777 | ANY(0, S_IFREG, S_IFIFO, S_IFSOCK, S_IFDIR, S_IFLNK, 0170000), 0); break;
    case 11: {
        static const char *const places[] = { "d", "e", "d/e", "l", "a", "missing", "" };
        CALL(chdir, placed(strcpy(given(16), places[below(COUNT(places))])));
        break;
    }
    case 12: CALL(chdir, strcpy(given(100), home)); break;
    case 13: CALL(faccessat2, directory(), path(), wrong_once(9) ? 8 : below(8), wrong_once(9) ? 1 : SOME(AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH)); break;
    }
}
static void opening(void)
{
    switch (below(9)) {
    case 8: {
        char *number = given(16);
        sprintf(number, "%d", fd(one_in(2) ? FILES : NOTHING)), made(CALL(openat, OWN_DESCRIPTORS, placed(number), open_flags() & ~(O_CREAT | 020000000), 0));
        break;
    }
    case 0 ... 4: made(CALL(openat, directory(), path(), open_flags(), mode())); break;
    case 5: {
        struct open_how *how = PLACED(struct open_how, { .flags = open_flags(), .mode = one_in(3) ? mode() : 0,
            .resolve = SOME(RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV) | (wrong_once(12) ? 0x40 : 0) });
        made(CALL(openat2, directory(), path(), how, wrong_once(6) ? ANY(0, 8, 23, 25, 32, 4096, 4097) : sizeof *how));
        break;
    }
    case 6: made(CALL(openat, AT_FDCWD, strcpy(given(8), one_in(2) ? "." : "d"), O_DIRECTORY | O_RDONLY, 0)); break;
    case 7: made(CALL(openat, AT_FDCWD, strcpy(given(8), names[below(3)]), O_CREAT | O_RDWR, 0644)); break;
    }
}
static void descriptors(void)
{
    int a = fd(NOTHING), b;
    switch (below(10)) {
    case 0 ... 2: CALL(close, a), made(a); break;
    case 3: made(CALL(dup, a)); break;
    case 4: b = 3 + below(37), CALL(dup2, a, b), made(b); break;
    case 5: b = 3 + below(37), CALL(dup3, a, b, SOME(O_CLOEXEC, O_CLOEXEC) | (wrong_once(9) ? O_NONBLOCK : 0)), made(b); break;
    case 6: b = 20 + below(20), CALL(close_range, b, b + below(4) - 1, wrong_once(8) ? 1 : one_in(4) ? 4 : 0), look_at_all(); break;
    case 7: made(CALL(fcntl, a, ANY(F_DUPFD, F_DUPFD_CLOEXEC), ANY(0, 3, 10, 20, 30, 39, 40, 100, -1))); break;
    case 8: CALL(fcntl, a, F_SETFD, below(3)); CALL(fcntl, a, F_GETFD, 0); break;
    case 9: {
        int flags = SOME(O_APPEND, O_NOATIME, O_ASYNC, O_DSYNC, O_RDWR, O_CREAT) | O_NONBLOCK;
        CALL(fcntl, a, F_SETFL, flags), CALL(fcntl, a, F_GETFL, 0);
        break;
    }
    }
}
/* A write that fails behind the end leaves a longer file on Linux's tmpfs: none is made there. */
static u64 write_offset(void) { return spoiled ? 0 : offset(); }
static void at_start(int a)
{
    if (spoiled)
        lseek(a, 0, SEEK_SET);
}

static void io(void)
{
    char *data;
    int a = one_in(2) ? fd(FILES) : fd(NOTHING);
    u64 n = length();
    switch (below(9)) {
    case 0: CALL(read, a, output(n), n); break;
    case 1:
        data = bytes(n < 16384 ? n : 16384), at_start(a);
        CALL(write, a, data, n < 16384 ? n : one_in(2) ? -1 : 300);
        break;
    case 2: CALL(pread64, only(FILES), output(n), n, offset()); break;
    case 3: n = short_length(), data = bytes(n), CALL(pwrite64, only(FILES), data, n, write_offset()); break;
    case 4 ... 5: {
        struct iovec *v = given(sizeof *v * 4);
        int count = wrong_once(12) ? ANY(0, -1, 1025) : 1 + below(3);
        for (int i = 0; i < 4; i++) {
            u64 size = short_length();
            v[i].iov_base = output(size), v[i].iov_len = wrong_once(30) ? -1 : size;
        }
        if (one_in(3)) CALL(readv, a, placed(v), count);
        else if (one_in(2)) CALL(preadv, a, placed(v), count, offset(), 0);
        else CALL(preadv2, a, placed(v), count, one_in(2) ? -1 : offset(), 0, (kinds[a & 31] == FILES ? SOME(1, 2, 4) : 0));
        break;
    }
    case 6 ... 7: {
        struct iovec *v = given(sizeof *v * 4);
        int count = wrong_once(12) ? ANY(0, -1, 1025) : 1 + below(3);
        for (int i = 0; i < 4; i++) {
            u64 size = short_length();
            v[i].iov_base = bytes(size), v[i].iov_len = wrong_once(30) ? -1 : size;
        }
        at_start(a);
        if (one_in(3)) CALL(writev, a, placed(v), count);
        else if (one_in(2)) CALL(pwritev, a, placed(v), count, write_offset(), 0);
        else CALL(pwritev2, a, placed(v), count, one_in(2) ? -1 : write_offset(), 0, (kinds[a & 31] == FILES ? SOME(1, 2, 4) : 0));
        break;
    }
    case 8:
        a = mostly(FILES);
        if (CALL(lseek, a, offset(), kinds[a & 31] == FILES && wrong_once(12) ? 5 : below(3)) > 1l << 40)
            lseek(a, 0, SEEK_SET);
        break;
    }
}
/* Pages that fallocate gave and nobody wrote to are holes on Linux: seeds do the one or the other. */
static int holes;

static void shapes(void)
{
    int a = one_in(3) ? fd(NOTHING) : fd(FILES);
    switch (below(9)) {
    case 0: CALL(ftruncate, a, one_in(8) ? offset() : below(20000)); break;
    case 1: CALL(truncate, path(), one_in(8) ? offset() : below(20000)); break;
    case 2 ... 3: if (holes) break; CALL(fallocate, a, one_in(4) ? 0 : SOME(FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), one_in(9) ? offset() : below(16384), one_in(9) ? length() : below(16384)); break;
    case 4: CALL(lseek, a, below(20000), holes && one_in(2) ? SEEK_DATA : holes ? SEEK_HOLE : SEEK_END); break;
    case 5: CALL(fsync, a); break;
    case 6: CALL(fadvise64, a, offset(), length(), below(8)); break;
    case 7: CALL(sync_file_range, only(FILES), below(20000), below(20000), below(8)); break;
    case 8: CALL(readahead, a, below(20000), below(20000)); break;
    }
}
static void attributes(void)
{
    int a = one_in(2) ? fd(FILES) : fd(NOTHING);
    struct stat *s;
    switch (below(12)) {
    case 0 ... 1: s = output_of(sizeof *s, 0), stat_of("fstat", HIDE(fstat, a, s), s); break;
    case 2 ... 3: s = output_of(sizeof *s, 0), stat_of("newfstatat", HIDE(newfstatat, directory(), path(), s, one_in(2) ? 0 : (wrong_once(5) ? 1 : SOME(AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT))), s); break;
    case 4: {
        struct statx *x = output_of(sizeof *x, 0);
        if (CALL(statx, directory(), path(), one_in(2) ? 0 : SOME(AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_STATX_FORCE_SYNC) | (wrong_once(9) ? ANY(0x6000, 1) : 0), wrong_once(12) ? 0x80000000 : STATX_BASIC_STATS | bits() & 0xfff, x) == 0) {
            if (S_ISSOCK(x->stx_mode))
                break;
            say("%ld    mask %x %o links %u size %lld blocks %lld", now, x->stx_mask & 0x7ff, x->stx_mode, x->stx_nlink, x->stx_size, x->stx_blocks);
            show_time("a", x->stx_atime.tv_sec, x->stx_atime.tv_nsec), show_time("m", x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec), say("\n");
        }
        break;
    }
    case 5: CALL(fchmodat, directory(), path(), mode()); break;
    case 6: CALL(fchmod, a, mode()); break;
    case 7: CALL(fchownat, directory(), path(), ANY(-1, getuid(), 0), ANY(-1, getgid()), one_in(2) ? 0 : (wrong_once(5) ? 1 : SOME(AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH))); break;
    case 8: CALL(fchown, a, ANY(-1, 0), -1); break;
    case 9 ... 10: {
        struct timespec *t = given(32);
        t[0] = (struct timespec){ below(1000000), one_in(4) ? ANY(UTIME_NOW, UTIME_OMIT, 1000000000, -1) : below(1000000000) };
        t[1] = (struct timespec){ one_in(20) ? -1 : below(1000000), one_in(4) ? ANY(UTIME_NOW, UTIME_OMIT) : below(1000000000) };
        if (one_in(3) && a >= 0) CALL(utimensat, a, 0, one_in(8) ? NULL : placed(t), 0);
        else CALL(utimensat, directory(), path(), one_in(8) ? NULL : placed(t), one_in(2) ? 0 : (wrong_once(5) ? 1 : SOME(AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH)));
        break;
    }
    case 11: {
        struct statfs *f = output_of(sizeof *f, 0);
        if (CALL(fstatfs, a, f) == 0)
            say("%ld    type %lx names %ld\n", now, kinds[a] == FILES || kinds[a] == DIRECTORY ? f->f_type : 0, f->f_namelen);
        break;
    }
    }
    if (one_in(4))
        list(one_in(3) ? a : fd(DIRECTORY));
}
static void extended(void)
{
    static const char *const attributes[] = { "user.a", "user.b", "user.c", "user", "none.x", "trusted.t" };
    char *name = strcpy(given(300), attributes[wrong_once(8) ? 3 + below(COUNT(attributes) - 3) : below(3)]);
    u64 size = wrong_once(20) ? 65536 : one_in(3) ? below(600) : below(20);
    int a = fd(one_in(2) ? FILES : DIRECTORY);
    switch (below(7)) {
    case 0: CALL(setxattr, path(), name, bytes(size < 600 ? size : 600), size < 600 ? size : 65536, one_in(3) ? below(4) : 0); break;
    case 1: CALL(fsetxattr, a, name, bytes(size < 600 ? size : 600), size < 600 ? size : 65536, one_in(3) ? below(4) : 0); break;
    case 2: CALL(fgetxattr, a, name, output(size), one_in(4) ? 0 : size); break;
    case 3: CALL(lgetxattr, path(), name, output(size), one_in(4) ? 0 : size); break;
    case 4: HIDE(flistxattr, a, output_of(300, 0), one_in(3) ? 0 : 300); break;
    case 5: CALL(removexattr, path(), name); break;
    case 6: CALL(fremovexattr, a, name); break;
    }
}
static void locks(void)
{
    int a = fd(FILES);
    if (one_in(3)) {
        CALL(flock, a, LOCK_NB | (wrong_once(9) ? 0 : ANY(LOCK_SH, LOCK_EX, LOCK_UN)));
        return;
    }
    struct flock *l = PUT(struct flock, { .l_type = wrong_once(20) ? 7 : below(3), .l_whence = wrong_once(20) ? 9 : below(3), .l_start = one_in(9) ? offset() : below(100),
                                          .l_len = one_in(9) ? offset() : below(60), .l_pid = wrong_once(20) ? 12345 : 0 });
    int command = ANY(F_GETLK, F_SETLK, F_OFD_GETLK, F_OFD_SETLK);
    if (command == F_OFD_GETLK && l->l_type == F_UNLCK)
        l->l_type = F_WRLCK; /* Linux 6.6 looks for its own then */
    if (CALL(fcntl, a, command, placed(l)) == 0)
        say("%ld    %s\n", now, command != F_GETLK && command != F_OFD_GETLK ? "" : l->l_type == F_UNLCK ? "free" : "locked"); /* by which of several is open */
}
