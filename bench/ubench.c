/*
 * ubench - a small operating-system micro-benchmark, one static Linux binary.
 *
 * It uses nothing but POSIX, futex(2) and memfd_create(2), so that the same
 * binary runs on Linux, on a unikernel that speaks the Linux system calls, and
 * on the host. A test whose system call is missing says so and is skipped.
 *
 *   gcc -O2 -static -pthread -o ubench ubench.c
 *   ubench [-t ms] [-r rounds] [-m memory-dir] [-d disk-dir] [test ...]
 *
 *   -t  how long one round must last at the least, in milliseconds (100)
 *   -r  rounds; the median and the least of them are printed (5)
 *   -m  where the memory-backed file tests write (/tmp), "none" skips them
 *   -d  where the disk-backed file tests write (none)
 *   -l  also say when each test starts, with the guest's clock (a check that
 *       the guest's clock runs at the speed of the host's)
 *
 * Output, one line a test:   UB <test> <median ns/op> <least ns/op> <ops a round>
 * then "UB-END <guest seconds in all>".
 *
 * How a test is timed: it is called with a growing count n until a round takes
 * at least -t; that calibration also serves as warm-up. CLOCK_MONOTONIC is read
 * once before and once after a round, so the cost of reading it is nothing in
 * the figure. Ping-pong tests count one op as one round trip: two switches.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double round_ms = 100;
static int rounds = 5;
static const char *memdir = "/tmp", *diskdir = NULL;
static int loud;
static char why[128];              /* why the running test gave up, "" if it did not */

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

#define FAIL(what) do { snprintf(why, sizeof why, "%s: %s", what, strerror(errno)); return; } while (0)

/* A test does n operations. Whatever it must prepare or tidy up it does outside
 * of start()..stop(). */
static uint64_t t_start, t_span;
static inline void start(void) { t_start = now(); }
static inline void stop(void) { t_span = now() - t_start; }

/* ---- system calls and clocks ------------------------------------------ */

static void t_getpid(long n)
{
    start();
    while (n--) syscall(SYS_getpid);
    stop();
}

static void t_clock_vdso(long n)        /* as libc does it: the vDSO where there is one */
{
    struct timespec t;
    start();
    while (n--) clock_gettime(CLOCK_MONOTONIC, &t);
    stop();
}

static void t_clock_sys(long n)         /* the system call itself */
{
    struct timespec t;
    start();
    while (n--) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    stop();
}

static void t_loop(long n)              /* no kernel in it: how fast user code runs at all */
{
    volatile uint64_t x = 0;
    start();
    while (n--) for (int i = 0; i < 100; i++) x = x * 6364136223846793005ull + 1;
    stop();
}

static void t_yield(long n)
{
    start();
    while (n--) sched_yield();
    stop();
}

/* ---- threads ------------------------------------------------------------ */

static _Atomic int turn;                /* whose turn it is, 0 or 1 */
static void fwait(int v) { syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, v, NULL, NULL, 0); }
static void fwake(void) { syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

static void *futex_peer(void *p)
{
    for (long n = (long)p; n--; ) {
        while (turn == 0) fwait(0);
        turn = 0;
        fwake();
    }
    return NULL;
}

static void t_futex(long n)             /* two threads wake one another in turn */
{
    pthread_t th;
    turn = 0;
    if ((errno = pthread_create(&th, NULL, futex_peer, (void *)n))) FAIL("pthread_create");
    start();
    while (n--) {
        turn = 1;
        fwake();
        while (turn == 1) fwait(1);
    }
    stop();
    pthread_join(th, NULL);
}

static void *nothing(void *p) { return p; }

static void t_thread(long n)            /* create and join a thread */
{
    pthread_t th;
    start();
    while (n--) {
        if ((errno = pthread_create(&th, NULL, nothing, NULL))) FAIL("pthread_create");
        pthread_join(th, NULL);
    }
    stop();
}

/* ping-pong of one byte over any two file descriptor pairs */
struct pp { int rd, wr; long n; };

static void *pp_peer(void *p)
{
    struct pp *a = p;
    char c;
    for (long n = a->n; n--; )
        if (read(a->rd, &c, 1) != 1 || write(a->wr, &c, 1) != 1) break;
    return NULL;
}

static void pingpong(long n, int rd, int wr, int prd, int pwr)
{
    struct pp a = { prd, pwr, n };
    pthread_t th;
    char c = 'x';
    if ((errno = pthread_create(&th, NULL, pp_peer, &a))) FAIL("pthread_create");
    start();
    while (n--) {
        if (write(wr, &c, 1) != 1) FAIL("write");
        if (read(rd, &c, 1) != 1) FAIL("read");
    }
    stop();
    pthread_join(th, NULL);
}

static void t_pipe(long n)
{
    int a[2], b[2];
    if (pipe(a) || pipe(b)) FAIL("pipe");
    pingpong(n, b[0], a[1], a[0], b[1]);
    close(a[0]); close(a[1]); close(b[0]); close(b[1]);
}

static void t_unix(long n)
{
    int s[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s)) FAIL("socketpair");
    pingpong(n, s[0], s[0], s[1], s[1]);
    close(s[0]); close(s[1]);
}

static void t_tcp(long n)               /* over the loopback interface */
{
    int l = socket(AF_INET, SOCK_STREAM, 0), c, s, one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t al = sizeof a;
    if (l < 0) FAIL("socket");
    if (bind(l, (void *)&a, sizeof a) || listen(l, 1) || getsockname(l, (void *)&a, &al)) FAIL("listen");
    c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (void *)&a, sizeof a)) FAIL("connect");
    if ((s = accept(l, NULL, NULL)) < 0) FAIL("accept");
    setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pingpong(n, c, c, s, s);
    close(c); close(s); close(l);
}

static void t_epoll(long n)             /* epoll_wait on 1 ready eventfd among 64 */
{
    int ep = epoll_create1(0), fd[64];
    struct epoll_event e = { .events = EPOLLIN }, got[64];
    uint64_t one = 1;
    if (ep < 0) FAIL("epoll_create1");
    for (int i = 0; i < 64; i++) {
        if ((fd[i] = eventfd(0, 0)) < 0) FAIL("eventfd");
        e.data.fd = fd[i];
        epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
    }
    if (write(fd[7], &one, 8) != 8) FAIL("write");
    start();
    while (n--) if (epoll_wait(ep, got, 64, -1) != 1) FAIL("epoll_wait");
    stop();
    for (int i = 0; i < 64; i++) close(fd[i]);
    close(ep);
}

static volatile sig_atomic_t hits;
static void on_sig(int s) { (void)s; hits++; }

/* ---- events and timers ----------------------------------------------------- */

static int there, back;                 /* two eventfds */

static void *eventfd_peer(void *p)
{
    uint64_t one = 1;
    for (long n = (long)p; n--; ) {
        if (read(there, &one, 8) != 8 || write(back, &one, 8) != 8) break;
    }
    return NULL;
}

static void t_eventfd(long n)           /* one op: there and back, two switches */
{
    uint64_t one = 1;
    pthread_t peer;
    there = eventfd(0, 0);
    back = eventfd(0, 0);
    if (there < 0 || back < 0) FAIL("eventfd");
    if (pthread_create(&peer, NULL, eventfd_peer, (void *)n)) FAIL("pthread_create");
    start();
    while (n--) if (write(there, &one, 8) != 8 || read(back, &one, 8) != 8) FAIL("eventfd");
    stop();
    pthread_join(peer, NULL);
    close(there);
    close(back);
}

/* Sleep to a point in time, 100 us ahead; one op is what passes between that point and the
 * program's next instruction: the interrupt, the wake-up, the switch from idle. */
static void t_timer(long n)
{
    uint64_t late = 0;
    prctl(PR_SET_TIMERSLACK, 1);
    while (n--) {
        uint64_t at = now() + 100000;
        struct timespec t = { at / 1000000000, at % 1000000000 };
        if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) FAIL("clock_nanosleep");
        late += now() - at;
    }
    t_span = late;
}

static void t_signal(long n)            /* a signal to oneself: delivery and return */
{
    struct sigaction sa = { .sa_handler = on_sig };
    sigaction(SIGUSR1, &sa, NULL);
    long tid = syscall(SYS_gettid), pid = getpid(), want = n;
    hits = 0;
    start();
    while (n--) syscall(SYS_tgkill, pid, tid, SIGUSR1);
    stop();
    if (hits != want) { errno = EINTR; FAIL("signals lost"); }
}

/* ---- memory --------------------------------------------------------------- */

static void t_fault(long n)             /* anonymous mapping, first touch; one op = one page */
{
    const long per = 4096;              /* 16 MiB at a time */
    uint64_t sum = 0;
    for (long left = n; left > 0; left -= per) {
        long k = left < per ? left : per;
        uint64_t s = now();
        char *p = mmap(NULL, k * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) FAIL("mmap");
        madvise(p, k * 4096, MADV_NOHUGEPAGE);  /* may be unknown: no matter */
        for (long i = 0; i < k; i++) p[i * 4096] = 1;
        if (munmap(p, k * 4096)) FAIL("munmap");
        sum += now() - s;
    }
    t_span = sum;
}

static void t_fault_2m(long n)          /* 2 MiB, every page of them written; one op = all of it */
{
    const long per = 16, size = 2 << 20;
    uint64_t sum = 0;
    for (long left = n; left > 0; left -= per) {
        long k = left < per ? left : per;
        char *p = mmap(NULL, (k + 1) * size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) FAIL("mmap");
        char *aligned = (char *)(((uintptr_t)p + size - 1) & -size);
        madvise(aligned, k * size, MADV_HUGEPAGE);
        uint64_t s = now();
        for (long i = 0; i < k * size; i += 4096) aligned[i] = 1;
        sum += now() - s;
        if (munmap(p, (k + 1) * size)) FAIL("munmap");
    }
    t_span = sum;
}

static void t_mmap(long n)              /* map 4 KiB, touch it, unmap it */
{
    start();
    while (n--) {
        char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) FAIL("mmap");
        *p = 1;
        munmap(p, 4096);
    }
    stop();
}

/* malloc(1 MiB), write its first byte, free. "mmap" keeps glibc's threshold at
 * 128 KiB, so every round is a mmap and a munmap; "heap" keeps it in the heap,
 * which glibc settles into by itself after the first free. */
static void malloc1m(long n)
{
    start();
    while (n--) {
        volatile char *p = malloc(1 << 20);
        if (!p) FAIL("malloc");
        *p = 1;
        free((void *)p);
    }
    stop();
}
static void t_malloc_mmap(long n) { mallopt(M_MMAP_THRESHOLD, 128 << 10); malloc1m(n); }
static void t_malloc_heap(long n)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    malloc1m(n);
}

static void t_memcpy(long n)            /* 1 MiB to 1 MiB, all of it resident: user code */
{
    static char a[1 << 20], b[1 << 20];
    memset(a, 1, sizeof a); memset(b, 2, sizeof b);
    start();
    while (n--) { memcpy(a, b, sizeof a); __asm__ volatile("" ::: "memory"); }
    stop();
}

/* ---- files ------------------------------------------------------------------ */

static char page[4096];

static void write_fd(long n, int fd, int sync)
{
    start();                            /* go round and round in 1 MiB: the file does not grow */
    for (long i = 0; i < n; i++) {
        if (i % 256 == 0) lseek(fd, 0, SEEK_SET);
        if (write(fd, page, sizeof page) != sizeof page) FAIL("write");
        if (sync && fsync(fd)) FAIL("fsync");
    }
    stop();
}

static int file(const char *dir, const char *name, int flags)
{
    char p[256];
    snprintf(p, sizeof p, "%s/%s", dir, name);
    return open(p, flags, 0644);
}

static void write_dir(long n, const char *dir, int sync)
{
    int fd = file(dir, "ub.dat", O_RDWR | O_CREAT);
    if (fd < 0) FAIL("open");
    write_fd(n, fd, sync);
    close(fd);
}

static void t_write_mem(long n) { write_dir(n, memdir, 0); }
static void t_write_disk(long n) { write_dir(n, diskdir, 0); }      /* page cache */
static void t_fsync_disk(long n) { write_dir(n, diskdir, 1); }

static void t_write_memfd(long n)
{
    int fd = syscall(SYS_memfd_create, "ub", 0);
    if (fd < 0) FAIL("memfd_create");
    write_fd(n, fd, 0);
    close(fd);
}

static void read_dir(long n, const char *dir)   /* 4 KiB reads, all cached */
{
    char b[4096];
    int fd = file(dir, "ub.dat", O_RDWR | O_CREAT);
    if (fd < 0) FAIL("open");
    for (int i = 0; i < 256; i++) if (write(fd, page, sizeof page) < 0) FAIL("write");
    start();
    for (long i = 0; i < n; i++) {
        if (i % 256 == 0) lseek(fd, 0, SEEK_SET);
        if (read(fd, b, sizeof b) != sizeof b) FAIL("read");
    }
    stop();
    close(fd);
}
static void t_read_mem(long n) { read_dir(n, memdir); }
static void t_read_disk(long n) { read_dir(n, diskdir); }

static void open_dir(long n, const char *dir)
{
    char p[256];
    int fd = file(dir, "ub.dat", O_RDWR | O_CREAT);
    if (fd < 0) FAIL("open");
    close(fd);
    snprintf(p, sizeof p, "%s/ub.dat", dir);
    start();
    while (n--) {
        if ((fd = open(p, O_RDONLY)) < 0) FAIL("open");
        close(fd);
    }
    stop();
}
static void t_open_mem(long n) { open_dir(n, memdir); }
static void t_open_disk(long n) { open_dir(n, diskdir); }

static void stat_dir(long n, const char *dir)
{
    char p[256];
    struct stat st;
    int fd = file(dir, "ub.dat", O_RDWR | O_CREAT);
    if (fd < 0) FAIL("open");
    close(fd);
    snprintf(p, sizeof p, "%s/ub.dat", dir);
    start();
    while (n--) if (stat(p, &st)) FAIL("stat");
    stop();
}
static void t_stat_mem(long n) { stat_dir(n, memdir); }
static void t_stat_disk(long n) { stat_dir(n, diskdir); }

static void create_dir(long n, const char *dir)  /* create an empty file and unlink it */
{
    char p[256];
    snprintf(p, sizeof p, "%s/ub.new", dir);
    start();
    while (n--) {
        int fd = open(p, O_RDWR | O_CREAT | O_EXCL, 0644);
        if (fd < 0) FAIL("open");
        close(fd);
        if (unlink(p)) FAIL("unlink");
    }
    stop();
}
static void t_create_mem(long n) { create_dir(n, memdir); }
static void t_create_disk(long n) { create_dir(n, diskdir); }

/* ---- the list ---------------------------------------------------------------- */

static const struct test { const char *name; void (*fn)(long); const char **dir; long most; } tests[] = {
    { "loop100", t_loop }, { "memcpy_1m", t_memcpy },
    { "getpid", t_getpid }, { "clock_vdso", t_clock_vdso }, { "clock_syscall", t_clock_sys },
    { "yield", t_yield }, { "futex_pingpong", t_futex }, { "pipe_pingpong", t_pipe },
    { "unix_pingpong", t_unix }, { "tcp_pingpong", t_tcp }, { "thread_create", t_thread },
    { "epoll_wait_64", t_epoll }, { "signal_self", t_signal },
    { "eventfd_pingpong", t_eventfd }, { "timer_wakeup", t_timer, NULL, 2000 },
    { "fault_2m", t_fault_2m },
    { "mmap_fault_page", t_fault }, { "mmap_4k", t_mmap },
    { "malloc_1m_mmap", t_malloc_mmap }, { "malloc_1m_heap", t_malloc_heap },
    { "memfd_write_4k", t_write_memfd },
    { "mem_write_4k", t_write_mem, &memdir }, { "mem_read_4k", t_read_mem, &memdir },
    { "mem_open_close", t_open_mem, &memdir }, { "mem_stat", t_stat_mem, &memdir },
    { "mem_create_unlink", t_create_mem, &memdir },
    { "disk_write_4k", t_write_disk, &diskdir }, { "disk_read_4k", t_read_disk, &diskdir },
    { "disk_open_close", t_open_disk, &diskdir }, { "disk_stat", t_stat_disk, &diskdir },
    { "disk_create_unlink", t_create_disk, &diskdir, 20000 },
    { "disk_write_4k_fsync", t_fsync_disk, &diskdir, 5000 },
};

static int cmp(const void *a, const void *b)
{
    double x = *(double *)a, y = *(double *)b;
    return x < y ? -1 : x > y;
}

static void run(const struct test *t)
{
    double ns[64];
    long n = 1;
    why[0] = 0;
    if (t->dir && !*t->dir) return;
    if (loud) { printf("# %.3f %s\n", now() / 1e9, t->name); fflush(stdout); }
    for (;;) {                          /* calibrate */
        t_span = 0;
        t->fn(n);
        if (why[0] || t_span >= round_ms * 1e6 || (t->most && n >= t->most)) break;
        double f = t_span ? round_ms * 1.2e6 / t_span : 100;
        n = n * (f > 100 ? 100 : f < 1.5 ? 1.5 : f) + 1;
        if (t->most && n > t->most) n = t->most;
    }
    for (int r = 0; r < rounds && !why[0]; r++) {
        t->fn(n);
        ns[r] = (double)t_span / n;
    }
    if (why[0]) printf("UB %s - - 0 (%s)\n", t->name, why);
    else {
        qsort(ns, rounds, sizeof *ns, cmp);
        printf("UB %s %.1f %.1f %ld\n", t->name, ns[rounds / 2], ns[0], n);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int o;
    while ((o = getopt(argc, argv, "t:r:m:d:l")) != -1)
        switch (o) {
        case 't': round_ms = atof(optarg); break;
        case 'r': rounds = atoi(optarg); break;
        case 'm': memdir = strcmp(optarg, "none") ? optarg : NULL; break;
        case 'd': diskdir = strcmp(optarg, "none") ? optarg : NULL; break;
        case 'l': loud = 1; break;
        default: return 2;
        }
    if (rounds < 1 || rounds > 64) rounds = 5;
    memset(page, 'u', sizeof page);
    uint64_t t0 = now();
    printf("UB-START\n");
    fflush(stdout);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        int want = optind >= argc;
        for (int j = optind; j < argc; j++) if (!strcmp(argv[j], tests[i].name)) want = 1;
        if (want) run(&tests[i]);
    }
    printf("UB-END %.3f\n", (now() - t0) / 1e9);
    fflush(stdout);
    return 0;
}
