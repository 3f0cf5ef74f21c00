/* Seldom used sides of calls that threads share: queues of sockets, seals, descriptors, nested epoll, signals. */
#include "show.h"
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

static volatile int hits, deepest, depth;
static atomic_int taken;

static void waiting_bytes(int kind)
{
    int s[2], count = -1;
    char text[100];
    socketpair(AF_UNIX, kind, 0, s);
    VALUE(ioctl(s[0], SIOCINQ, &count));
    printf("in %d\n", count);
    VALUE(ioctl(s[0], SIOCOUTQ, &count));
    printf("out %d\n", count);
    write(s[0], "12345", 5);
    write(s[0], "678", 3);
    VALUE(ioctl(s[1], SIOCINQ, &count));
    printf("in %d\n", count);
    VALUE(ioctl(s[0], SIOCOUTQ, &count));
    printf("out %d\n", count > 0);
    read(s[1], text, 100);
    read(s[1], text, kind == SOCK_STREAM ? 0 : 100);
    VALUE(ioctl(s[0], SIOCOUTQ, &count));
    printf("out %d\n", count);
    close(s[0]);
    close(s[1]);
}

static void seals(void)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    ftruncate(fd, 4096);
    char *before = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    VALUE(fcntl(fd, F_GET_SEALS));
    before[0] = 'x';
    VALUE(write(fd, "y", 1));
    VALUE(pwrite(fd, "y", 1, 0));
    VALUE(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    char *reading = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    printf("seen %c\n", reading[0]);
    VALUE(mprotect(reading, 4096, PROT_READ | PROT_WRITE));
    VALUE(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED);
    VALUE(ftruncate(fd, 8192));
    VALUE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    VALUE(ftruncate(fd, 4096));
    VALUE(ftruncate(fd, 16384));
    VALUE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    close(fd);
}

static void nested(void)
{
    int e[8], p[2];
    struct epoll_event event = { .events = EPOLLIN }, found;
    pipe(p);
    for (int i = 0; i < 8; i++)
        e[i] = epoll_create1(0);
    VALUE(epoll_ctl(e[0], EPOLL_CTL_ADD, e[0], &event));
    VALUE(epoll_ctl(e[0], EPOLL_CTL_ADD, e[1], &event));
    VALUE(epoll_ctl(e[1], EPOLL_CTL_ADD, e[0], &event));
    VALUE(epoll_ctl(e[1], EPOLL_CTL_ADD, e[2], &event));
    VALUE(epoll_ctl(e[2], EPOLL_CTL_ADD, e[0], &event));
    for (int i = 2; i < 7; i++) {
        long result = epoll_ctl(e[i], EPOLL_CTL_ADD, e[i + 1], &event);
        printf("level %d: %s\n", i, result ? strerrorname_np(errno) : "ok");
    }
    VALUE(epoll_ctl(e[2], EPOLL_CTL_ADD, p[0], &event));
    VALUE(epoll_wait(e[0], &found, 1, 0));
    write(p[1], "x", 1);
    VALUE(epoll_wait(e[0], &found, 1, 0));
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    VALUE(epoll_ctl(e[7], EPOLL_CTL_ADD, e[6], &event));
    event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    VALUE(epoll_ctl(e[7], EPOLL_CTL_ADD, p[0], &event));
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    VALUE(epoll_ctl(e[7], EPOLL_CTL_ADD, p[0], &event));
    VALUE(epoll_ctl(e[7], EPOLL_CTL_MOD, p[0], &event));
    VALUE(epoll_wait(e[7], &found, 1, 0));
    for (int i = 0; i < 8; i++)
        close(e[i]);
}

static void tables(void)
{
    int fd = open("/dev/null", O_RDONLY), more = fcntl(fd, F_DUPFD, 100);
    VALUE(syscall(SYS_close_range, 100, 200, CLOSE_RANGE_CLOEXEC));
    VALUE(fcntl(more, F_GETFD));
    VALUE(syscall(SYS_close_range, 200, 100, 0));
    VALUE(syscall(SYS_close_range, 100, ~0u, 8));
    VALUE(syscall(SYS_close_range, 100, ~0u, 0));
    VALUE(fcntl(more, F_GETFD));
    VALUE(syscall(SYS_close_range, fd, fd, CLOSE_RANGE_UNSHARE));
    VALUE(fcntl(fd, F_GETFD));
}

static void again(int signo)
{
    hits++;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (hits < 3)
        raise(SIGUSR1);
    depth--;
}

static void handlers(void)
{
    struct sigaction action = { .sa_handler = again };
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("deferred %d %d\n", hits, deepest);
    hits = deepest = 0;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("not deferred %d %d\n", hits, deepest);
    hits = deepest = 0;
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("in the mask %d %d\n", hits, deepest);
    hits = 9;
    action.sa_flags = SA_RESETHAND | SA_NODEFER;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    printf("once %d %d\n", hits, action.sa_handler == SIG_DFL);
}

static void *read_signals(void *argument)
{
    struct signalfd_siginfo info;
    while (read((long)argument, &info, sizeof info) == sizeof info && info.ssi_int != 99)
        taken += info.ssi_int;
    return NULL;
}

static void readers(void)
{
    pthread_t threads[3];
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    long fd = signalfd(-1, &set, 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, read_signals, (void *)fd);
    for (int i = 1; i <= 30; i++)
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i });
    for (int i = 0; i < 3; i++)
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 99 });
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("taken once each %d\n", taken);
}

static struct { struct robust_list list; atomic_uint word; } locks[3];
static struct robust_list_head head;

static void *die(void *how)
{
    head.list.next = &locks[0].list;
    locks[0].list.next = &locks[1].list;
    locks[1].list.next = &head.list;
    head.futex_offset = (char *)&locks[0].word - (char *)&locks[0];
    head.list_op_pending = &locks[2].list;
    VALUE(syscall(SYS_set_robust_list, &head, 23));
    VALUE(syscall(SYS_set_robust_list, &head, sizeof head));
    locks[0].word = syscall(SYS_gettid) | FUTEX_WAITERS;
    locks[1].word = 12345;
    locks[2].word = syscall(SYS_gettid);
    if (how)
        usleep(30000);
    syscall(SYS_exit, 0);
    return NULL;
}

/* The word before the page is a lock of the list, whose link lies in the page. */
static void *die_with_unreadable_link(void *page)
{
    static struct robust_list_head list;
    list.list.next = page;
    list.futex_offset = -4;
    *(atomic_uint *)((char *)page - 4) = syscall(SYS_gettid);
    syscall(SYS_set_robust_list, &list, sizeof list);
    return NULL;
}

static void robust(void)
{
    for (long how = 0; how < 2; how++) {
        pthread_t thread;
        pthread_create(&thread, NULL, die, (void *)how);
        if (how) {
            while (!locks[2].word)
                usleep(100);
            VALUE(syscall(SYS_futex, &locks[0].word, FUTEX_WAIT, (unsigned)locks[0].word, &(struct timespec){ 5, 0 }, NULL, 0));
        }
        for (int i = 0; i < 1000 && !(locks[2].word & FUTEX_OWNER_DIED); i++)
            usleep(1000);
        printf("died %x, other's %d, pending %x\n", locks[0].word & ~FUTEX_TID_MASK, locks[1].word, locks[2].word & ~FUTEX_TID_MASK);
        locks[0].word = locks[2].word = 0;
    }
    pthread_t thread;
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_NONE);
    pthread_create(&thread, NULL, die_with_unreadable_link, page + 4096);
    pthread_join(thread, NULL);
    for (int i = 0; i < 1000 && !(*(atomic_uint *)(page + 4092) & FUTEX_OWNER_DIED); i++)
        usleep(1000);
    printf("unreadable link %x\n", *(atomic_uint *)(page + 4092) & ~FUTEX_TID_MASK);
    void *mine;
    size_t size = 0;
    VALUE(syscall(SYS_get_robust_list, getpid(), &mine, &size));
    printf("size %ld\n", (long)size);
    VALUE(syscall(SYS_get_robust_list, 999999, &mine, &size));
}

static void without_waiting(void)
{
    int p[2];
    char text[8];
    struct iovec vector = { text, 8 };
    pipe(p);
    VALUE(preadv2(p[0], &vector, 1, -1, RWF_NOWAIT));
    write(p[1], "abc", 3);
    VALUE(preadv2(p[0], &vector, 1, -1, RWF_NOWAIT));
    VALUE(preadv2(p[0], &vector, 1, 0, RWF_NOWAIT));
    int fd = memfd_create("x", 0);
    vector.iov_len = 3;
    VALUE(pwritev2(fd, &vector, 1, 0, 0));
    VALUE(pwritev2(fd, &vector, 1, 0, RWF_APPEND));
    VALUE(pwritev2(fd, &vector, 1, -1, RWF_APPEND | RWF_DSYNC));
    VALUE(lseek(fd, 0, SEEK_CUR));
    VALUE(lseek(fd, 0, SEEK_END));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    waiting_bytes(SOCK_STREAM);
    waiting_bytes(SOCK_DGRAM);
    seals();
    nested();
    tables();
    handlers();
    readers();
    robust();
    without_waiting();
    return 0;
}
