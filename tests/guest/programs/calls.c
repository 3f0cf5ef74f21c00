/* Calls every system call that the kernel registers, once, and says which did not do what it should.
 *
 * tests/guest/test_calls.py compares the names in CALL(...) with the registrations: a call without a case fails
 * there. It runs in a guest only; the calls that replace or end the program come last. */
#include "show.h"
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <utime.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static int failed, called;
#define CALL(name, condition) do { errno = 0; called++; if (!(condition)) { \
    failed++; printf("WRONG " #name ": %s (%s)\n", #condition, strerrorname_np(errno)); } } while (0)
#define S(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define REFUSED(call, error) ((call) == -1 && errno == (error))

#define MS_BIND_ 4096
static char buffer[8192];
static char page[4096] __attribute__((aligned(4096)));
static volatile int handled;
static void handler(int number) { handled++; }

static void files(void)
{
    struct stat st;
    struct statfs sf;
    char name[64];
    int fd, p[2], q[2];
    off_t zero = 0;
    struct iovec v = { buffer, 5 };
    struct timeval tv[2] = { { 1, 0 }, { 2, 0 } };
    struct timespec ts[2] = { { 1, 0 }, { 2, 0 } };
    struct utimbuf ut = { 1, 2 };
    struct flock lock = { .l_type = F_WRLCK };
    char statx_room[256];
    CALL(umask, S(umask, 022) >= 0);
    CALL(mkdir, S(mkdir, "/tmp/calls", 0755) == 0);
    CALL(chdir, S(chdir, "/tmp/calls") == 0);
    CALL(getcwd, S(getcwd, name, sizeof name) == 11 && !strcmp(name, "/tmp/calls"));
    CALL(creat, (fd = S(creat, "a", 0644)) >= 0);
    CALL(close, S(close, fd) == 0);
    CALL(open, (fd = S(open, "a", O_RDWR)) >= 0);
    CALL(write, S(write, fd, "hello", 5) == 5);
    CALL(lseek, S(lseek, fd, 0, SEEK_SET) == 0);
    CALL(read, S(read, fd, buffer, 100) == 5 && !memcmp(buffer, "hello", 5));
    CALL(pwrite64, S(pwrite64, fd, "J", 1, 0) == 1);
    CALL(pread64, S(pread64, fd, buffer, 5, 0) == 5 && buffer[0] == 'J');
    CALL(writev, S(writev, fd, &v, 1) == 5);
    S(lseek, fd, 0, SEEK_SET);
    CALL(readv, S(readv, fd, &v, 1) == 5);
    CALL(pwritev, S(pwritev, fd, &v, 1, 0, 0) == 5);
    CALL(preadv, S(preadv, fd, &v, 1, 0, 0) == 5);
    CALL(pwritev2, S(pwritev2, fd, &v, 1, 0, 0, RWF_APPEND) == 5);
    CALL(preadv2, S(preadv2, fd, &v, 1, 0, 0, RWF_HIPRI) == 5);
    CALL(fsync, S(fsync, fd) == 0);
    CALL(fdatasync, S(fdatasync, fd) == 0);
    CALL(sync, S(sync) == 0);
    CALL(syncfs, S(syncfs, fd) == 0);
    CALL(sync_file_range, S(sync_file_range, fd, 0, 0, 0) == 0);
    CALL(fadvise64, S(fadvise64, fd, 0, 0, 0) == 0);
    CALL(readahead, S(readahead, fd, 0, 10) == 0);
    CALL(fallocate, S(fallocate, fd, 0, 0, 10000) == 0);
    CALL(ftruncate, S(ftruncate, fd, 20) == 0);
    CALL(truncate, S(truncate, "a", 10) == 0);
    CALL(fstat, S(fstat, fd, &st) == 0 && st.st_size == 10);
    CALL(stat, S(stat, "a", &st) == 0 && S_ISREG(st.st_mode));
    CALL(symlink, S(symlink, "a", "l") == 0);
    CALL(lstat, S(lstat, "l", &st) == 0 && S_ISLNK(st.st_mode));
    CALL(newfstatat, S(newfstatat, AT_FDCWD, "a", &st, 0) == 0);
    CALL(statx, S(statx, AT_FDCWD, "a", 0, 0x7ff, statx_room) == 0);
    CALL(statfs, S(statfs, "/tmp", &sf) == 0 && sf.f_bsize == 4096 && sf.f_bfree < sf.f_blocks);
    CALL(fstatfs, S(fstatfs, fd, &sf) == 0);
    CALL(access, S(access, "a", R_OK) == 0);
    CALL(faccessat, S(faccessat, AT_FDCWD, "a", R_OK) == 0);
    CALL(faccessat2, S(faccessat2, AT_FDCWD, "a", R_OK, 0) == 0);
    CALL(chmod, S(chmod, "a", 0600) == 0);
    CALL(fchmod, S(fchmod, fd, 0601) == 0);
    CALL(fchmodat, S(fchmodat, AT_FDCWD, "a", 0602) == 0 && stat("a", &st) == 0 && (st.st_mode & 0777) == 0602);
    CALL(chown, S(chown, "a", 1, 2) == 0);
    CALL(lchown, S(lchown, "l", 1, 2) == 0);
    CALL(fchown, S(fchown, fd, 3, 4) == 0);
    CALL(fchownat, S(fchownat, AT_FDCWD, "a", 5, -1, 0) == 0 && stat("a", &st) == 0 && st.st_uid == 5 && st.st_gid == 4);
    CALL(utime, S(utime, "a", &ut) == 0);
    CALL(utimes, S(utimes, "a", tv) == 0);
    CALL(futimesat, S(futimesat, AT_FDCWD, "a", tv) == 0);
    CALL(utimensat, S(utimensat, AT_FDCWD, "a", ts, 0) == 0 && stat("a", &st) == 0 && st.st_mtime == 2);
    CALL(link, S(link, "a", "b") == 0);
    CALL(linkat, S(linkat, AT_FDCWD, "a", AT_FDCWD, "c", 0) == 0);
    CALL(rename, S(rename, "b", "d") == 0);
    CALL(renameat, S(renameat, AT_FDCWD, "d", AT_FDCWD, "e") == 0);
    CALL(renameat2, S(renameat2, AT_FDCWD, "e", AT_FDCWD, "c", 2) == 0);
    CALL(unlink, S(unlink, "c") == 0);
    CALL(unlinkat, S(unlinkat, AT_FDCWD, "e", 0) == 0);
    CALL(symlinkat, S(symlinkat, "a", AT_FDCWD, "m") == 0);
    CALL(readlink, S(readlink, "m", name, 10) == 1);
    CALL(readlinkat, S(readlinkat, AT_FDCWD, "m", name, 10) == 1);
    CALL(mkdirat, S(mkdirat, AT_FDCWD, "sub", 0700) == 0);
    CALL(rmdir, S(rmdir, "sub") == 0);
    CALL(mknod, S(mknod, "fifo", S_IFIFO | 0600, 0) == 0);
    CALL(mknodat, S(mknodat, AT_FDCWD, "fifo2", S_IFIFO | 0600, 0) == 0);
    int directory;
    CALL(openat, (directory = S(openat, AT_FDCWD, ".", O_DIRECTORY)) >= 0);
    CALL(getdents64, S(getdents64, directory, buffer, sizeof buffer) > 0);
    lseek(directory, 0, SEEK_SET);
    CALL(getdents, S(getdents, directory, buffer, sizeof buffer) > 0);
    CALL(fchdir, S(fchdir, directory) == 0);
    CALL(chroot, S(chroot, "/") == 0);
    CALL(setxattr, S(setxattr, "a", "user.x", "1", 1, 0) == 0);
    CALL(lsetxattr, S(lsetxattr, "a", "user.y", "1", 1, 0) == 0);
    CALL(fsetxattr, S(fsetxattr, fd, "user.z", "1", 1, 0) == 0);
    CALL(getxattr, S(getxattr, "a", "user.x", name, 10) == 1);
    CALL(lgetxattr, S(lgetxattr, "a", "user.x", name, 10) == 1);
    CALL(fgetxattr, S(fgetxattr, fd, "user.x", name, 10) == 1);
    CALL(listxattr, S(listxattr, "a", name, 60) == 21);
    CALL(llistxattr, S(llistxattr, "a", name, 60) == 21);
    CALL(flistxattr, S(flistxattr, fd, name, 60) == 21);
    CALL(removexattr, S(removexattr, "a", "user.x") == 0);
    CALL(lremovexattr, S(lremovexattr, "a", "user.y") == 0);
    CALL(fremovexattr, S(fremovexattr, fd, "user.z") == 0);
    CALL(dup, S(dup, fd) > fd);
    CALL(dup2, S(dup2, fd, 50) == 50);
    CALL(dup3, S(dup3, fd, 51, O_CLOEXEC) == 51);
    CALL(close_range, S(close_range, 50, 60, 0) == 0 && fcntl(51, F_GETFD) == -1);
    CALL(fcntl, S(fcntl, fd, F_SETLK, &lock) == 0);
    CALL(flock, S(flock, fd, LOCK_EX) == 0);
    CALL(pipe, S(pipe, p) == 0);
    CALL(pipe2, S(pipe2, q, O_NONBLOCK) == 0);
    write(p[1], "pipe", 4);
    CALL(ioctl, S(ioctl, p[0], 0x541B, name) == 0 && *(int *)name == 4);
    CALL(tee, S(tee, p[0], q[1], 4, 0) == 4);
    CALL(splice, S(splice, p[0], NULL, q[1], NULL, 4, 0) == 4);
    CALL(vmsplice, S(vmsplice, q[1], &v, 1, 0) == 5);
    CALL(sendfile, S(sendfile, q[1], fd, &zero, 5) == 5);
    int copy = open("copy", O_RDWR | O_CREAT, 0600);
    zero = 0;
    CALL(copy_file_range, S(copy_file_range, fd, &zero, copy, NULL, 5, 0) == 5);
    CALL(memfd_create, S(memfd_create, "name", 1) >= 0);
}

static void events(void)
{
    int p[2], e, n;
    struct pollfd f;
    struct epoll_event ev = { EPOLLIN, { 0 } }, got;
    struct timespec none = { 0, 0 };
    struct timeval no_time = { 0, 0 };
    fd_set set;
    pipe(p);
    f = (struct pollfd){ p[0], POLLIN, 0 };
    CALL(poll, S(poll, &f, 1, 0) == 0);
    CALL(ppoll, S(ppoll, &f, 1, &none, NULL, 8) == 0);
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    CALL(select, S(select, p[0] + 1, &set, NULL, NULL, &no_time) == 0);
    CALL(pselect6, S(pselect6, 0, NULL, NULL, NULL, &none, NULL) == 0);
    CALL(epoll_create, S(epoll_create, 1) >= 0);
    CALL(epoll_create1, (e = S(epoll_create1, 0)) >= 0);
    CALL(epoll_ctl, S(epoll_ctl, e, EPOLL_CTL_ADD, p[0], &ev) == 0);
    CALL(epoll_wait, S(epoll_wait, e, &got, 1, 0) == 0);
    CALL(epoll_pwait, S(epoll_pwait, e, &got, 1, 0, NULL, 8) == 0);
    CALL(epoll_pwait2, S(epoll_pwait2, e, &got, 1, &none, NULL, 8) == 0);
    CALL(eventfd, S(eventfd, 3) >= 0);
    CALL(eventfd2, S(eventfd2, 3, O_NONBLOCK) >= 0);
    CALL(inotify_init, S(inotify_init) >= 0);
    CALL(inotify_init1, (n = S(inotify_init1, O_NONBLOCK)) >= 0);
    CALL(inotify_add_watch, S(inotify_add_watch, n, "/tmp", IN_CREATE) == 1);
    CALL(inotify_rm_watch, S(inotify_rm_watch, n, 1) == 0);
    aio_context_t context = 0;
    struct iocb request = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = p[0], .aio_buf = POLLIN }, *r = &request;
    struct io_event event;
    CALL(io_setup, S(io_setup, 4, &context) == 0);
    CALL(io_submit, S(io_submit, context, 1L, &r) == 1);
    CALL(io_getevents, S(io_getevents, context, 0L, 1L, &event, &none) == 0);
    CALL(io_cancel, REFUSED(S(io_cancel, context, r, &event), EINPROGRESS));
    CALL(io_pgetevents, S(io_pgetevents, context, 1L, 1L, &event, NULL, NULL) == 1);
    CALL(io_destroy, S(io_destroy, context) == 0);
}

static void sockets(void)
{
    struct sockaddr_un a = { AF_UNIX, "\0calls" }, b;
    socklen_t length = sizeof b;
    int l, c, s, pair[2], value = 1;
    struct iovec v = { buffer, 5 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    struct mmsghdr many = { m };
    CALL(socket, (l = S(socket, AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CALL(bind, S(bind, l, &a, 8) == 0);
    CALL(listen, S(listen, l, 5) == 0);
    c = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(connect, S(connect, c, &a, 8) == 0);
    CALL(accept, (s = S(accept, l, NULL, NULL)) >= 0);
    int c2 = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(c2, (void *)&a, 8);
    CALL(accept4, S(accept4, l, NULL, NULL, SOCK_CLOEXEC) >= 0);
    CALL(getsockname, S(getsockname, s, &b, &length) == 0 && length == 8);
    CALL(getpeername, S(getpeername, c, &b, &length) == 0 && length == 8);
    CALL(setsockopt, S(setsockopt, s, SOL_SOCKET, SO_PASSCRED, &value, 4) == 0);
    length = 4;
    CALL(getsockopt, S(getsockopt, s, SOL_SOCKET, SO_PASSCRED, &value, &length) == 0 && value == 1);
    CALL(sendto, S(sendto, c, "hello", 5, 0, NULL, 0) == 5);
    CALL(recvfrom, S(recvfrom, s, buffer, 5, 0, NULL, NULL) == 5);
    CALL(sendmsg, S(sendmsg, c, &m, 0) == 5);
    CALL(recvmsg, S(recvmsg, s, &m, 0) == 5);
    CALL(sendmmsg, S(sendmmsg, c, &many, 1, 0) == 1);
    CALL(recvmmsg, S(recvmmsg, s, &many, 1, 0, NULL) == 1);
    CALL(shutdown, S(shutdown, s, SHUT_RDWR) == 0);
    CALL(socketpair, S(socketpair, AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
}

static void ipc(void)
{
    int id;
    char *at;
    struct sembuf up = { 0, 1, 0 };
    struct timespec none = { 0, 0 };
    struct { long type; char text[8]; } message = { 1, "text" };
    struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 10 };
    CALL(shmget, (id = S(shmget, IPC_PRIVATE, 4096, 0600)) >= 0);
    CALL(shmat, (long)(at = (char *)S(shmat, id, NULL, 0)) > 0);
    CALL(shmdt, S(shmdt, at) == 0);
    CALL(shmctl, S(shmctl, id, IPC_RMID, NULL) == 0);
    CALL(semget, (id = S(semget, IPC_PRIVATE, 1, 0600)) >= 0);
    CALL(semop, S(semop, id, &up, 1) == 0);
    CALL(semtimedop, S(semtimedop, id, &up, 1, &none) == 0);
    CALL(semctl, S(semctl, id, 0, GETVAL) == 2);
    CALL(msgget, (id = S(msgget, IPC_PRIVATE, 0600)) >= 0);
    CALL(msgsnd, S(msgsnd, id, &message, 5, 0) == 0);
    CALL(msgrcv, S(msgrcv, id, &message, 8, 0, 0) == 5);
    CALL(msgctl, S(msgctl, id, IPC_RMID, NULL) == 0);
    CALL(mq_open, (id = S(mq_open, "calls", O_CREAT | O_RDWR, 0600, &attributes)) >= 0);
    CALL(mq_timedsend, S(mq_timedsend, id, "text", 4, 1, NULL) == 0);
    CALL(mq_timedreceive, S(mq_timedreceive, id, buffer, 10, NULL, NULL) == 4);
    CALL(mq_notify, S(mq_notify, id, NULL) == 0);
    CALL(mq_getsetattr, S(mq_getsetattr, id, NULL, &attributes) == 0 && attributes.mq_maxmsg == 2);
    CALL(mq_unlink, S(mq_unlink, "calls") == 0);
}

static void memory(void)
{
    char *m;
    long old;
    CALL(brk, (old = S(brk, 0)) > 0 && S(brk, old) == old);
    CALL(mmap, (long)(m = (char *)S(mmap, NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) > 0);
    CALL(mprotect, S(mprotect, m, 4096, PROT_READ) == 0);
    CALL(pkey_mprotect, S(pkey_mprotect, m, 4096, PROT_READ | PROT_WRITE, -1) == 0);
    CALL(madvise, S(madvise, m, 4096, MADV_DONTNEED) == 0);
    CALL(mincore, S(mincore, m, 4096, buffer) == 0);
    CALL(msync, S(msync, m, 4096, MS_SYNC) == 0);
    CALL(mlock, S(mlock, m, 4096) == 0);
    CALL(mlock2, S(mlock2, m, 4096, 0) == 0);
    CALL(munlock, S(munlock, m, 4096) == 0);
    CALL(mlockall, S(mlockall, MCL_CURRENT) == 0);
    CALL(munlockall, S(munlockall) == 0);
    CALL(mremap, (long)(m = (char *)S(mremap, m, 16384, 32768, MREMAP_MAYMOVE)) > 0);
    CALL(munmap, S(munmap, m, 32768) == 0);
    CALL(process_madvise, REFUSED(S(process_madvise, -1, 0, 0, MADV_COLD, 0), EBADF));
    CALL(set_mempolicy, S(set_mempolicy, 0, 0, 0) == 0);
    CALL(get_mempolicy, S(get_mempolicy, 0, 0, 0, 0, 0) == 0);
    CALL(mbind, S(mbind, 0, 0, 0, 0, 0, 0) == 0 && S(setresuid, -1, 65534, -1) == 0 &&
                REFUSED(S(mbind, 0, 0, 0, 0, 0, 4 /* MPOL_MF_MOVE_ALL */), EPERM) && S(setresuid, -1, 0, -1) == 0);
    CALL(move_pages, S(move_pages, 0, 0, 0, 0, 0, 0) == 0);
    CALL(migrate_pages, REFUSED(S(migrate_pages, 1 << 30, 0, 0, 0), ESRCH));
    CALL(remap_file_pages, REFUSED(S(remap_file_pages, 0, 4096, 0, 0, 0), EINVAL));
    CALL(pkey_alloc, S(pkey_alloc, 0, 0) == -1);
    CALL(pkey_free, REFUSED(S(pkey_free, 5), EINVAL));
}

static void identity(void)
{
    struct utsname names;
    struct sysinfo info;
    struct rlimit limit;
    struct rusage usage;
    struct tms tms;
    unsigned ids[3];
    struct { unsigned version; int pid; } header = { 0x20080522, 0 };
    unsigned caps[6];
    CALL(uname, S(uname, &names) == 0 && !strcmp(names.sysname, "Linux"));
    CALL(sethostname, S(sethostname, "calls", 5) == 0);
    CALL(setdomainname, S(setdomainname, "calls", 5) == 0 && uname(&names) == 0 && !strcmp(names.nodename, "calls"));
    CALL(sysinfo, S(sysinfo, &info) == 0 && info.totalram > 0);
    CALL(getpid, S(getpid) > 0);
    CALL(getppid, S(getppid) >= 0);
    CALL(gettid, S(gettid) == S(getpid));
    CALL(getuid, S(getuid) == 0);
    CALL(geteuid, S(geteuid) == 0);
    CALL(getgid, S(getgid) == 0);
    CALL(getegid, S(getegid) == 0);
    CALL(getresuid, S(getresuid, ids, ids + 1, ids + 2) == 0);
    CALL(getresgid, S(getresgid, ids, ids + 1, ids + 2) == 0);
    CALL(setuid, S(setuid, 0) == 0);
    CALL(setgid, S(setgid, 0) == 0);
    CALL(setreuid, S(setreuid, 0, 0) == 0);
    CALL(setregid, S(setregid, 0, 0) == 0);
    CALL(setresuid, S(setresuid, 0, 0, 0) == 0);
    CALL(setresgid, S(setresgid, 0, 0, 0) == 0);
    CALL(setfsuid, S(setfsuid, 0) == 0);
    CALL(setfsgid, S(setfsgid, 0) == 0);
    ids[0] = 7;
    CALL(setgroups, S(setgroups, 1, ids) == 0);
    CALL(getgroups, S(getgroups, 3, ids) == 1 && ids[0] == 7);
    CALL(getpgrp, S(getpgrp) >= 0);
    CALL(getpgid, S(getpgid, 0) >= 0);
    CALL(setpgid, S(setpgid, 0, 0) == 0 || errno == EPERM);
    CALL(getsid, S(getsid, 0) >= 0);
    CALL(setsid, S(setsid) >= 0 || errno == EPERM);
    CALL(capget, S(capget, &header, caps) == 0);
    CALL(capset, S(capset, &header, caps) == 0);
    CALL(getpriority, S(getpriority, PRIO_PROCESS, 0) == 20);
    CALL(setpriority, S(setpriority, PRIO_PROCESS, 0, 0) == 0);
    CALL(ioprio_get, S(ioprio_get, 1, 0) >= 0);
    CALL(ioprio_set, S(ioprio_set, 1, 0, 2 << 13) == 0 || errno == ENOSYS);
    CALL(getrlimit, S(getrlimit, RLIMIT_NOFILE, &limit) == 0);
    CALL(setrlimit, S(setrlimit, RLIMIT_NOFILE, &limit) == 0);
    CALL(prlimit64, S(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0);
    CALL(getrusage, S(getrusage, RUSAGE_SELF, &usage) == 0);
    CALL(times, S(times, &tms) >= 0);
    CALL(personality, S(personality, 0xffffffff) == 0);
    CALL(prctl, S(prctl, 15, "calls", 0, 0, 0) == 0);
    CALL(arch_prctl, S(arch_prctl, 0x1003, ids) == 0);
    CALL(syslog, S(syslog, 10, NULL, 0) >= 0);
    CALL(vhangup, S(vhangup) == 0);
    CALL(iopl, REFUSED(S(iopl, 3), EPERM));
    CALL(ioperm, REFUSED(S(ioperm, 0, 1, 1), EPERM));
    CALL(reboot, REFUSED(S(reboot, 1, 2, 3, NULL), EINVAL));
    CALL(getrandom, S(getrandom, buffer, 16, 0) == 16);
    CALL(getcpu, S(getcpu, ids, ids + 1, NULL) == 0);
    CALL(membarrier, S(membarrier, 0, 0, 0) >= 0);
    CALL(rseq, S(rseq, NULL, 0, 0, 0) == -1);
}

static void clocks(void)
{
    struct timespec t, none = { 0, 0 };
    struct timeval tv;
    struct itimerval iv = { { 0, 0 }, { 0, 0 } };
    struct itimerspec is = { { 0, 0 }, { 100, 0 } }, now;
    struct sigevent silent = { .sigev_notify = SIGEV_NONE };
    int timer, fd;
    CALL(time, S(time, NULL) > 0);
    CALL(gettimeofday, S(gettimeofday, &tv, NULL) == 0);
    CALL(settimeofday, S(settimeofday, &tv, NULL) == 0);
    CALL(clock_gettime, S(clock_gettime, CLOCK_REALTIME, &t) == 0);
    CALL(clock_settime, S(clock_settime, CLOCK_REALTIME, &t) == 0);
    CALL(clock_getres, S(clock_getres, CLOCK_MONOTONIC, &t) == 0);
    CALL(nanosleep, S(nanosleep, &none, NULL) == 0);
    CALL(clock_nanosleep, S(clock_nanosleep, CLOCK_MONOTONIC, 0, &none, NULL) == 0);
    CALL(alarm, S(alarm, 0) == 0);
    CALL(setitimer, S(setitimer, ITIMER_REAL, &iv, NULL) == 0);
    CALL(getitimer, S(getitimer, ITIMER_REAL, &iv) == 0);
    CALL(timer_create, S(timer_create, CLOCK_MONOTONIC, &silent, &timer) == 0);
    CALL(timer_settime, S(timer_settime, timer, 0, &is, NULL) == 0);
    CALL(timer_gettime, S(timer_gettime, timer, &now) == 0 && now.it_value.tv_sec > 90);
    CALL(timer_getoverrun, S(timer_getoverrun, timer) == 0);
    CALL(timer_delete, S(timer_delete, timer) == 0);
    CALL(timerfd_create, (fd = S(timerfd_create, CLOCK_MONOTONIC, 0)) >= 0);
    CALL(timerfd_settime, S(timerfd_settime, fd, 0, &is, NULL) == 0);
    CALL(timerfd_gettime, S(timerfd_gettime, fd, &now) == 0 && now.it_value.tv_sec > 90);
}

static void scheduling(void)
{
    struct sched_param parameters = { 0 };
    struct timespec t;
    unsigned long mask[16] = { 1 };
    struct { unsigned size, policy; unsigned long flags; int nice, priority; unsigned long a, b, c; } attributes = { 48 };
    CALL(sched_yield, S(sched_yield) == 0);
    CALL(sched_getscheduler, S(sched_getscheduler, 0) == 0);
    CALL(sched_setscheduler, S(sched_setscheduler, 0, 0, &parameters) == 0);
    CALL(sched_getparam, S(sched_getparam, 0, &parameters) == 0);
    CALL(sched_setparam, S(sched_setparam, 0, &parameters) == 0);
    CALL(sched_getattr, S(sched_getattr, 0, &attributes, 48, 0) == 0);
    CALL(sched_setattr, S(sched_setattr, 0, &attributes, 0) == 0);
    CALL(sched_get_priority_max, S(sched_get_priority_max, 1) == 99);
    CALL(sched_get_priority_min, S(sched_get_priority_min, 1) == 1);
    CALL(sched_rr_get_interval, S(sched_rr_get_interval, 0, &t) == 0);
    CALL(sched_setaffinity, S(sched_setaffinity, 0, sizeof mask, mask) == 0);
    CALL(sched_getaffinity, S(sched_getaffinity, 0, sizeof mask, mask) > 0 && mask[0] == 1);
    CALL(sched_getaffinity, REFUSED(S(sched_getaffinity, -1, sizeof mask, mask), ESRCH));
}

static void itself(void)
{
    struct timex { unsigned modes; long rest[25]; } timex = { 0 };
    struct iovec here = { buffer, 4 }, there = { "abcd", 4 };
    int self, process = S(getpid);
    CALL(adjtimex, S(adjtimex, &timex) == 5);
    CALL(clock_adjtime, S(clock_adjtime, CLOCK_REALTIME, &timex) == 5);
    timex.modes = 1;
    CALL(adjtimex, REFUSED(S(adjtimex, &timex), EPERM));
    CALL(process_vm_readv, S(process_vm_readv, process, &here, 1L, &there, 1L, 0L) == 4 && !memcmp(buffer, "abcd", 4));
    CALL(process_vm_writev, S(process_vm_writev, process, &there, 1L, &here, 1L, 0L) == 4);
    CALL(kcmp, S(kcmp, process, process, 1, 0L, 0L) == 0);
    CALL(pidfd_open, (self = S(pidfd_open, process, 0)) >= 0);
    CALL(pidfd_send_signal, S(pidfd_send_signal, self, 0, NULL, 0) == 0);
    CALL(pidfd_getfd, S(pidfd_getfd, self, self, 0) > self);
}

/* What docs/abi.md says is refused. */
static void refusals(void)
{
    struct { unsigned long flags, mode, resolve; } how = { O_RDONLY, 0, 8 };
    struct sigevent by_thread = { .sigev_notify = SIGEV_THREAD };
    int fd, s[2], q = S(mq_open, "calls", O_CREAT | O_RDWR, 0600, NULL);
    CALL(openat2, REFUSED(S(openat2, AT_FDCWD, "/tmp", &how, 24), EXDEV));
    how.resolve = 0;
    CALL(openat2, (fd = S(openat2, AT_FDCWD, "/tmp/calls/a", &how, 24)) >= 0);
    CALL(fchmodat2, S(fchmodat2, AT_FDCWD, "/tmp/calls/a", 0600, 0) == 0);
    CALL(copy_file_range, REFUSED(S(copy_file_range, fd, NULL, fd, NULL, 1, 1), EINVAL));
    CALL(fallocate, REFUSED(S(fallocate, open("/tmp/calls/a", O_RDWR), 0x8, 0, 4096), EOPNOTSUPP));
    CALL(memfd_create, REFUSED(S(memfd_create, "x", 4), EINVAL));
    CALL(mmap, REFUSED(S(mmap, NULL, 1 << 21, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), ENOMEM));
    CALL(mq_notify, REFUSED(S(mq_notify, q, &by_thread), EINVAL));
    CALL(renameat2, REFUSED(S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 4), EINVAL));
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    CALL(sendto, REFUSED(S(sendto, s[0], "x", 1, MSG_OOB, NULL, 0), EOPNOTSUPP));
    CALL(shmget, REFUSED(S(shmget, IPC_PRIVATE, 1 << 21, 0600 | 04000), ENOMEM));
    CALL(socket, REFUSED(S(socket, AF_INET, SOCK_STREAM, 0), EAFNOSUPPORT));
    CALL(pipe2, REFUSED(S(pipe2, s, 1), EINVAL));
    CALL(eventfd2, REFUSED(S(eventfd2, 0, 2), EINVAL));
    CALL(epoll_create1, REFUSED(S(epoll_create1, 1), EINVAL));
    CALL(inotify_init1, REFUSED(S(inotify_init1, 1), EINVAL));
    CALL(preadv2, REFUSED(S(preadv2, fd, NULL, 0, 0, 0, 0x40), EOPNOTSUPP));
    CALL(accept4, REFUSED(S(accept4, s[0], NULL, NULL, 1), EINVAL));
    CALL(close_range, REFUSED(S(close_range, 50, 60, 1), EINVAL));
    CALL(splice, REFUSED(S(splice, 0, NULL, 1, NULL, 1, 16), EINVAL));
    CALL(unlinkat, REFUSED(S(unlinkat, AT_FDCWD, "x", 1), EINVAL));
    CALL(statx, REFUSED(S(statx, AT_FDCWD, "x", 1, 0, buffer), EINVAL));
}

static void mounts(void)
{
    struct statfs sf;
    mkdir("/tmp/calls/mnt", 0755);
    CALL(mount, REFUSED(S(mount, "x", "/tmp/calls/mnt", "ext4", 0, NULL), ENODEV));
    CALL(mount, REFUSED(S(mount, "x", "/tmp/calls/mnt", "tmpfs", 0, "size=1m,what=5"), EINVAL));
    CALL(mount, REFUSED(S(mount, "x", "/tmp/calls/mnt", "tmpfs", MS_BIND_, NULL), EINVAL));
    CALL(mount, S(mount, "x", "/tmp/calls/mnt", "tmpfs", 8, "size=64k,mode=0700") == 0);
    CALL(statfs, S(statfs, "/tmp/calls/mnt", &sf) == 0 && sf.f_blocks == 16);
    int fd = open("/tmp/calls/mnt/file", O_RDWR | O_CREAT, 0755);
    CALL(write, S(write, fd, buffer, 100) == 100);
    CALL(mmap, REFUSED(S(mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), EPERM));
    CALL(umount2, REFUSED(S(umount2, "/tmp/calls/mnt", 0), EBUSY));
    close(fd);
    CALL(umount2, S(umount2, "/tmp/calls/mnt", 0) == 0 && access("/tmp/calls/mnt/file", F_OK) == -1);
    CALL(umount2, REFUSED(S(umount2, "/tmp/calls/mnt", 0), EINVAL));
    CALL(umount2, REFUSED(S(umount2, "/proc", 0), EBUSY));
    CALL(mount, S(mount, "none", "/tmp/calls/mnt", "tmpfs", 1, NULL) == 0);
    CALL(mkdir, REFUSED(S(mkdir, "/tmp/calls/mnt/x", 0700), EROFS));
    CALL(umount2, S(umount2, "/tmp/calls/mnt", 2) == 0);
    CALL(mount, S(mount, "none", "/", NULL, 0x44000, NULL) == 0);
    CALL(mount, S(mount, "x", "/tmp/calls/mnt", "tmpfs", 2 | 8, NULL) == 0);
    char table[4096] = "";
    fd = open("/proc/self/mounts", O_RDONLY);
    CALL(read, S(read, fd, table, sizeof table - 1) > 0 &&
         strstr(table, "/tmp/calls/mnt tmpfs rw,nosuid,noexec,relatime"));
    close(fd);
    CALL(umount2, S(umount2, "/tmp/calls/mnt", 0) == 0);
    struct { unsigned bytes; int type; char rest[128]; } handle = { 128 };
    int id;
    CALL(mount, S(mount, "x", "/tmp/calls/mnt", "tmpfs", 0, NULL) == 0);
    CALL(name_to_handle_at, S(name_to_handle_at, AT_FDCWD, "/tmp/calls/mnt", &handle, &id, 0) == 0);
    CALL(open_by_handle_at, REFUSED(S(open_by_handle_at, AT_FDCWD, &handle, 0), ESTALE));
    fd = open("/tmp/calls/mnt", O_RDONLY);
    int other = S(open_by_handle_at, fd, &handle, O_RDONLY);
    CALL(open_by_handle_at, other >= 0);
    CALL(umount2, REFUSED(S(umount2, "/tmp/calls/mnt", 0), EBUSY));
    close(fd);
    close(other);
    CALL(umount2, S(umount2, "/tmp/calls/mnt", 0) == 0);
    for (int i = 0; i < 40; i++) { /* what is mounted inside goes along */
        CALL(mount, S(mount, "x", "/tmp/calls/mnt", "tmpfs", 0, NULL) == 0);
        mkdir("/tmp/calls/mnt/inside", 0700);
        CALL(mount, S(mount, "x", "/tmp/calls/mnt/inside", "tmpfs", 0, NULL) == 0);
        CALL(umount2, S(umount2, "/tmp/calls/mnt", 2) == 0);
    }
    CALL(mount, S(mount, "x", "/tmp/calls/mnt", "tmpfs", 0, NULL) == 0);
    chdir("/tmp/calls/mnt"); /* a tree that is deeper than the kernel's stack */
    for (int i = 0; i < 1000; i++)
        CALL(mkdir, S(mkdir, "deeper", 0700) == 0 && chdir("deeper") == 0);
    chdir("/");
    CALL(umount2, S(umount2, "/tmp/calls/mnt", 0) == 0);
}

static void *end_thread(void *unused)
{
    CALL(close_range, REFUSED(S(close_range, 900, 901, 2), EINVAL)); /* all threads share the table */
    S(exit, 0);
    return NULL;
}

static void *interrupt(void *main_thread)
{
    for (int i = 0; i < 2; i++) {
        usleep(30000);
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
    }
    return NULL;
}

static void threads(void)
{
    unsigned long set = 0, usr1 = 1ul << (SIGUSR1 - 1);
    struct { void (*function)(int); unsigned long flags; void *restorer; unsigned long mask; } action;
    siginfo_t info;
    struct timespec none = { 0, 0 };
    stack_t stack;
    unsigned word = 1;
    void *head;
    size_t size;
    int process = S(getpid);
    pthread_t t, self = pthread_self();
    signal(SIGUSR1, handler);
    CALL(rt_sigaction, S(rt_sigaction, SIGUSR1, NULL, &action, 8) == 0);
    CALL(rt_sigprocmask, S(rt_sigprocmask, SIG_BLOCK, &usr1, NULL, 8) == 0);
    CALL(kill, S(kill, process, SIGUSR1) == 0);
    CALL(rt_sigpending, S(rt_sigpending, &set, 8) == 0 && set & usr1);
    CALL(signalfd4, S(signalfd4, -1, &usr1, 8, O_NONBLOCK) >= 0);
    CALL(signalfd, S(signalfd, -1, &usr1, 8) >= 0);
    CALL(rt_sigtimedwait, S(rt_sigtimedwait, &usr1, NULL, &none, 8) == SIGUSR1);
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    CALL(rt_sigqueueinfo, S(rt_sigqueueinfo, process, SIGUSR1, &info) == 0);
    S(rt_sigtimedwait, &usr1, NULL, &none, 8);
    CALL(rt_tgsigqueueinfo, S(rt_tgsigqueueinfo, process, process, SIGUSR1, &info) == 0);
    S(rt_sigtimedwait, &usr1, NULL, &none, 8);
    S(rt_sigprocmask, SIG_UNBLOCK, &usr1, NULL, 8);
    CALL(tkill, S(tkill, process, SIGUSR1) == 0);
    CALL(tgkill, S(tgkill, process, process, SIGUSR1) == 0);
    CALL(rt_sigreturn, handled == 2); /* both handlers have returned through it */
    CALL(sigaltstack, S(sigaltstack, NULL, &stack) == 0);
    pthread_create(&t, NULL, interrupt, &self);
    set = 0;
    CALL(rt_sigsuspend, REFUSED(S(rt_sigsuspend, &set, 8), EINTR));
    CALL(pause, REFUSED(S(pause), EINTR));
    pthread_join(t, NULL);
    CALL(futex, REFUSED(S(futex, &word, 0, 2, NULL, NULL, 0), EAGAIN));
    struct { unsigned long value, address; unsigned flags, reserved; } wait = { 2, (long)&word, 2, 0 };
    CALL(futex_waitv, REFUSED(S(futex_waitv, &wait, 1, 0, NULL, 0), EAGAIN));
    CALL(get_robust_list, S(get_robust_list, 0, &head, &size) == 0);
    CALL(set_robust_list, S(set_robust_list, head, 24) == 0);
    CALL(set_tid_address, S(set_tid_address, &word) == S(gettid));
    CALL(clone3, REFUSED(S(clone3, NULL, 1), EINVAL));
    CALL(clone, REFUSED(S(clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL));
    CALL(fork, REFUSED(S(fork), ENOSYS));
    CALL(vfork, REFUSED(S(vfork), ENOSYS));
    CALL(wait4, REFUSED(S(wait4, -1, NULL, 0, NULL), ECHILD));
    CALL(waitid, REFUSED(S(waitid, P_ALL, 0, &info, WEXITED, NULL), ECHILD));
    pthread_create(&t, NULL, end_thread, NULL);
    usleep(20000);
    CALL(exit, S(gettid) == process); /* only that thread has ended */
}

int main(int count, char **arguments)
{
    char *next[] = { arguments[0], "second", NULL, NULL }, *nothing[] = { NULL };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 1) {
        files();
        events();
        sockets();
        ipc();
        memory();
        identity();
        clocks();
        scheduling();
        itself();
        refusals();
        mounts();
        threads();
        printf("first: %d called, %d wrong\n", called, failed);
        CALL(execve, S(execve, "/proc/self/exe", next, nothing) == 0);
    } else if (count == 2) {
        printf("second\n");
        next[2] = "third";
        CALL(execveat, S(execveat, AT_FDCWD, "/proc/self/exe", next, nothing, 0) == 0);
    } else {
        printf("third\n");
        fflush(stdout);
        CALL(exit_group, S(exit_group, 7) == 0);
    }
    return 1;
}
