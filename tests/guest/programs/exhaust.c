/* Uses up what the first argument names, and says how that ended. */
#include "show.h"
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

/* From here on only for machines of one's own. */
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
        { "files", files }, { "all-threads", all_threads }, { "deadlock", deadlock },
    };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(words[1], ways[i].name))
            ways[i].function();
    return 3;
}
