/* Uses up what the first argument names, and says how that ended. */
#include "show.h"
#include <mqueue.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

static void limit(int what, rlim_t soft)
{
    struct rlimit wanted = { soft, soft };
    if (setrlimit(what, &wanted))
        puts("no limit");
}

static volatile int going = 1, hits;
static void hit(int signo) { hits++; }

static void *wait_on(void *argument)
{
    while (going)
        usleep(10000);
    return NULL;
}

static void *sleep_on(void *argument)
{
    pause();
    return NULL;
}

static void descriptors(void)
{
    int ends[2], last = -1;
    limit(RLIMIT_NOFILE, 64);
    for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;)
        last = fd;
    printf("last %d %s\n", last, strerrorname_np(errno));
    VALUE(pipe(ends));
    VALUE(socket(AF_UNIX, SOCK_STREAM, 0));
    VALUE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    VALUE(epoll_create1(0));
    VALUE(eventfd(0, 0));
    VALUE(timerfd_create(CLOCK_MONOTONIC, 0));
    VALUE(dup(0));
    VALUE(dup2(0, 64));
    VALUE(fcntl(0, F_DUPFD, 64));
    VALUE(fcntl(0, F_DUPFD, 10));
    VALUE(memfd_create("x", 0));
    VALUE(open("/tmp", O_TMPFILE | O_RDWR, 0600));
    struct pollfd many[65] = { 0 };
    VALUE(poll(many, 65, 0));
    close(last);
    VALUE(open("/dev/null", O_RDONLY));
}

static void threads(void)
{
    pthread_t last;
    pthread_attr_t attributes;
    int count = 0, error;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    limit(RLIMIT_AS, 400 << 20);
    while (!(error = pthread_create(&last, &attributes, wait_on, NULL)))
        count++;
    printf("some %d, %s\n", count > 10 && count < 60, strerrorname_np(error));
    going = 0;
    usleep(300000);
    going = 1;
    printf("again %d\n", pthread_create(&last, &attributes, wait_on, NULL));
}

static void processes(void)
{
    pthread_t last;
    int error = 0;
    limit(RLIMIT_NPROC, 1);
    if (setgid(65534) || setuid(65534))
        puts("no other user");
    for (int i = 0; i < 5 && !error; i++)
        error = pthread_create(&last, NULL, wait_on, NULL);
    printf("%s\n", strerrorname_np(error));
}

static void address_space(void)
{
    limit(RLIMIT_AS, 100 << 20);
    void *large = mmap(NULL, 200 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("mmap %s\n", large == MAP_FAILED ? strerrorname_np(errno) : "works");
    printf("malloc %s\n", malloc(200 << 20) ? "works" : strerrorname_np(errno));
    int blocks = 0;
    while (malloc(1 << 20))
        blocks++;
    printf("blocks %d %s\n", blocks > 80 && blocks < 100, strerrorname_np(errno));
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED)
        page = mremap(page, 4096, 200 << 20, MREMAP_MAYMOVE);
    printf("mremap %s\n", page == MAP_FAILED ? strerrorname_np(errno) : "works");
}

static void data(void)
{
    limit(RLIMIT_DATA, 20 << 20);
    printf("sbrk %s\n", sbrk(40 << 20) == (void *)-1 ? strerrorname_np(errno) : "works");
    void *pages = mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("mmap %s\n", pages == MAP_FAILED ? strerrorname_np(errno) : "works");
}

static int deeper(int n)
{
    volatile char page[4096];
    page[0] = n;
    return n > 1000000 ? 0 : deeper(n + 1) + page[0];
}

static void stack(void)
{
    limit(RLIMIT_STACK, 1 << 20);
    deeper(0);
}

static void file_size(void)
{
    char bytes[3000] = { 0 };
    int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    limit(RLIMIT_FSIZE, 10000);
    signal(SIGXFSZ, hit);
    for (int i = 0; i < 5; i++)
        VALUE(write(file, bytes, sizeof bytes));
    printf("signals %d\n", hits);
    VALUE(ftruncate(file, 20000));
    VALUE(pwrite(file, bytes, 10, 20000));
    VALUE(fallocate(file, 0, 0, 20000));
    printf("signals %d\n", hits);
    signal(SIGXFSZ, SIG_IGN);
    VALUE(write(file, bytes, sizeof bytes));
    fflush(stdout);
    signal(SIGXFSZ, SIG_DFL);
    write(file, bytes, sizeof bytes);
}

static void locked(void)
{
    char *pages = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    limit(RLIMIT_MEMLOCK, 64 << 10);
    setpriority(PRIO_PROCESS, 0, 0); /* the tests themselves may run at another */
    if (setgid(65534) || setuid(65534))
        puts("no other user");
    VALUE(mlock(pages, 32 << 10));
    VALUE(mlock(pages, 1 << 20));
    VALUE(munlock(pages, 32 << 10));
    struct sched_param level = { 5 };
    VALUE(sched_setscheduler(0, SCHED_FIFO, &level));
    VALUE(setpriority(PRIO_PROCESS, 0, 5));
    VALUE(setpriority(PRIO_PROCESS, 0, 0));
    struct rlimit more = { 1 << 20, 1 << 20 };
    VALUE(setrlimit(RLIMIT_MEMLOCK, &more));
}

static void time_used(void)
{
    limit(RLIMIT_CPU, 1);
    for (volatile long i = 0;; i++)
        ;
}

static void mappings(void)
{
    long count = 0;
    char *area = mmap(NULL, 4096L * 200000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    while (count < 100000 && !mprotect(area + 8192 * count, 4096, PROT_READ))
        count++;
    printf("mappings %d %s\n", count > 30000 && count < 33000, strerrorname_np(errno));
    VALUE(munmap(area, 4096L * 200000));
    printf("works %d\n", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void pending(void)
{
    timer_t timers[40];
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    struct timespec none = { 0, 0 };
    sigset_t set;
    int count = 0;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    limit(RLIMIT_SIGPENDING, 30);
    if (setgid(65534) || setuid(65534))
        puts("no other user");
    while (count < 40 && !timer_create(CLOCK_MONOTONIC, &event, &timers[count]))
        count++;
    printf("timers %d %s\n", count, strerrorname_np(errno));
    VALUE(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }));
    VALUE(kill(getpid(), SIGUSR1));
    VALUE(sigtimedwait(&set, NULL, &none) == SIGUSR1);
    while (count > 20)
        timer_delete(timers[--count]);
    while (count < 60 && !sigqueue(getpid(), SIGRTMIN, (union sigval){ count }))
        count++;
    printf("signals %d %s\n", count, strerrorname_np(errno));
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timers[20]));
    while (sigtimedwait(&set, NULL, &none) > 0)
        count--;
    printf("left %d\n", count);
    VALUE(timer_create(CLOCK_MONOTONIC, &event, &timers[20]));
}

static void queues(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 10, .mq_msgsize = 1000 };
    char name[32];
    int count = 0;
    limit(RLIMIT_MSGQUEUE, 40000);
    for (; count < 20; count++) {
        sprintf(name, "/exhaust-%d", count);
        if (mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes) < 0)
            break;
    }
    printf("queues %d %s\n", count, strerrorname_np(errno));
    while (count--) {
        sprintf(name, "/exhaust-%d", count);
        VALUE(mq_unlink(name));
    }
    VALUE(mq_open("/exhaust", O_CREAT | O_EXCL | O_RDWR, 0600, &attributes) < 0);
    mq_unlink("/exhaust");
}

static void instances(void)
{
    int count = 0, last = -1, one;
    limit(RLIMIT_NOFILE, 1024);
    while (count < 1000 && (one = inotify_init()) >= 0)
        count++, last = one;
    printf("some %d %s\n", count > 60 && count <= 128, strerrorname_np(errno));
    close(last);
    VALUE(inotify_init() == last);
}

static void segments(void)
{
    static int all[5000];
    int count = 0;
    while (count < 5000 && (all[count] = shmget(IPC_PRIVATE, 4096, 0600)) >= 0)
        count++;
    printf("some %d %s\n", count > 4000 && count <= 4096, strerrorname_np(errno));
    for (int i = 0; i < count; i++)
        if (shmctl(all[i], IPC_RMID, NULL))
            printf("%d: %s\n", i, strerrorname_np(errno));
    int last = shmget(IPC_PRIVATE, 4096, 0600);
    SHOW(last);
    VALUE(shmctl(last, IPC_RMID, NULL));
    VALUE(semget(IPC_PRIVATE, 40000, 0600));
    struct { long type; char text[9000]; } message = { 1 };
    int queue = msgget(IPC_PRIVATE, 0600);
    VALUE(msgsnd(queue, &message, 9000, IPC_NOWAIT));
    while (!msgsnd(queue, &message, 1000, IPC_NOWAIT))
        count++;
    printf("messages %d %s\n", count > 4000, strerrorname_np(errno));
    VALUE(msgctl(queue, IPC_RMID, NULL));
}

static void pipe_memory(void)
{
    int ends[2];
    static char bytes[1 << 21];
    VALUE(pipe2(ends, O_NONBLOCK));
    VALUE(write(ends[1], bytes, sizeof bytes));
    VALUE(write(ends[1], bytes, 1));
    VALUE(fcntl(ends[1], F_SETPIPE_SZ, 4096));
    VALUE(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20));
    VALUE(write(ends[1], bytes, sizeof bytes));
    if (setgid(65534) || setuid(65534))
        puts("no other user");
    VALUE(fcntl(ends[1], F_SETPIPE_SZ, 1 << 21));
    VALUE(fcntl(ends[1], F_SETPIPE_SZ, 1u << 31));
}

/* From here on only for machines of one's own. */
static void watches(void)
{
    char name[32];
    int watch = inotify_init(), count = 0;
    mkdir("/tmp/watched", 0700);
    for (; count < 20000; count++) {
        sprintf(name, "/tmp/watched/%d", count);
        close(open(name, O_CREAT | O_WRONLY, 0600));
        if (inotify_add_watch(watch, name, IN_MODIFY) < 0)
            break;
    }
    printf("watches %d %s\n", count, strerrorname_np(errno));
    close(watch);
    watch = inotify_init();
    VALUE(inotify_add_watch(watch, name, IN_MODIFY));
}

/* Objects of the kernel's, each kind until there are no more. */
static int kinds[400000], kind_file, kind_socket[2];
static char kind_text[9000];
static long used;

static long make_file(void) { char name[64]; sprintf(name, "/tmp/kernel/%ld-with-a-name-that-is-not-short", used); return mknod(name, S_IFREG | 0600, 0); }
static void drop_file(void) { char name[64]; sprintf(name, "/tmp/kernel/%ld-with-a-name-that-is-not-short", used); unlink(name); }
static long make_descriptor(void) { return kinds[used] = eventfd(0, 0); }
static long make_pipe(void) { int ends[2]; if (pipe(ends)) return -1; close(ends[1]); write(ends[1], "x", 1); return kinds[used] = ends[0]; }
static long make_socket(void) { return kinds[used] = socket(AF_UNIX, SOCK_DGRAM, 0); }
static long make_epoll(void) { return kinds[used] = epoll_create1(0); }
static long make_timer(void) { timer_t timer; struct sigevent event = { .sigev_notify = SIGEV_NONE }; if (timer_create(CLOCK_MONOTONIC, &event, &timer)) return -1; return kinds[used] = (long)timer; }
static void drop_timer(void) { timer_delete((timer_t)(long)kinds[used]); }
static long make_memory(void) { return kinds[used] = memfd_create("kernel", 0); }
static void drop_descriptor(void) { close(kinds[used]); }
static long make_page(void) { return pwrite(kind_file, "x", 1, used * 4096) == 1 ? 0 : -1; }
static void drop_page(void) { ftruncate(kind_file, used * 4096); }
static long make_table(void) { return mmap((void *)(0x10000000000 + (used << 30)), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED, -1, 0) == MAP_FAILED || madvise((void *)(0x10000000000 + (used << 30)), 4096, MADV_POPULATE_WRITE) ? -1 : 0; }
static void drop_table(void) { munmap((void *)(0x10000000000 + (used << 30)), 4096); }
static long make_mapping(void) { return mmap((void *)(0x10000000000 + (used << 13)), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0; }
static void drop_mapping(void) { munmap((void *)(0x10000000000 + (used << 13)), 4096); }
static long make_segment(void) { return kinds[used] = semget(IPC_PRIVATE, 200, 0600); }
static void drop_segment(void) { semctl(kinds[used], 0, IPC_RMID); }
static long make_message(void) { return send(kind_socket[0], kind_text, 2000, MSG_DONTWAIT); }
static void drop_message(void) { recv(kind_socket[1], kind_text, sizeof kind_text, MSG_DONTWAIT); }
static long make_lock(void) { struct flock lock = { .l_type = F_WRLCK, .l_start = used * 2, .l_len = 1 }; return fcntl(kind_file, F_SETLK, &lock); }
static void drop_lock(void) { struct flock lock = { .l_type = F_UNLCK, .l_start = used * 2, .l_len = 1 }; fcntl(kind_file, F_SETLK, &lock); }

static void kernel(void)
{
    static const struct { const char *name; long (*make)(void); void (*drop)(void); int most; } all[] = {
        { "files", make_file, drop_file, 400000 }, { "descriptors", make_descriptor, drop_descriptor, 400000 },
        { "pipes", make_pipe, drop_descriptor, 400000 }, { "sockets", make_socket, drop_descriptor, 400000 },
        { "epolls", make_epoll, drop_descriptor, 400000 }, { "timers", make_timer, drop_timer, 400000 },
        { "memory files", make_memory, drop_descriptor, 400000 }, { "pages", make_page, drop_page, 400000 },
        { "tables", make_table, drop_table, 60000 }, { "mappings", make_mapping, drop_mapping, 400000 },
        { "semaphores", make_segment, drop_segment, 400000 }, { "messages", make_message, drop_message, 400000 },
        { "locks", make_lock, drop_lock, 1000 },
    };
    static char room[1 << 16];
    setvbuf(stdout, room, _IOFBF, sizeof room);
    limit(RLIMIT_NOFILE, 400000);
    memset(kinds, 1, sizeof kinds);
    memset(room, 1, sizeof room);
    memset(kind_text, 1, sizeof kind_text);
    mkdir("/tmp/kernel", 0700);
    kind_file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    int many = 1 << 30;
    socketpair(AF_UNIX, SOCK_DGRAM, 0, kind_socket);
    setsockopt(kind_socket[0], SOL_SOCKET, SO_SNDBUFFORCE, &many, sizeof many);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        errno = 0;
        for (used = 0; used < all[i].most && all[i].make() >= 0; used++)
            ;
        int error = errno;
        for (long made = used; used-- > 0;)
            all[i].drop();
        used = 0;
        int again = all[i].make() >= 0;
        all[i].drop();
        printf("%s: %s, again %d\n", all[i].name, error ? strerrorname_np(error) : "all", again);
        fflush(stdout);
    }
}

static void memory(void)
{
    for (;;) {
        char *pages = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED) {
            puts("mmap fails");
            return;
        }
        memset(pages, 1, 1 << 20);
    }
}

static void files(void)
{
    static char bytes[1 << 20];
    int file = open("/tmp/large", O_CREAT | O_RDWR, 0600);
    long done = 0, count;
    while ((count = write(file, bytes, sizeof bytes)) > 0)
        done += count;
    printf("written %d %s\n", done > 1 << 20, errno == ENOSPC || errno == ENOMEM ? "full" : strerrorname_np(errno));
    close(file);
    VALUE(unlink("/tmp/large"));
    file = open("/tmp/other", O_CREAT | O_RDWR, 0600);
    VALUE(write(file, bytes, sizeof bytes));
}

static void all_threads(void)
{
    pthread_t last;
    int count = 0, error;
    while (count < 100000 && !(error = pthread_create(&last, NULL, sleep_on, NULL)))
        count++;
    printf("some %d, %s\n", count > 100, strerrorname_np(error));
    fflush(stdout);
}

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;

static void *other_way(void *argument)
{
    pthread_mutex_lock(&two);
    usleep(10000);
    pthread_mutex_lock(&one);
    return NULL;
}

static void deadlock(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, other_way, NULL);
    pthread_mutex_lock(&one);
    usleep(10000);
    puts("waits");
    fflush(stdout);
    pthread_mutex_lock(&two);
}

int main(int count, char **words)
{
    static const struct { const char *name; void (*function)(void); } ways[] = {
        { "descriptors", descriptors }, { "threads", threads }, { "processes", processes },
        { "address-space", address_space }, { "data", data }, { "stack", stack }, { "file-size", file_size },
        { "locked", locked }, { "time", time_used }, { "mappings", mappings }, { "memory", memory },
        { "files", files }, { "pending", pending }, { "queues", queues }, { "instances", instances }, { "segments", segments },
        { "pipe-memory", pipe_memory }, { "watches", watches }, { "kernel", kernel }, { "all-threads", all_threads }, { "deadlock", deadlock },
    };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(words[1], ways[i].name))
            ways[i].function();
    return 3;
}
