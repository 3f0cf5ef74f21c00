/* Pages of 2 MiB: what advice, rights, moves and holes do to them, as /proc/self/smaps shows it. */
#include "show.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#define PAGE 4096
#define LARGE (2L << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* What a field of smaps adds up to for the mappings of a range, in KiB. */
static long field(const char *name, char *start, long length)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    int inside = 0;
    long sum = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from < (unsigned long)start + length && to > (unsigned long)start;
        else if (inside && !strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
            sum += atol(line + strlen(name) + 1);
    }
    fclose(file);
    return sum;
}

static void state(const char *what, char *start, long length)
{
    printf("%s: large %ld resident %ld\n", what, field("AnonHugePages", start, length), field("Rss", start, length));
}

/* Whole large pages at a boundary, between two that are not mapped. */
static char *room(int large, int advice)
{
    char *at = mmap(NULL, (large + 2) * LARGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    char *start = (char *)(((unsigned long)at + 2 * LARGE - 1) & -LARGE);
    munmap(at, (large + 2) * LARGE);
    start = mmap(start, large * LARGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
    if (advice)
        madvise(start, large * LARGE, advice);
    return start;
}

static void check(const char *what, char *start, long length, char value)
{
    for (long i = 0; i < length; i += PAGE)
        if (start[i] != value) {
            printf("%s: %d at page %ld\n", what, start[i], i / PAGE);
            return;
        }
}

static void advice(void)
{
    char *p = room(2, MADV_HUGEPAGE);
    p[0] = 1;
    state("written", p, 2 * LARGE);
    memset(p, 1, 2 * LARGE);
    state("all", p, 2 * LARGE);
    VALUE(madvise(p + PAGE, PAGE, MADV_DONTNEED));
    printf("hole reads %d, before %d, behind %d\n", p[PAGE], p[0], p[2 * PAGE]);
    state("hole", p, 2 * LARGE);
    VALUE(madvise(p + LARGE, LARGE, MADV_DONTNEED));
    state("whole dropped", p, 2 * LARGE);
    p[LARGE + 5 * PAGE] = 2;
    state("written again", p, 2 * LARGE);
    VALUE(madvise(p + LARGE, LARGE, MADV_NOHUGEPAGE));
    state("no advice undoes", p, 2 * LARGE);
    VALUE(madvise(p + LARGE, LARGE, MADV_DONTNEED));
    p[LARGE] = 1;
    state("small", p, 2 * LARGE);
    VALUE(madvise(p, 2 * LARGE, MADV_DONTNEED));
    state("nothing", p, 2 * LARGE);
    munmap(p, 2 * LARGE);
}

static void populating(void)
{
    char *p = room(3, MADV_HUGEPAGE);
    VALUE(madvise(p, LARGE, MADV_POPULATE_WRITE));
    state("populated", p, 3 * LARGE);
    VALUE(madvise(p + LARGE + PAGE, PAGE, MADV_POPULATE_WRITE));
    state("a page of the next", p, 3 * LARGE);
    unsigned char resident[1536];
    VALUE(mincore(p, 3 * LARGE, resident));
    int count = 0;
    for (int i = 0; i < 1536; i++)
        count += resident[i] & 1;
    printf("in core %d\n", count);
    VALUE(mlock(p, 3 * LARGE));
    state("locked", p, 3 * LARGE);
    printf("locked %ld\n", field("Locked", p, 3 * LARGE));
    VALUE(madvise(p, LARGE, MADV_DONTNEED));
    VALUE(munlock(p, 3 * LARGE));
    munmap(p, 3 * LARGE);
    p = mmap(NULL, 4 * LARGE, PROT_READ | PROT_WRITE, ANON | MAP_POPULATE, -1, 0);
    printf("MAP_POPULATE %ld\n", field("Rss", p, 4 * LARGE) >= 4 * LARGE / 1024);
    munmap(p, 4 * LARGE);
}

static void rights(void)
{
    char *p = room(2, MADV_HUGEPAGE);
    memset(p, 3, 2 * LARGE);
    VALUE(mprotect(p, LARGE, PROT_READ));
    state("whole read-only", p, 2 * LARGE);
    check("read-only", p, 2 * LARGE, 3);
    VALUE(mprotect(p, LARGE, PROT_READ | PROT_WRITE));
    p[7] = 3;
    state("again writable", p, 2 * LARGE);
    VALUE(mprotect(p + LARGE, LARGE, PROT_NONE));
    VALUE(mprotect(p + LARGE, LARGE, PROT_READ | PROT_WRITE));
    check("hidden and shown", p, 2 * LARGE, 3);
    state("hidden and shown", p, 2 * LARGE);
    VALUE(mprotect(p + 3 * PAGE, PAGE, PROT_READ));
    check("split", p, 2 * LARGE, 3);
    state("split", p, 2 * LARGE);
    munmap(p, 2 * LARGE);
}

static void moving(void)
{
    char *p = room(2, MADV_HUGEPAGE), *q = room(2, 0);
    memset(p, 4, 2 * LARGE);
    VALUE(mremap(p, 2 * LARGE, 2 * LARGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
    check("moved", q, 2 * LARGE, 4);
    state("moved", q, 2 * LARGE);
    p = room(3, 0);
    VALUE(mremap(q, LARGE, LARGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE) == p + PAGE);
    check("moved aside", p + PAGE, LARGE, 4);
    state("moved aside", p + PAGE, LARGE);
    check("the rest", q + LARGE, LARGE, 4);
    state("the rest", q + LARGE, LARGE);
    munmap(q + LARGE + LARGE / 2, LARGE / 2);
    check("half", q + LARGE, LARGE / 2, 4);
    state("half", q + LARGE, LARGE);
    char *grown = mremap(q + LARGE, LARGE / 2, 3 * LARGE, MREMAP_MAYMOVE);
    check("grown", grown, LARGE / 2, 4);
    check("new part", grown + LARGE / 2, 5 * LARGE / 2, 0);
    munmap(grown, 3 * LARGE);
    munmap(p, 3 * LARGE);
}

static void collapsing(void)
{
    char *p = room(3, 0);
    VALUE(madvise(p, LARGE, MADV_COLLAPSE));
    madvise(p, LARGE, MADV_NOHUGEPAGE);
    for (int i = 0; i < 512; i += 2)
        p[i * PAGE] = i + 1;
    VALUE(madvise(p, LARGE, MADV_COLLAPSE));
    madvise(p, 3 * LARGE, MADV_HUGEPAGE);
    state("before", p, 3 * LARGE);
    VALUE(madvise(p, LARGE, MADV_COLLAPSE));
    state("collapsed", p, 3 * LARGE);
    int wrong = 0;
    for (int i = 0; i < 512; i++)
        wrong += p[i * PAGE] != (char)(i % 2 ? 0 : i + 1);
    printf("wrong %d\n", wrong);
    VALUE(madvise(p, LARGE, MADV_COLLAPSE));
    VALUE(madvise(p, 2 * LARGE, MADV_COLLAPSE));
    VALUE(madvise(p + PAGE, PAGE, MADV_COLLAPSE));
    VALUE(madvise(p + PAGE, LARGE, MADV_COLLAPSE));
    VALUE(madvise(p, PAGE, MADV_COLLAPSE));
    VALUE(madvise(p + 1, PAGE, MADV_COLLAPSE));
    VALUE(madvise(p, 0, MADV_COLLAPSE));
    VALUE(madvise(p, 4 * LARGE, MADV_COLLAPSE));
    munmap(p, 3 * LARGE);
}

static char *shared;
static int ends;

static void *scribble(void *argument)
{
    unsigned long done = 0;
    for (; !__atomic_load_n(&ends, __ATOMIC_RELAXED); done++)
        ((unsigned *)shared)[(done * 1031 % (LARGE / 8)) * 2 + (long)argument] += 1;
    return (void *)done;
}

/* Nothing is lost that other threads write while pages are made large and split. */
static void racing(void)
{
    pthread_t threads[2];
    unsigned long total = 0, found = 0;
    shared = room(1, MADV_NOHUGEPAGE);
    memset(shared, 0, LARGE);
    madvise(shared, LARGE, MADV_HUGEPAGE);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, scribble, (void *)i);
    for (int i = 0; i < 50; i++) {
        VALUE(madvise(shared, LARGE, MADV_COLLAPSE));
        mprotect(shared + PAGE * (i + 1), PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
        mprotect(shared + PAGE * (i + 1), PAGE, PROT_READ | PROT_WRITE);
    }
    __atomic_store_n(&ends, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        void *done;
        pthread_join(threads[i], &done);
        total += (unsigned long)done;
    }
    for (long i = 0; i < LARGE / 4; i++)
        found += ((unsigned *)shared)[i];
    printf("lost %ld\n", total - found);
    munmap(shared, LARGE);
}

static void disabling(void)
{
    VALUE(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    VALUE(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    char *p = room(1, MADV_HUGEPAGE);
    p[0] = 1;
    state("disabled", p, LARGE);
    VALUE(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    VALUE(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    munmap(p, LARGE);
}

/* Only in a machine of one's own: the settings. */
static void put(const char *name, const char *value)
{
    char path[100], text[100];
    snprintf(path, sizeof path, "/sys/kernel/mm/transparent_hugepage/%s", name);
    int file = open(path, O_RDWR);
    int written = write(file, value, strlen(value)), error = errno;
    int length = pread(file, text, sizeof text, 0);
    close(file);
    printf("%s to %s: %s, %.*s", value, name, written < 0 ? strerrorname_np(error) : "taken", length, text);
}

static void touch(const char *what, int advice)
{
    char *p = room(1, advice);
    p[0] = 1;
    state(what, p, LARGE);
    munmap(p, LARGE);
}

static long meminfo(const char *name)
{
    FILE *file = fopen("/proc/meminfo", "r");
    char line[200];
    long value = -1;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            value = atol(line + strlen(name) + 1);
    fclose(file);
    return value;
}

static void settings(void)
{
    static const char *const policies[] = { "madvise", "never", "always\n", "sometimes" };
    for (int i = 0; i < 4; i++) {
        put("enabled", policies[i]);
        touch("no advice", 0);
        touch("advised", MADV_HUGEPAGE);
        touch("advised against", MADV_NOHUGEPAGE);
    }
    put("defrag", "always");
    put("defrag", "defer+madvise");
    put("defrag", "nothing");
    put("shmem_enabled", "never");
    put("shmem_enabled", "always");
    char *p = room(3, 0);
    memset(p, 1, 3 * LARGE);
    printf("meminfo %ld\n", meminfo("AnonHugePages"));
    munmap(p + PAGE, PAGE);
    printf("meminfo %ld\n", meminfo("AnonHugePages"));
    munmap(p, 3 * LARGE);
    printf("meminfo %ld\n", meminfo("AnonHugePages"));
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (count > 1) {
        settings();
        return 0;
    }
    advice();
    populating();
    rights();
    moving();
    collapsing();
    racing();
    disabling();
    return 0;
}
