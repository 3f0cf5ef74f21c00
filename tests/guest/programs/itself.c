/* A process that uses on itself what is made for looking into others. */
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

static volatile int hits, code, value;
static char text[20000], other[20000];

static void on_signal(int signo, siginfo_t *info, void *context)
{
    hits++;
    code = info->si_code;
    value = info->si_value.sival_int;
}

static long move(int writing, struct iovec *local, long local_count, struct iovec *remote, long remote_count, long flags)
{
    return syscall(writing ? SYS_process_vm_writev : SYS_process_vm_readv, getpid(), local, local_count, remote, remote_count, flags);
}

static void memory(void)
{
    for (int i = 0; i < sizeof text; i++)
        text[i] = i * 7;
    char *hole = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole + 8192, 4096);
    struct iovec whole = { text, sizeof text }, into = { other, sizeof other };
    struct iovec parts[] = { { text, 10 }, { NULL, 0 }, { text + 100, 5000 }, { text + 5, 3 } };
    struct iovec pieces[] = { { other, 7 }, { other + 7, 5006 } };
    VALUE(move(0, &into, 1, &whole, 1, 0));
    printf("same %d\n", !memcmp(text, other, sizeof text));
    memset(other, 0, sizeof other);
    VALUE(move(0, pieces, 2, parts, 4, 0));
    printf("same %d %d %d\n", !memcmp(other, text, 10), !memcmp(other + 10, text + 100, 5000), !memcmp(other + 5010, text + 5, 3));
    VALUE(move(1, parts, 1, pieces, 1, 0));
    struct iovec edge = { hole + 8190, 10 }, null = { (void *)8, 4 };
    VALUE(move(0, &into, 1, &null, 1, 0));
    VALUE(move(0, &null, 1, &whole, 1, 0));
    VALUE(move(0, &into, 1, (void *)8, 1, 0));
    VALUE(move(0, (void *)8, 1, &whole, 1, 0));
    VALUE(move(0, &into, 0, &whole, 1, 0));
    VALUE(move(0, &into, 1, &whole, 0, 0));
    VALUE(move(0, &into, 1, &whole, 1, 1));
    VALUE(move(0, &into, 1, &whole, 1025, 0));
    VALUE(move(0, &into, 1025, &whole, 1, 0));
    VALUE(syscall(SYS_process_vm_readv, 999999, &into, 1L, &whole, 1L, 0L));
    VALUE(syscall(SYS_process_vm_readv, -1, &into, 1L, &whole, 1L, 0L));
    mprotect(hole, 4096, PROT_READ);
    struct iovec constant = { hole, 100 };
    VALUE(move(1, &into, 1, &constant, 1, 0));
    VALUE(move(0, &constant, 1, &whole, 1, 0));
    VALUE(move(0, &into, 1, &edge, 1, 0) > 0);
}

static void *wait_here(void *lock)
{
    *(int *)lock = syscall(SYS_gettid);
    pause();
    return NULL;
}

static void comparing(int tid)
{
    int a = dup(1), b = open("/dev/null", O_RDONLY);
    VALUE(syscall(SYS_kcmp, getpid(), getpid(), 0, 1L, (long)a));
    printf("others %d\n", syscall(SYS_kcmp, getpid(), getpid(), 0, 1L, (long)b) > 0);
    VALUE(syscall(SYS_kcmp, getpid(), getpid(), 0, 1L, 99L));
    for (int kind = 1; kind < 7; kind++)
        VALUE(syscall(SYS_kcmp, getpid(), tid, kind, 0L, 0L));
    VALUE(syscall(SYS_kcmp, getpid(), tid, 8, 0L, 0L));
    VALUE(syscall(SYS_kcmp, 999999, tid, 1, 0L, 0L));
    VALUE(syscall(SYS_kcmp, getpid(), -1, 1, 0L, 0L));
}

static void descriptors(int tid)
{
    char name[64], link[64] = "", line[512];
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    SHOW(self);
    VALUE(fcntl(self, F_GETFD));
    VALUE(fcntl(self, F_GETFL) & O_NONBLOCK);
    int other = syscall(SYS_pidfd_open, getpid(), O_NONBLOCK);
    VALUE(fcntl(other, F_GETFL) & O_NONBLOCK);
    VALUE(syscall(SYS_pidfd_open, 999999, 0));
    VALUE(syscall(SYS_pidfd_open, 0, 0));
    VALUE(syscall(SYS_pidfd_open, -5, 0));
    VALUE(syscall(SYS_pidfd_open, getpid(), 1));
    struct pollfd f = { self, POLLIN | POLLOUT, 0 };
    VALUE(poll(&f, 1, 0));
    VALUE(read(self, line, 8));
    VALUE(write(self, line, 8));
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    sigaction(SIGUSR1, &action, NULL);
    VALUE(syscall(SYS_pidfd_send_signal, self, SIGUSR1, NULL, 0));
    printf("hits %d code %d\n", hits, code);
    siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
    info.si_value.sival_int = 77;
    VALUE(syscall(SYS_pidfd_send_signal, self, SIGUSR1, &info, 0));
    printf("hits %d code %d value %d\n", hits, code, value);
    VALUE(syscall(SYS_pidfd_send_signal, self, SIGUSR2, &info, 0));
    VALUE(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0));
    VALUE(syscall(SYS_pidfd_send_signal, self, 99, NULL, 0));
    VALUE(syscall(SYS_pidfd_send_signal, self, SIGUSR1, NULL, 1 << 20));
    VALUE(syscall(SYS_pidfd_send_signal, 1, SIGUSR1, NULL, 0));
    VALUE(syscall(SYS_pidfd_send_signal, 99, SIGUSR1, NULL, 0));
    snprintf(name, sizeof name, "/proc/%d", getpid());
    snprintf(link, sizeof link, "/proc/self/task/%d", tid);
    int folder = open(name, O_DIRECTORY), path = open(name, O_PATH);
    int thread = open(link, O_DIRECTORY), text = open("/proc/self/stat", O_RDONLY);
    VALUE(syscall(SYS_pidfd_send_signal, folder, SIGUSR1, NULL, 0));
    printf("hits %d code %d\n", hits, code);
    VALUE(syscall(SYS_pidfd_send_signal, path, SIGUSR1, NULL, 0));
    VALUE(syscall(SYS_pidfd_send_signal, thread, SIGUSR1, NULL, 0));
    VALUE(syscall(SYS_pidfd_send_signal, text, SIGUSR1, NULL, 0));
    VALUE(syscall(SYS_pidfd_getfd, folder, 1, 0));
    int p[2];
    pipe(p);
    int again = syscall(SYS_pidfd_getfd, self, p[1], 0);
    SHOW(again);
    VALUE(fcntl(again, F_GETFD));
    VALUE(write(again, "x", 1));
    VALUE(read(p[0], line, 5));
    VALUE(syscall(SYS_pidfd_getfd, self, 99, 0));
    VALUE(syscall(SYS_pidfd_getfd, self, p[0], 1));
    VALUE(syscall(SYS_pidfd_getfd, p[0], p[0], 0));
    close(self);
    close(other);
}

int main(void)
{
    pthread_t thread;
    volatile int tid = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_create(&thread, NULL, wait_here, (void *)&tid);
    while (!tid)
        usleep(1000);
    memory();
    comparing(tid);
    descriptors(tid);
    return 0;
}
