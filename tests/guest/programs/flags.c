/* Every bit of every argument that holds flags, one after the other: taken, or refused with which error.
 *
 * tests/guest/test_flags.py runs it on the host and in a guest. A line is a call, a bit and what became of it; where
 * Krait refuses what Linux takes, docs/abi.md says so and the test knows it. */
#include "show.h"
#include <linux/futex.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#define S(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define SYS_fchmodat2_ 452
typedef unsigned long bits;

static int file, other, p[2], q[2], s[2], counter, timer_file, set, queue, segment;
static unsigned word;
static timer_t timer;
static char room[8192], *page;
static struct timespec none, times[2] = { { 1, 0 }, { 2, 0 } };
static struct itimerspec never;
static struct iovec vector = { room, 4 };
static struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };
static struct mmsghdr many;
static struct sockaddr_un address = { AF_UNIX, "socket" };
static sigset_t no_signals;

/* Descriptors that a call gave are closed; what is printed is only that it gave one. */
static long made(long descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
    return descriptor < 0 ? -1 : 0;
}

static long pair(long result, int *ends)
{
    if (!result)
        close(ends[0]), close(ends[1]);
    return result;
}

static void fresh(void)
{
    unlink("g");
    unlink("h");
    close(open("g", O_CREAT | O_RDWR, 0644));
    lseek(file, 0, SEEK_SET);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    fcntl(q[0], F_SETFL, O_NONBLOCK);
    while (read(p[0], room, sizeof room) > 0)
        ;
    while (read(q[0], room, sizeof room) > 0)
        ;
    write(p[1], "text", 4);
    while (recv(s[0], room, sizeof room, MSG_DONTWAIT) > 0)
        ;
    while (recv(s[1], room, sizeof room, MSG_DONTWAIT) > 0)
        ;
    send(s[1], "text", 4, 0);
    memset(room, 0, sizeof room);
}

static long accept_with(bits flags)
{
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    unlink("socket");
    bind(listener, (void *)&address, sizeof address);
    listen(listener, 1);
    connect(client, (void *)&address, sizeof address);
    long result = made(S(accept4, listener, NULL, NULL, flags));
    int error = errno;
    close(listener);
    close(client);
    errno = error;
    return result;
}

static long open_how(bits flags)
{
    struct { unsigned long flags, mode, resolve; } how = { flags, flags & O_CREAT ? 0600 : 0, 0 };
    return made(S(openat2, AT_FDCWD, "f", &how, sizeof how));
}

static long resolve_how(bits flags)
{
    struct { unsigned long flags, mode, resolve; } how = { 0, 0, flags };
    return made(S(openat2, AT_FDCWD, "f", &how, sizeof how));
}

static struct { unsigned length; int type; char rest[128]; } handle = { 128 };
static int mount;

static long by_handle(bits flags)
{
    handle.length = 128;
    return S(name_to_handle_at, AT_FDCWD, "f", &handle, &mount, 0) ? -1
        : made(S(open_by_handle_at, AT_FDCWD, &handle, flags));
}

static long map(bits protection, bits flags)
{
    char *at = mmap(page + 65536, 4096, protection, flags, flags & MAP_ANONYMOUS ? -1 : file, 0);
    if (at == MAP_FAILED)
        return -1;
    munmap(at, 4096);
    mmap(page + 65536, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return 0;
}

static long remap(bits flags)
{
    char *from = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *to = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return S(mremap, from, 8192, 8192, MREMAP_MAYMOVE | flags, to) == -1 ? -1 : 0;
}

static long attach(bits flags)
{
    long at = S(shmat, segment, NULL, flags);
    if (at == -1)
        return -1;
    shmdt((void *)at);
    return 0;
}

/* Both numbers of a key: a fresh one, and one that is there. */
static long get_key(long number, bits flags)
{
    long id = syscall(number, 0x6b720000 + getpid() % 65536, 1, flags | 0600);
    if (number == SYS_msgget)
        id = syscall(number, 0x6b720000 + getpid() % 65536, flags | 0600);
    if (id < 0)
        return -1;
    number == SYS_shmget ? shmctl(id, IPC_RMID, NULL) : number == SYS_semget ? semctl(id, 0, IPC_RMID) : msgctl(id, IPC_RMID, NULL);
    return 0;
}

static long receive_message(bits flags)
{
    struct { long type; char text[8]; } message = { 1, "text" };
    msgsnd(queue, &message, 4, IPC_NOWAIT);
    long result = msgrcv(queue, &message, 8, 0, flags | IPC_NOWAIT);
    int error = errno;
    while (msgrcv(queue, &message, 8, 0, IPC_NOWAIT) >= 0)
        ;
    errno = error;
    return result < 0 ? -1 : 0;
}

static long send_message(bits flags)
{
    struct { long type; char text[8]; } message = { 1, "text" };
    long result = msgsnd(queue, &message, 4, flags);
    while (msgrcv(queue, &message, 8, 0, IPC_NOWAIT) >= 0)
        ;
    return result;
}

static long operate(bits flags)
{
    struct sembuf up = { 0, 1, flags };
    return semop(set, &up, 1);
}

static long watch(bits flags)
{
    int n = inotify_init();
    long result = S(inotify_add_watch, n, ".", flags);
    int error = errno;
    close(n);
    errno = error;
    return result < 0 ? -1 : 0;
}

static long interest(bits flags)
{
    struct epoll_event event = { .events = flags }, found;
    int e = epoll_create1(0);
    long result = epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event);
    int error = errno;
    if (!result && epoll_wait(e, &found, 1, 0) == 1)
        result = found.events;
    close(e);
    errno = error;
    return result;
}

static long ready(bits flags)
{
    struct pollfd f = { p[0], flags, 0 };
    return poll(&f, 1, 0) < 0 ? -1 : f.revents;
}

/* Linux forgets the bits that it does not know. */
static long action(bits flags)
{
    struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } given = { SIG_IGN, flags }, found;
    if (S(rt_sigaction, SIGUSR1, &given, NULL, 8))
        return -1;
    S(rt_sigaction, SIGUSR1, NULL, &found, 8);
    return found.flags;
}

static long stack(bits flags)
{
    stack_t given = { .ss_sp = room, .ss_size = sizeof room, .ss_flags = flags }, off = { .ss_flags = SS_DISABLE };
    long result = sigaltstack(&given, NULL);
    int error = errno;
    sigaltstack(&off, NULL);
    errno = error;
    return result;
}

static long vector_word(bits flags)
{
    struct { uint64_t value, address; uint32_t flags, reserved; } one = { 5, (uintptr_t)&word, flags, 0 };
    return S(futex_waitv, &one, 1, 0, NULL, 0);
}

static long request(bits flags, bits options)
{
    static aio_context_t context;
    struct iocb one = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = file, .aio_buf = (uintptr_t)room, .aio_nbytes = 1,
                        .aio_flags = flags, .aio_rw_flags = options, .aio_resfd = counter }, *all = &one;
    struct io_event done;
    if (!context)
        S(io_setup, 4, &context);
    long result = S(io_submit, context, 1L, &all);
    int error = errno;
    if (result == 1 && S(io_getevents, context, 1L, 1L, &done, NULL) == 1 && (long)done.res < 0)
        result = -1, error = -done.res;
    errno = error;
    return result < 0 ? -1 : 0;
}

static long attributes(bits flags)
{
    struct { unsigned size, policy; unsigned long flags; int nice, priority; unsigned long a, b, c; } given = { 48, 0, flags };
    long result = S(sched_setattr, 0, &given, 0);
    int error = errno;
    given.flags = 0;
    S(sched_setattr, 0, &given, 0);
    errno = error;
    return result;
}

/* A thread that ends at once. */
static long thread(bits flags)
{
    static int ids[2];
    char *stack = malloc(65536);
    register long tls __asm__("r8") = 0, child __asm__("r10") = (long)&ids[1];
    long result, base = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    S(arch_prctl, 0x1003, &result);
    tls = result;
    __asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; mov $60, %%eax; xor %%edi, %%edi; syscall; 1:"
                     : "=a"(result) : "a"(SYS_clone), "D"(base | flags), "S"(stack + 65520), "d"(&ids[0]), "r"(child), "r"(tls)
                     : "rcx", "r11", "memory");
    usleep(500);
    if (result > 0)
        return 0;
    errno = -result;
    return -1;
}

static long thread3(bits flags)
{
    struct { uint64_t flags, pidfd, child, parent, signal, stack, size, tls, set, count, group; } given = { 0 };
    int ids[2], pidfd;
    long result, base = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    S(arch_prctl, 0x1003, &given.tls);
    given.flags = base | flags;
    given.child = (uintptr_t)&ids[0];
    given.parent = (uintptr_t)&ids[1];
    given.pidfd = (uintptr_t)&pidfd;
    given.stack = (uintptr_t)malloc(65536);
    given.size = 65536 - 16;
    __asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; mov $60, %%eax; xor %%edi, %%edi; syscall; 1:"
                     : "=a"(result) : "a"(435), "D"(&given), "S"(88L) : "rcx", "r11", "memory");
    usleep(500);
    if (result > 0)
        return 0;
    errno = -result;
    return -1;
}

static long restrict_queue(bits flags)
{
    long result = made(S(mq_open, "krait-flags", flags | O_RDWR, 0600, NULL));
    int error = errno;
    S(mq_unlink, "krait-flags");
    errno = error;
    return result;
}

static long lock_all(bits flags)
{
    long result = S(mlockall, flags);
    munlockall();
    return result;
}

static long extended(long number, bits flags)
{
    removexattr("f", "user.new");
    long result = number == SYS_fsetxattr ? syscall(number, file, "user.new", "1", 1, flags) : syscall(number, "f", "user.new", "1", 1, flags);
    return result;
}

#define CALL(name, expression) static long do_##name(bits b) { return expression; }
CALL(fchownat, S(fchownat, AT_FDCWD, "f", -1, -1, b))
CALL(newfstatat, S(newfstatat, AT_FDCWD, "f", room, b))
CALL(utimensat, S(utimensat, AT_FDCWD, "f", times, b))
CALL(statx, S(statx, AT_FDCWD, "f", b, 0x7ff, room))
CALL(statx_mask, S(statx, AT_FDCWD, "f", 0, b, room))
CALL(faccessat2, S(faccessat2, AT_FDCWD, "f", R_OK, b))
CALL(fchmodat2, syscall(SYS_fchmodat2_, AT_FDCWD, "f", 0640, b))
CALL(access, S(access, "f", b))
CALL(dup3, made(S(dup3, file, 60, b)))
CALL(close_range, S(close_range, 60, 61, b))
CALL(unlinkat, S(unlinkat, AT_FDCWD, "g", b))
CALL(linkat, S(linkat, AT_FDCWD, "g", AT_FDCWD, "h", b))
CALL(renameat2, S(renameat2, AT_FDCWD, "g", AT_FDCWD, "h", b))
CALL(eventfd2, made(S(eventfd2, 1, b)))
CALL(epoll_create1, made(S(epoll_create1, b)))
CALL(pipe2, ({ int ends[2]; pair(S(pipe2, ends, b), ends); }))
CALL(futex_wait, S(futex, &word, b | FUTEX_WAIT, 5, NULL, NULL, 0))
CALL(futex_wake, S(futex, &word, b | FUTEX_WAKE, 5, NULL, NULL, 0))
CALL(futex_bits, S(futex, &word, b | FUTEX_WAIT_BITSET, 5, NULL, NULL, -1))
CALL(futex_lock, ({ word = 0; long r = S(futex, &word, b | FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0); word = 0; r; }))
CALL(futex_waitv, vector_word(b | 2))
CALL(futex_waitv_size, vector_word(b))
CALL(futex_waitv_flags, ({ struct { uint64_t v, a; uint32_t f, r; } one = { 5, (uintptr_t)&word, 2, 0 }; S(futex_waitv, &one, 1, b, NULL, 0); }))
CALL(fallocate, S(fallocate, file, b, 0, 4096))
CALL(fallocate_keep, S(fallocate, file, b | 1, 0, 4096))
CALL(preadv2, S(preadv2, file, &vector, 1, 0, 0, b))
CALL(pwritev2, S(pwritev2, file, &vector, 1, 0, 0, b))
CALL(pipe_preadv2, S(preadv2, p[0], &vector, 1, -1L, -1L, b))
CALL(msync, S(msync, page, 4096, b))
CALL(mlockall, lock_all(b))
CALL(mlock2, S(mlock2, page, 4096, b))
CALL(mremap, remap(b))
CALL(mmap_private, map(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | b))
CALL(mmap_shared, map(PROT_READ, MAP_SHARED | b))
CALL(mmap_validate, map(PROT_READ, 3 | b))
CALL(mmap_protection, map(b, MAP_PRIVATE | MAP_ANONYMOUS))
CALL(mprotect, ({ long r = S(mprotect, page + 65536, 4096, b); r; }))
CALL(open, made(S(open, "f", b, 0600)))
CALL(open_directory, made(S(open, ".", b | O_DIRECTORY, 0600)))
CALL(open_unnamed, made(S(open, ".", b | O_TMPFILE | O_RDWR, 0600)))
CALL(openat, made(S(openat, AT_FDCWD, "f", b, 0600)))
CALL(openat2, open_how(b))
CALL(name_to_handle_at, (handle.length = 128, S(name_to_handle_at, AT_FDCWD, "f", &handle, &mount, b)))
CALL(open_by_handle_at, by_handle(b))
CALL(openat2_resolve, resolve_how(b))
CALL(memfd_create, made(S(memfd_create, "x", b)))
CALL(getrandom, S(getrandom, room, 4, b))
CALL(sched_setattr, attributes(b))
CALL(clone, thread(b))
CALL(clone3, thread3(b))
CALL(clock_nanosleep, S(clock_nanosleep, CLOCK_MONOTONIC, b, &none, NULL))
CALL(timer_settime, S(timer_settime, timer, b, &never, NULL))
CALL(timerfd_create, made(S(timerfd_create, CLOCK_MONOTONIC, b)))
CALL(timerfd_settime, S(timerfd_settime, timer_file, b, &never, NULL))
CALL(signalfd4, made(S(signalfd4, -1, &no_signals, 8, b)))
CALL(sendto, S(sendto, s[0], "text", 4, b | MSG_DONTWAIT, NULL, 0))
CALL(recvfrom, S(recvfrom, s[0], room, 4, b | MSG_DONTWAIT, NULL, NULL))
CALL(sendmsg, S(sendmsg, s[0], &header, b | MSG_DONTWAIT))
CALL(recvmsg, S(recvmsg, s[0], &header, b | MSG_DONTWAIT))
CALL(recvmmsg, ({ many.msg_hdr = header; S(recvmmsg, s[0], &many, 1, b | MSG_DONTWAIT, NULL); }))
CALL(sendmmsg, ({ many.msg_hdr = header; S(sendmmsg, s[0], &many, 1, b | MSG_DONTWAIT); }))
CALL(umount2, S(umount2, "/nowhere", b))
CALL(mq_open, restrict_queue(b))
CALL(mq_open_new, restrict_queue(b | O_CREAT))
CALL(msgget, get_key(SYS_msgget, b))
CALL(msgget_new, get_key(SYS_msgget, b | IPC_CREAT))
CALL(msgsnd, send_message(b))
CALL(msgrcv, receive_message(b))
CALL(shmget, get_key(SYS_shmget, b))
CALL(shmget_new, get_key(SYS_shmget, b | IPC_CREAT))
CALL(shmat, attach(b))
CALL(semget, get_key(SYS_semget, b))
CALL(semget_new, get_key(SYS_semget, b | IPC_CREAT))
CALL(semop, operate(b))
CALL(socket, made(S(socket, AF_UNIX, SOCK_STREAM | b, 0)))
CALL(socketpair, ({ int ends[2]; pair(S(socketpair, AF_UNIX, SOCK_STREAM | b, 0, ends), ends); }))
CALL(accept4, accept_with(b))
CALL(splice, S(splice, p[0], NULL, q[1], NULL, 4, b))
CALL(tee, S(tee, p[0], q[1], 4, b))
CALL(vmsplice, S(vmsplice, q[1], &vector, 1, b))
CALL(copy_file_range, S(copy_file_range, file, NULL, other, NULL, 1, b))
CALL(sync_file_range, S(sync_file_range, file, 0, 0, b))
CALL(inotify_add_watch, watch(b))
CALL(inotify_add_watch_also, watch(b | IN_MODIFY))
CALL(inotify_init1, made(S(inotify_init1, b)))
CALL(setxattr, extended(SYS_setxattr, b))
CALL(lsetxattr, extended(SYS_lsetxattr, b))
CALL(fsetxattr, extended(SYS_fsetxattr, b))
CALL(epoll_ctl, interest(b))
CALL(poll, ready(b))
CALL(rt_sigaction, action(b))
CALL(sigaltstack, stack(b))
CALL(wait4, S(wait4, -1, NULL, b, NULL))
CALL(waitid, S(waitid, P_ALL, 0, room, b, NULL))
CALL(waitid_exited, S(waitid, P_ALL, 0, room, b | WEXITED, NULL))
CALL(io_submit, request(b, 0))
CALL(io_submit_options, request(0, b))
CALL(execveat, S(execveat, AT_FDCWD, "missing", NULL, NULL, b))
CALL(membarrier, ({ long r = S(membarrier, b, 0, 0); r > 0 ? 0 : r; }))
CALL(membarrier_flags, S(membarrier, 0x10, 1 << 30 | b, 0))
CALL(process_madvise, S(process_madvise, -1, &vector, 1, 20, b))
CALL(mq_notify, ({ struct sigevent e = { .sigev_notify = b }; S(mq_notify, -1, &e); }))
CALL(pidfd_open, made(S(pidfd_open, getpid(), b)))
CALL(pidfd_send_signal, ({ int f = S(pidfd_open, getpid(), 0); long r = S(pidfd_send_signal, f, 0, NULL, b); int e = errno; close(f); errno = e; r; }))
CALL(pidfd_getfd, ({ int f = S(pidfd_open, getpid(), 0); long r = made(S(pidfd_getfd, f, 1, b)); int e = errno; close(f); errno = e; r; }))
CALL(process_vm_readv, S(process_vm_readv, getpid(), &vector, 1L, &vector, 1L, b))
CALL(flock, S(flock, file, b))
CALL(fadvise64, S(fadvise64, file, 0, 0, b))
CALL(getpriority, S(getpriority, b, 0) < 0 ? -1 : 0)

static const struct { const char *name; long (*call)(bits); int count; } calls[] = {
#define ROW(name) { #name, do_##name, 32 }
    ROW(fchownat), ROW(newfstatat), ROW(utimensat), ROW(statx), ROW(statx_mask), ROW(faccessat2), ROW(fchmodat2),
    ROW(access), ROW(dup3), ROW(close_range), ROW(unlinkat), ROW(linkat), ROW(renameat2), ROW(eventfd2),
    ROW(epoll_create1), ROW(pipe2), ROW(futex_wait), ROW(futex_wake), ROW(futex_bits), ROW(futex_lock),
    ROW(futex_waitv), ROW(futex_waitv_size), ROW(futex_waitv_flags), ROW(fallocate), ROW(fallocate_keep),
    ROW(preadv2), ROW(pwritev2), ROW(pipe_preadv2), ROW(msync), ROW(mlockall), ROW(mlock2), ROW(mremap),
    ROW(mmap_private), ROW(mmap_shared), ROW(mmap_validate), ROW(mmap_protection), ROW(mprotect), ROW(open),
    ROW(name_to_handle_at), ROW(open_by_handle_at), ROW(open_directory), ROW(open_unnamed), ROW(openat), { "openat2", do_openat2, 64 },
    { "openat2_resolve", do_openat2_resolve, 64 }, ROW(memfd_create), ROW(getrandom),
    { "sched_setattr", do_sched_setattr, 64 }, ROW(clone), { "clone3", do_clone3, 64 }, ROW(clock_nanosleep),
    ROW(timer_settime), ROW(timerfd_create), ROW(timerfd_settime), ROW(signalfd4), ROW(sendto), ROW(recvfrom),
    ROW(sendmsg), ROW(recvmsg), ROW(recvmmsg), ROW(sendmmsg), ROW(umount2), ROW(mq_open), ROW(mq_open_new),
    ROW(msgget), ROW(msgget_new), ROW(msgsnd), ROW(msgrcv), ROW(shmget), ROW(shmget_new), ROW(shmat), ROW(semget),
    ROW(semget_new), { "semop", do_semop, 16 }, ROW(socket), ROW(socketpair), ROW(accept4), ROW(splice), ROW(tee),
    ROW(vmsplice), ROW(copy_file_range), ROW(sync_file_range), ROW(inotify_add_watch), ROW(inotify_add_watch_also),
    ROW(inotify_init1), ROW(setxattr), ROW(lsetxattr), ROW(fsetxattr), ROW(epoll_ctl), { "poll", do_poll, 15 },
    ROW(rt_sigaction), ROW(sigaltstack), ROW(wait4), ROW(waitid), ROW(waitid_exited), ROW(io_submit),
    ROW(io_submit_options), ROW(execveat), ROW(membarrier), ROW(membarrier_flags), ROW(process_madvise),
    ROW(mq_notify), ROW(pidfd_open), ROW(pidfd_send_signal), ROW(pidfd_getfd), ROW(process_vm_readv), ROW(flock), ROW(fadvise64), ROW(getpriority),
};

int main(void)
{
    char folder[] = "/dev/shm/krait-flags-XXXXXX";
    struct sigevent silent = { .sigev_notify = SIGEV_NONE };
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdtemp(folder);
    chdir(folder);
    file = open("f", O_RDWR | O_CREAT, 0644);
    other = open("other", O_RDWR | O_CREAT, 0644);
    write(file, room, sizeof room);
    page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pipe(p);
    pipe(q);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    counter = eventfd(0, 0);
    timer_create(CLOCK_MONOTONIC, &silent, &timer);
    timer_file = timerfd_create(CLOCK_REALTIME, 0);
    set = semget(IPC_PRIVATE, 1, 0600);
    queue = msgget(IPC_PRIVATE, 0600);
    segment = shmget(IPC_PRIVATE, 4096, 0700);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN);
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int bit = -1; bit < calls[i].count; bit++) {
            fresh();
            errno = 0;
            long result = calls[i].call(bit < 0 ? 0 : 1ul << bit);
            printf("%s %d: ", calls[i].name, bit);
            if (result < 0)
                puts(strerrorname_np(errno));
            else
                printf("%ld\n", result);
        }
    semctl(set, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, NULL);
    shmctl(segment, IPC_RMID, NULL);
    unlink("socket");
    unlink("f");
    unlink("g");
    unlink("h");
    unlink("other");
    chdir("/");
    rmdir(folder);
    return 0;
}
