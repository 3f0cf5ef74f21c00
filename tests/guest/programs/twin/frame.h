/* What every part of twin.c calls: random choices, memory for arguments, descriptors by kind, and the transcript. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "../split_mix.h"

typedef unsigned long u64;
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Choices. Those of call N depend on the seed and on N alone: calls can be left out without changing the others. */

static u64 random_state;
static u64 bits(void) { return split_mix(&random_state); }
static u64 below(u64 n) { return bits() % n; }
static int one_in(u64 n) { return below(n) == 0; }
#define ANY(...) ({ const u64 list_[] = { __VA_ARGS__ }; list_[below(COUNT(list_))]; })
#define SOME(...) ({ const u64 list_[] = { __VA_ARGS__ }; some(list_, COUNT(list_)); })
static u64 some(const u64 *list, int n)
{
    u64 value = 0;
    for (int k = below(4); k > 0; k--)
        value |= list[below(n)];
    return value;
}

/* At most one argument of a call is wrong on purpose: which of two errors comes first is nobody's concern. */
static int spoiled;
static int wrong_once(u64 n) { return !spoiled && one_in(n) && (spoiled = 1); }

/* The transcript */

/* Descriptors that no random call gets: where the transcript goes, /proc/self/fd, and the root outside. */
#define REPORT 900
#define OWN_DESCRIPTORS 901
#define OUTSIDE 902
#define CONSTANT 903 /* a file that does not change: pipes and sockets may refer to its pages */
static char transcript[1 << 16];
static unsigned written;
static long first = 0, last = 1 << 30, now; /* calls that are shown; the one that runs */
static u64 seed;
static int turn;                            /* the thread whose turn it is */

static void flush(void)
{
    unsigned done = 0;
    while (done < written) {
        long n = syscall(SYS_write, REPORT, transcript + done, written - done);
        if (n <= 0)
            _exit(9);
        done += n;
    }
    written = 0;
}
static void say(const char *form, ...)
{
    va_list list;
    if (now < first || now > last)
        return;
    if (written > sizeof transcript - 8192)
        flush();
    va_start(list, form);
    written += vsnprintf(transcript + written, 4096, form, list);
    va_end(list);
}

/* Memory for arguments, at the same address on both sides. What a call may write to ends where a page does, before one that
 * is not there, and is shown after the call as far as it changed. */

#define BASE 0x200000000ul
#define SLOT (4 * 4096ul)
#define SLOTS 12
#define UNTOUCHED 0xee
#define GIVEN (BASE + SLOTS * SLOT) /* what calls read */
#define GIVEN_SIZE (64 * 4096ul)
#define READ_ONLY (GIVEN + GIVEN_SIZE + 4096)
#define LASTING (READ_ONLY + 8192) /* two pages that nothing changes, which a pipe may refer to */

static struct { unsigned char *at; unsigned size; int shown; } outputs[SLOTS];
static int outputs_used;
static u64 given_used, given_most;

static void *output_of(unsigned size, int shown)
{
    if (size > SLOT - 4096)
        size = SLOT - 4096;
    int i = outputs_used++ % SLOTS;
    outputs[i].at = (unsigned char *)(BASE + (i + 1) * SLOT - 4096 - size);
    outputs[i].size = size, outputs[i].shown = shown;
    memset(outputs[i].at, UNTOUCHED, size);
    return outputs[i].at;
}
static void *wrong_place(void)
{
    return (void *)ANY(8, 1, 4096, READ_ONLY + 4032, READ_ONLY + 4096, 0x6fff00000000);
}
/* Now and then a place that is none. */
static void *output(unsigned size) { return wrong_once(40) ? wrong_place() : output_of(size, 1); }

static void *given(u64 size)
{
    size = (size + 15) & -16ul;
    if (given_used + size > GIVEN_SIZE)
        given_used = 0;
    void *at = (void *)(GIVEN + given_used);
    given_used += size;
    given_most = given_used > given_most ? given_used : given_most;
    return at;
}
static void *placed(void *good) { return wrong_once(50) ? wrong_place() : good; }
#define PLACED(type, ...) ({ type *p_ = given(sizeof(type)); *p_ = (type)__VA_ARGS__; placed(p_); })
#define PUT(type, ...) ({ type *p_ = given(sizeof(type)); *p_ = (type)__VA_ARGS__; p_; })

static char *bytes(u64 size)
{
    char *at = given(size);
    u64 seed = bits();
    for (u64 i = 0; i < size; i++)
        at[i] = 'a' + (seed + i * 7 + (i >> 4)) % 26;
    return placed(at);
}
static u64 digest(const void *at, u64 size)
{
    u64 hash = 14695981039346656037ul;
    for (u64 i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)at)[i]) * 1099511628211ul;
    return hash;
}
static void show_bytes(const unsigned char *at, u64 size)
{
    if (size > 64) {
        say("#%016lx", digest(at, size));
        return;
    }
    for (u64 i = 0; i < size; i++)
        say(at[i] >= 'a' && at[i] <= 'z' ? "%c" : "<%02x>", at[i]);
}
static void show_outputs(void)
{
    for (int i = 0; i < outputs_used && i < SLOTS; i++) {
        unsigned from = 0, to = outputs[i].size;
        while (from < to && outputs[i].at[from] == UNTOUCHED)
            from++;
        while (to > from && outputs[i].at[to - 1] == UNTOUCHED)
            to--;
        if (from == to || !outputs[i].shown)
            continue;
        say(" [%u+%u]", from, to - from);
        show_bytes(outputs[i].at + from, to - from);
    }
    outputs_used = 0;
}

/* Sizes and places in files */

static u64 length(void)
{
    if (wrong_once(12))
        return ANY(0, 0x7fffffff, 0x7ffff000, 0x80000000ul, 1ul << 40);
    return one_in(4) ? below(12000) : one_in(3) ? ANY(0, 1, 7, 8, 4095, 4096, 4097, 8192) : below(300);
}
static u64 short_length(void) { return one_in(8) ? 0 : one_in(4) ? below(9000) : below(200); }
static u64 offset(void)
{
    if (wrong_once(12))
        return ANY(-1ul, 1ul << 62, 0x7ffffffffffffffful, 1ul << 63, 0x7ffffffffffff000ul, -4096ul);
    return one_in(2) ? below(20000) : below(6) << 12;
}

/* Descriptors */

enum kind { NOTHING, FILES, DIRECTORY, PIPE, SOCKET, EVENT, TIMER, SIGNAL, EPOLL, INOTIFY, QUEUE, OTHER, KINDS };
#define DESCRIPTORS 40
static char kinds[DESCRIPTORS];

/* The program has a root of its own, so that names cannot lead out of it; without the right to do that, no name has "..". */
static int confined;
static char home[200] = "/";

static enum kind kind_of(int fd)
{
    struct stat s;
    char name[40], target[40] = "";
    if (fstat(fd, &s) < 0)
        return NOTHING;
    if (S_ISDIR(s.st_mode))
        return DIRECTORY;
    if (S_ISFIFO(s.st_mode))
        return PIPE;
    if (S_ISSOCK(s.st_mode))
        return SOCKET;
    sprintf(name, "%d", fd);
    if (readlinkat(OWN_DESCRIPTORS, name, target, 39) < 0)
        return OTHER;
    static const char *const anonymous[] = { "eventfd", "timerfd", "signalfd", "eventpoll", "inotify" };
    for (int i = 0; i < 5; i++)
        if (strstr(target, anonymous[i]) && !strncmp(target, "anon", 4))
            return EVENT + i;
    if (!strncmp(target, "/twin", 5))
        return QUEUE;
    return S_ISREG(s.st_mode) ? FILES : OTHER;
}
/* A descriptor that a call gave. */
static int made(long fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        kinds[fd] = kind_of(fd);
    return fd;
}
static void look_at_all(void)
{
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        made(fd);
}
/* One of a kind, if there is one. */
static int fd(enum kind kind)
{
    if (wrong_once(25))
        return (int)ANY(-1, 39, 50, 1000, 0x7fffffff, 0x80000000);
    int start = 3 + below(DESCRIPTORS - 3);
    for (int i = 0; i < DESCRIPTORS; i++) {
        int at = 3 + (start + i) % (DESCRIPTORS - 3);
        if (kind == NOTHING ? kinds[at] != NOTHING : kinds[at] == kind && !one_in(6))
            return at;
    }
    for (int i = 0; spoiled && i < DESCRIPTORS; i++)
        if (kinds[3 + (start + i) % (DESCRIPTORS - 3)])
            return 3 + (start + i) % (DESCRIPTORS - 3);
    return start;
}
/* One of a kind, or -1. */
static int only(enum kind kind)
{
    int start = below(DESCRIPTORS - 3);
    for (int i = 0; i < DESCRIPTORS - 3; i++)
        if (kinds[3 + (start + i) % (DESCRIPTORS - 3)] == kind)
            return 3 + (start + i) % (DESCRIPTORS - 3);
    return -1;
}
/* One that is likely to be of that kind, or anything. */
static int mostly(enum kind kind) { return fd(one_in(8) ? NOTHING : kind); }

/* Calls */

static volatile int faulting;
static sigjmp_buf fault;
static volatile int caught_used;
static struct { int number, code, value; long thread; } caught[16];
static long pid;
static int itself; /* an argument of the call is the process id */
#define ITSELF (itself = 1, pid)
static _Thread_local int thread;

static void show_argument(u64 a)
{
    if (a >= GIVEN && a < GIVEN + GIVEN_SIZE) {
        char *at = (char *)a;
        int n = 0;
        while (n < 30 && at[n] > ' ' && at[n] < 127)
            n++;
        if (n && n < 30 && !at[n])
            say("'%s'", at);
        else
            say("given");
    } else if (a >= BASE && a < GIVEN)
        say("output");
    else if (a == pid && itself)
        say("pid");
    else if (a < 100000 || -a < 200)
        say("%ld", a);
    else
        say("%#lx", a);
}
static void show_caught(void)
{
    for (int i = 0; i < caught_used; i++)
        say(" {signal %d code %d value %d thread %ld}", caught[i].number, caught[i].code, caught[i].value, caught[i].thread);
    caught_used = 0;
}

/* A result that is a number without a meaning (an address, an id) is shown as ok. */
static int hidden_result;
static long call_number(const char *name, int count, long number, long a, long b, long c, long d, long e, long f)
{
    long all[] = { a, b, c, d, e, f };
    say("%ld", now);
    if (turn)
        say("/%d", thread);
    say(" %s(", name);
    for (int i = 0; i < count; i++)
        say(i ? ", " : ""), show_argument(all[i]);
    long result = syscall(number, a, b, c, d, e, f);
    int error = errno;
    if (result == -1)
        say(") = %s", strerrorname_np(error));
    else
        say(hidden_result ? ") = ok" : ") = %ld", result);
    hidden_result = itself = 0;
    show_outputs();
    show_caught();
    say("\n");
    errno = error;
    return result;
}
#define NTH(a0, a1, a2, a3, a4, a5, a6, n, ...) n
#define CALL(name, ...) CALL_(name, #name, NTH(0, ##__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0), ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(name, text, n, a, b, c, d, e, f, ...) \
    call_number(text, n, SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* The same, of a call whose number means nothing. */
#define HIDE(name, ...) (hidden_result = 1, CALL(name, ##__VA_ARGS__))
