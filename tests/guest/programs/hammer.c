/* Threads that do everything at once to their memory and files, against a model:
 *
 *     hammer SEED OPERATIONS THREADS [FILE] [fail]
 *
 * Each thread has a range of addresses and a file of its own, of which it knows every page; and all share FILE, whose page
 * number n holds zeros or n + 1 whatever is done to it. At the end everything is given back, and the counts of memory have
 * to be what they were. With `fail`, allocations fail now and then (/proc/self/fail-nth). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "split_mix.h"
#include "resident.h"

typedef unsigned long u64;

#define PAGE 4096ul
#define PAGES 1536 /* of a range: room for large pages */
#define FILE_PAGES 96
#define SHARED_PAGES 2048
#define CHANGED 1536 /* what is before this page of the common file stays, to be read from a disk again and again */
#define FREED 0x100000000000ul /* the value or zeros, after MADV_FREE */

enum kind { NOTHING, ANONYMOUS, SHARED_ANONYMOUS, FILE_SHARED, FILE_PRIVATE };

struct page {
    char kind, protection, copied;
    char early; /* may have been copied before it was written: who writes page after page gets the next with it */
    short index; /* of the file */
    u64 value;
};

struct worker {
    u64 random, counter, done;
    pthread_t thread;
    int number, file, fail, armed;
    u64 size; /* of the file, in pages */
    sigjmp_buf back;
    char *base, *whole;
    struct page pages[PAGES];
    u64 values[FILE_PAGES];
    const char *doing;
    u64 from, count, to;
};

static struct worker workers[8];
static __thread struct worker *self;
static int common = -1, operations, failing;

static u64 bits(void) { return split_mix(&self->random); }
static u64 below(u64 n) { return bits() % n; }

static void wrong(const char *what, u64 at, u64 is, u64 should)
{
    struct page *p = &self->pages[at % PAGES];
    printf("WRONG thread %d operation %lu: %s page %lu is %lx, not %lx (kind %d protection %d copied %d index %d size %lu) after %s %lu %lu %lu\n",
           self->number, self->done, what, at, is, should, p->kind, p->protection, p->copied, p->index, self->size, self->doing, self->from,
           self->count, self->to);
    fflush(stdout);
    _exit(1);
}

static void caught(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (self && self->armed)
        siglongjmp(self->back, number);
    printf("signal %d at %p\n", number, info->si_addr);
    fflush(stdout);
    _exit(2);
}

/* The signal that an access gives, 0 for none. */
static int look(char *at, u64 *value)
{
    int number = sigsetjmp(self->back, 0);
    if (number == 0) {
        self->armed = 1;
        *value = *(volatile u64 *)at;
        if (*(volatile u64 *)(at + PAGE - 8) != *value)
            *value = ~0ul;
    }
    self->armed = 0;
    return number;
}
static int put(char *at, u64 value)
{
    int number = sigsetjmp(self->back, 0);
    if (number == 0) {
        self->armed = 1;
        *(volatile u64 *)at = value;
        *(volatile u64 *)(at + PAGE - 8) = value;
    }
    self->armed = 0;
    return number;
}

static u64 *value_of(struct page *p)
{
    return p->kind == FILE_SHARED || (p->kind == FILE_PRIVATE && !p->copied) ? &self->values[p->index] : &p->value;
}
static int is_cut(struct page *p) { return (p->kind == FILE_SHARED || p->kind == FILE_PRIVATE) && (u64)p->index >= self->size; }

static void check(u64 at)
{
    struct page *p = &self->pages[at];
    u64 value = 0;
    int number = look(self->base + at * PAGE, &value);
    int expected = p->kind == NOTHING || !p->protection ? SIGSEGV : is_cut(p) ? SIGBUS : 0;
    if (number != expected)
        wrong("signal", at, number, expected);
    if (number)
        return;
    u64 *should = value_of(p);
    if (*should & FREED) {
        if (value != 0 && value != (*should & ~FREED))
            wrong("freed", at, value, *should);
        *should &= ~FREED;
        if (value == 0)
            *should = 0;
        else if (p->protection & PROT_WRITE) {
            put(self->base + at * PAGE, *should = ++self->counter);
        } else
            *should |= FREED;
        return;
    }
    if (p->kind == FILE_PRIVATE && !p->copied && p->early && value < self->counter + 1)
        return;
    if (value != *should)
        wrong("value", at, value, *should);
}

static void store(u64 at)
{
    struct page *p = &self->pages[at];
    int number = put(self->base + at * PAGE, ++self->counter);
    int expected = p->kind == NOTHING || !(p->protection & PROT_WRITE) ? SIGSEGV : is_cut(p) ? SIGBUS : 0;
    if (number != expected)
        wrong("signal of a write", at, number, expected);
    if (number)
        return;
    if (p->kind == FILE_PRIVATE)
        p->copied = 1;
    *value_of(p) = self->counter;
}

static void arm(void)
{
    if (failing && below(4) == 0) {
        char text[2] = { '1' + below(6) };
        write(self->fail, text, 1);
    }
}
static void disarm(void)
{
    if (failing) {
        int e = errno;
        write(self->fail, "0", 1);
        errno = e;
    }
}
#define DO(name, call) ({ self->doing = name; arm(); long r_ = (long)(call); disarm(); r_; })

static void empty(u64 from, u64 count)
{
    for (u64 i = from; i < from + count; i++)
        self->pages[i] = (struct page){ 0 };
}
/* After a call that may have been done in part. */
static void give_up(u64 from, u64 count)
{
    if (munmap(self->base + from * PAGE, count * PAGE) == 0)
        mmap(self->base + from * PAGE, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    empty(from, count);
}

static void cut_file(u64 size)
{
    for (u64 i = 0; i < PAGES; i++) {
        struct page *p = &self->pages[i];
        if (p->kind == FILE_PRIVATE && (u64)p->index >= size)
            p->copied = 0;
    }
    for (u64 i = size; i < FILE_PAGES; i++)
        self->values[i] = 0;
    self->size = size;
}

static void map(u64 from, u64 count)
{
    static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE };
    int protection = protections[below(5)], kind = 1 + below(4), index = 0;
    int flags = MAP_FIXED | (below(4) ? 0 : MAP_POPULATE) | (below(4) ? 0 : MAP_NORESERVE);
    if (kind >= FILE_SHARED) {
        index = below(FILE_PAGES);
        count = count > (u64)(FILE_PAGES - index) ? (u64)(FILE_PAGES - index) : count;
    } else
        flags |= MAP_ANONYMOUS;
    if (kind == SHARED_ANONYMOUS && count > 64)
        count = 64;
    flags |= kind == ANONYMOUS || kind == FILE_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
    char *at = self->base + from * PAGE;
    if (DO("mmap", mmap(at, count * PAGE, protection, flags, kind >= FILE_SHARED ? self->file : -1, index * PAGE)) != (long)at) {
        give_up(from, count);
        return;
    }
    for (u64 i = from; i < from + count; i++)
        self->pages[i] = (struct page){ kind, protection, 0, (protection & PROT_WRITE) != 0, kind >= FILE_SHARED ? index + i - from : 0, 0 };
    if (flags & MAP_POPULATE && kind == FILE_PRIVATE && protection & PROT_WRITE)
        for (u64 i = from; i < from + count; i++)
            if (!is_cut(&self->pages[i]))
                store(i); /* whether it was copied is not known */
}

static int same(u64 from, u64 count)
{
    struct page *first = &self->pages[from];
    for (u64 i = 1; i < count; i++)
        if (first[i].kind != first->kind || first[i].protection != first->protection ||
            (first->kind >= FILE_SHARED && first[i].index != first->index + (long)i))
            return 0;
    return first->kind != NOTHING && first->kind != SHARED_ANONYMOUS;
}

static void move(u64 from, u64 count)
{
    while (count > 1 && !same(from, count))
        count /= 2;
    u64 to = below(PAGES - count);
    if (below(3) == 0)
        to = (to & ~511ul) + from % 512, to = to + count > PAGES ? 0 : to;
    if (!same(from, count) || (from < to + count && to < from + count))
        return;
    int stays = below(4) == 0;
    char *old = self->base + from * PAGE, *new = self->base + to * PAGE;
    self->to = to;
    long r = DO("mremap", mremap(old, count * PAGE, count * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | (stays ? MREMAP_DONTUNMAP : 0), new));
    if (r != (long)new) {
        if (errno != ENOMEM && errno != EFAULT)
            wrong("mremap", from, errno, 0);
        give_up(to, count);
        return;
    }
    for (u64 i = 0; i < count; i++) {
        self->pages[to + i] = self->pages[from + i];
        if (stays)
            self->pages[from + i].value = 0, self->pages[from + i].copied = 0;
    }
    if (!stays)
        give_up(from, count);
}

static void advise(u64 from, u64 count)
{
    static const int list[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_REMOVE, MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL,
                                MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, 20, 21, 22, 22, 23, 25, 25, 25 };
    int advice = list[below(sizeof list / sizeof *list)];
    if (advice == MADV_REMOVE || advice == MADV_FREE)
        count = 1;
    self->to = advice;
    long r = DO("madvise", madvise(self->base + from * PAGE, count * PAGE, advice));
    for (u64 i = from; i < from + count; i++) {
        struct page *p = &self->pages[i];
        switch (advice) {
        case MADV_DONTNEED:
            if (r == 0 || (errno != EINVAL && errno != ENOMEM)) {
                p->copied = 0;
                if (p->kind == ANONYMOUS)
                    p->value = 0;
            } else
                give_up(i, 1);
            break;
        case MADV_FREE:
            if (r == 0 && p->kind == ANONYMOUS && p->value)
                p->value |= FREED;
            break;
        case MADV_REMOVE:
            if (r == 0 && p->kind != NOTHING)
                *value_of(p) = 0;
            break;
        case 23:
        case 25:
            if (p->kind == FILE_PRIVATE && p->protection & PROT_WRITE && !p->copied && !is_cut(p))
                store(i);
            break;
        }
    }
}

static void use_file(u64 from, u64 count)
{
    static u64 buffers[8][FILE_PAGES * 512];
    u64 *buffer = buffers[self->number], first = below(FILE_PAGES), pages = 1 + below(FILE_PAGES - first);
    long r;
    self->from = first, self->count = pages, self->to = self->size;
    switch (below(6)) {
    case 0:
        if (DO("ftruncate", ftruncate(self->file, first * PAGE)) == 0)
            cut_file(first);
        break;
    case 1:
        if (DO("ftruncate up", ftruncate(self->file, FILE_PAGES * PAGE)) == 0)
            self->size = FILE_PAGES;
        break;
    case 2:
        pages = pages > 8 ? 8 : pages;
        for (u64 i = 0; i < pages; i++)
            buffer[i * 512] = buffer[i * 512 + 511] = ++self->counter;
        r = DO("pwrite", pwrite(self->file, buffer, pages * PAGE, first * PAGE));
        for (long i = 0; i < r / (long)PAGE; i++)
            self->values[first + i] = buffer[i * 512];
        if (r > 0 && r % PAGE)
            wrong("part written", first, r, pages);
        if (r > 0 && first + r / PAGE > self->size)
            self->size = first + r / PAGE;
        break;
    case 3:
        r = DO("pread", pread(self->file, buffer, pages * PAGE, first * PAGE));
        for (long i = 0; i < r / (long)PAGE; i++)
            if (buffer[i * 512] != self->values[first + i] || buffer[i * 512 + 511] != buffer[i * 512])
                wrong("read", first + i, buffer[i * 512], self->values[first + i]);
        break;
    case 4:
        if (DO("punch", fallocate(self->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first * PAGE, pages * PAGE)) == 0)
            for (u64 i = first; i < first + pages; i++)
                self->values[i] = 0;
        break;
    case 5: {
        /* Out of memory that another mapping has, and into it. */
        count = count > 16 ? 16 : count;
        self->from = from, self->count = count;
        struct iovec here = { buffer, count * PAGE }, there = { self->base + from * PAGE, count * PAGE };
        r = DO("process_vm_readv", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
        for (long i = 0; i < r / (long)PAGE; i++)
            if (!(*value_of(&self->pages[from + i]) & FREED) && !self->pages[from + i].early && buffer[i * 512] != *value_of(&self->pages[from + i]))
                wrong("seen", from + i, buffer[i * 512], *value_of(&self->pages[from + i]));
        break;
    }
    }
}

/* What all do to one file. */
static void use_common(void)
{
    int way = below(12), changes = way < 5 || below(2);
    u64 first = changes ? CHANGED + below(SHARED_PAGES - CHANGED - 64) : below(CHANGED - 64), pages = 1 + below(64), value;
    u64 buffer[512] = { 0 };
    self->doing = "the common file", self->from = first, self->count = pages;
    switch (way) {
    case 0: ftruncate(common, first * PAGE); break;
    case 1: fallocate(common, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first * PAGE, pages * PAGE); break;
    case 2:
    case 3:
    case 4:
        buffer[0] = buffer[511] = first + 1;
        pwrite(common, buffer, PAGE, first * PAGE);
        break;
    case 5:
        if (pread(common, buffer, PAGE, first * PAGE) == PAGE && ((buffer[0] && buffer[0] != first + 1) || (buffer[511] && buffer[511] != first + 1)))
            wrong("common, read", first, buffer[0], buffer[511]);
        break;
    default: {
        int shared = below(2), writes = below(2) && (changes || !shared), in_turn = below(2), next = 0;
        char *at = (char *)DO("mmap of the common file", mmap(NULL, pages * PAGE, PROT_READ | (writes ? PROT_WRITE : 0),
                                                               (shared ? MAP_SHARED : MAP_PRIVATE) | (below(4) ? 0 : MAP_POPULATE), common, first * PAGE));
        if (at == MAP_FAILED)
            return;
        for (int times = below(48); times > 0; times--) {
            u64 i = in_turn ? next++ % pages : below(pages);
            if (writes && (in_turn || below(2)))
                put(at + i * PAGE, first + i + 1);
            else if (look(at + i * PAGE, &value) == 0 && value != ~0ul && value && value != first + i + 1)
                wrong("common", first + i, value, first + i + 1);
            if (below(12) == 0)
                DO("madvise of the common file", madvise(at + i * PAGE, PAGE, below(2) || !changes ? MADV_DONTNEED : MADV_REMOVE));
            if (below(40) == 0)
                DO("mlock of the common file", mlock(at, pages * PAGE));
        }
        munmap(at, pages * PAGE);
    }
    }
}

static void *work(void *mine)
{
    self = mine;
    if (failing)
        self->fail = open("/proc/thread-self/fail-nth", O_RDWR);
    unsigned char resident[PAGES];
    for (self->done = 0; self->done < (u64)operations; self->done++) {
        u64 from = below(PAGES), count = below(8) ? 1 + below(24) : 1 + below(PAGES);
        if (below(12) == 0)
            from &= ~511ul, count = 512;
        if (count > PAGES - from)
            count = PAGES - from;
        char *at = self->base + from * PAGE;
        self->from = from, self->count = count;
        switch (below(20)) {
        case 0 ... 2: map(from, count); break;
        case 3:
            if (DO("munmap", munmap(at, count * PAGE)) == 0 || 1)
                give_up(from, count);
            break;
        case 4 ... 5: move(from, count); break;
        case 6: {
            int protection = below(3) ? PROT_READ | PROT_WRITE : below(2) ? PROT_READ : PROT_NONE;
            for (u64 i = from; i < from + count; i++)
                if (self->pages[i].kind == NOTHING)
                    count = i - from;
            if (count && DO("mprotect", mprotect(at, count * PAGE, protection)) == 0)
                for (u64 i = from; i < from + count; i++)
                    self->pages[i].protection = protection, self->pages[i].early |= (protection & PROT_WRITE) != 0;
            else
                give_up(from, count ? count : 1);
            break;
        }
        case 7 ... 8: advise(from, count); break;
        case 9:
            if (count > 32)
                count = 32;
            if (below(2) && DO("mlock", mlock(at, count * PAGE)) == 0) {
                for (u64 i = from; i < from + count; i++)
                    if (self->pages[i].kind == FILE_PRIVATE && self->pages[i].protection & PROT_WRITE && !self->pages[i].copied)
                        store(i);
            } else {
                for (u64 i = from; i < from + count; i++)
                    if (self->pages[i].kind == FILE_PRIVATE && self->pages[i].protection & PROT_WRITE && !self->pages[i].copied)
                        store(i);
            }
            if (below(2))
                DO("munlock", munlock(at, count * PAGE));
            break;
        case 10: DO("mincore", mincore(at, count * PAGE, resident)); break;
        case 11 ... 13: use_file(from, count); break;
        case 14 ... 15:
            if (common >= 0)
                use_common();
            break;
        default:
            self->doing = "touching";
            for (u64 i = from; i < from + count && i < from + 64; i++)
                below(2) ? store(i) : check(i);
        }
        for (int i = 0; i < 4; i++)
            check(below(PAGES));
        if (self->done % 64 == 0)
            for (u64 i = 0; i < PAGES; i++)
                check(i);
    }
    if (failing)
        close(self->fail);
    return NULL;
}

static u64 number_in(const char *path, const char *name)
{
    static char text[16384];
    int file = open(path, O_RDONLY);
    long n = read(file, text, sizeof text - 1);
    close(file);
    text[n > 0 ? n : 0] = 0;
    char *at = strstr(text, name);
    return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static void run(int threads, u64 seed)
{
    for (int i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        memset(w, 0, sizeof *w);
        char name[40];
        sprintf(name, "/tmp/hammer-%d", i);
        w->number = i, w->random = seed * 1000 + i, w->counter = i + 1, w->doing = "nothing";
        w->file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
        unlink(name);
        char *at = w->whole = mmap(NULL, (PAGES + 512) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        w->base = (char *)(((u64)at + (2 << 20) - 1) & ~((2ul << 20) - 1));
        pthread_create(&w->thread, NULL, work, w);
    }
    for (int i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        munmap(w->whole, (PAGES + 512) * PAGE);
        close(w->file);
    }
    if (common >= 0)
        ftruncate(common, CHANGED * PAGE);
}

/* What has to come back, in KiB; the last is what the entries of the page tables say about the first but one. */
static const char *const counts[][2] = {
    { "/proc/meminfo", "MemFree:" }, { "/proc/meminfo", "Committed_AS:" }, { "/proc/meminfo", "AnonHugePages:" },
    { "/proc/meminfo", "Shmem:" }, { "/proc/self/status", "VmSize:" }, { "/proc/self/status", "VmLck:" },
    { "/proc/self/stat", ") " }, { "/proc/self/smaps_rollup", "Rss:" },
};
#define COUNTS (sizeof counts / sizeof *counts)

int main(int argc, char **argv)
{
    u64 seed = strtoul(argv[1], NULL, 0);
    operations = atoi(argv[2]);
    int threads = atoi(argv[3]);
    if (argc > 4) {
        common = open(argv[4], O_RDWR | O_CREAT, 0644);
        if (common < 0)
            perror(argv[4]);
    }
    failing = argc > 5;
    struct sigaction how = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigaction(SIGSEGV, &how, NULL), sigaction(SIGBUS, &how, NULL);
    for (int round = 0; round < 3; round++) {
        run(threads, seed * 10 + round);
        u64 found[COUNTS];
        for (int again = 0; again < 2; again++) /* the first brings in what it needs */
            for (unsigned i = 0; i < COUNTS; i++)
                found[i] = number_in(counts[i][0], counts[i][1]);
        found[COUNTS - 2] = resident();
        for (unsigned i = 0; i < COUNTS; i++)
            fprintf(stderr, "%s %lu ", counts[i][1], found[i]);
        fprintf(stderr, "\n");
        if (found[COUNTS - 1] != found[COUNTS - 2] * 4)
            printf("WRONG resident pages %lu, Rss %lu\n", found[COUNTS - 2], found[COUNTS - 1]);
    }
    puts("right");
    return 0;
}
