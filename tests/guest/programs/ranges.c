/* Edges of the calls on ranges of memory: what overlaps, grows, is locked, resident, of another kind. */
#include "show.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#define PAGE 4096L
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MAP(address, length, rights, flags, file, offset) \
    show("mmap(" #address ", " #length ", " #rights ", " #flags ", " #file ", " #offset ")", \
         mmap(address, length, rights, flags, file, offset) == MAP_FAILED ? -1 : 0)

static sigjmp_buf back;

static void on_fault(int number, siginfo_t *info, void *context)
{
    siglongjmp(back, number * 10 + info->si_code);
}

/* The signal and code that reading (or writing) one byte raises: 0 when it works. */
static int touch(volatile char *at, int writing)
{
    int number = sigsetjmp(back, 1);
    if (number)
        return number;
    if (writing)
        *at = 1;
    else
        (void)*at;
    return 0;
}

static char *area;
static int file;

static void fixed(void)
{
    munmap(area + 8 * PAGE, 8 * PAGE);
    VALUE(mmap(area + 8 * PAGE, 8 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == area + 8 * PAGE);
    MAP(area + 8 * PAGE, 8 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    MAP(area + 15 * PAGE, 8 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    MAP(area + 8 * PAGE + 1, 8 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    MAP((void *)0x7ffffffff000, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
}

static void growing(void)
{
    char *low = mmap(NULL, 600 * PAGE, PROT_NONE, ANON, -1, 0);
    munmap(low, 600 * PAGE);
    char *stack = mmap(low + 500 * PAGE, 4 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    printf("inside %d, below %d, far below %d\n", touch(stack, 1), touch(stack - PAGE, 1), touch(stack - 100 * PAGE, 1));
    char *other = mmap(stack - 400 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    printf("another %d, with room %d, too near %d\n", other == stack - 400 * PAGE, touch(stack - 140 * PAGE, 1), touch(stack - 300 * PAGE, 1));
    VALUE(mprotect(stack, PAGE, PROT_READ | PROT_GROWSDOWN));
    printf("read-only %d\n", touch(stack - 50 * PAGE, 1));
    VALUE(mprotect(stack + PAGE, PAGE, PROT_READ | PROT_GROWSUP));
    VALUE(mprotect(area, PAGE, PROT_READ | PROT_GROWSDOWN));
    MAP(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    munmap(stack - 400 * PAGE, 404 * PAGE);
}

static void writing_back(char *shared)
{
    VALUE(msync(shared, 8 * PAGE, MS_SYNC));
    VALUE(msync(shared, 8 * PAGE, MS_ASYNC));
    VALUE(msync(shared, 8 * PAGE, MS_ASYNC | MS_SYNC));
    VALUE(msync(shared, 8 * PAGE, MS_INVALIDATE));
    VALUE(msync(shared, 8 * PAGE, 0));
    VALUE(msync(shared, 8 * PAGE, 8));
    VALUE(msync(shared + 1, PAGE, MS_SYNC));
    VALUE(msync(shared, 0, MS_SYNC));
    VALUE(msync(shared, -1, MS_SYNC));
    VALUE(msync(shared, -PAGE, MS_SYNC));
    munmap(shared + 6 * PAGE, PAGE);
    VALUE(msync(shared, 8 * PAGE, MS_SYNC));
    VALUE(msync(shared, 8 * PAGE, MS_ASYNC));
    VALUE(mlock(shared, PAGE));
    VALUE(msync(shared, PAGE, MS_INVALIDATE));
    VALUE(msync(shared, PAGE, MS_SYNC | MS_INVALIDATE));
    VALUE(munlock(shared, PAGE));
}

static void resident(const char *what, char *start)
{
    unsigned char found[4];
    if (mincore(start, 4 * PAGE, found))
        printf("%s %s\n", what, strerrorname_np(errno));
    else
        printf("%s %d%d%d%d\n", what, found[0] & 1, found[1] & 1, found[2] & 1, found[3] & 1);
}

static void in_core(char *shared)
{
    unsigned char found[64];
    VALUE(mincore(area + 8 * PAGE, 8 * PAGE, found));
    VALUE(mincore(area + 8 * PAGE + 1, PAGE, found));
    VALUE(mincore(area, 0, found));
    VALUE(mincore(area, 16 * PAGE, (void *)1));
    VALUE(mincore((void *)0x7ffff0000000, -1UL, found));
    VALUE(mincore(shared, 8 * PAGE, found));
    resident("file", shared);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, file, 0);
    resident("privately", private);
    private[2 * PAGE] = 1;
    resident("with a copy", private);
    char *anonymous = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    touch(anonymous, 0), touch(anonymous + PAGE, 1);
    resident("anonymous", anonymous);
    char *memory = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    touch(memory, 0), touch(memory + PAGE, 1);
    resident("shared", memory);
    char *again = mremap(memory, 0, 4 * PAGE, MREMAP_MAYMOVE);
    resident("a second time", again);
    VALUE(madvise(again, PAGE, MADV_REMOVE));
    resident("first gone", memory);
    int program = open("/proc/self/exe", O_RDONLY);
    char *image = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, program, 0);
    touch(image, 0);
    resident("program", image);
    close(program);
}

static void advice(void)
{
    char *anonymous = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, file, 0);
    char *large = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, file, 0);
    VALUE(madvise(anonymous, PAGE, MADV_REMOVE));
    VALUE(madvise(shared, PAGE, MADV_FREE));
    VALUE(madvise(shared, PAGE, MADV_REMOVE));
    VALUE(madvise(private, PAGE, MADV_REMOVE));
    VALUE(madvise(private, PAGE, MADV_FREE));
    VALUE(madvise(shared, PAGE, MADV_WIPEONFORK));
    VALUE(madvise(anonymous, PAGE, MADV_COLD));
    VALUE(madvise(anonymous, PAGE, MADV_WILLNEED));
    VALUE(madvise(anonymous, PAGE, 5));
    VALUE(madvise(anonymous, PAGE, 26));
    VALUE(madvise(anonymous, -1, MADV_DONTNEED));
    VALUE(madvise(area, PAGE, MADV_POPULATE_READ));
    VALUE(madvise(area, PAGE, MADV_POPULATE_WRITE));
    VALUE(madvise(large, 16 * PAGE, MADV_POPULATE_READ));
    VALUE(madvise(large, 8 * PAGE, MADV_POPULATE_WRITE));
    VALUE(mlock(large, 16 * PAGE));
    VALUE(munlock(large, 16 * PAGE));
    VALUE(mlock(area, PAGE));
    VALUE(mlock2(anonymous, 4 * PAGE, MLOCK_ONFAULT));
    VALUE(mlock2(anonymous, 4 * PAGE, 2));
    VALUE(madvise(anonymous, PAGE, MADV_DONTNEED));
    VALUE(madvise(anonymous, PAGE, MADV_DONTNEED_LOCKED));
    VALUE(munlock(anonymous, 4 * PAGE));
    VALUE(mlockall(0));
    VALUE(mlockall(4));
    VALUE(mlockall(8));
}

#define REMAP(from, old, new, ...) \
    show("mremap(" #from ", " #old ", " #new ", " #__VA_ARGS__ ")", \
         mremap(from, old, new, __VA_ARGS__) == MAP_FAILED ? -1 : 0)

static void moving(void)
{
    char *at = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    at[PAGE] = 3;
    REMAP(at, 4 * PAGE, 4 * PAGE, 4);
    REMAP(at, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | 4, NULL);
    REMAP(at, PAGE, PAGE, MREMAP_FIXED, area);
    REMAP(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + PAGE);
    REMAP(at, 0, 4 * PAGE, MREMAP_MAYMOVE);
    REMAP(at + 1, PAGE, PAGE, 0);
    REMAP(at, 4 * PAGE, 0, 0);
    char *moved = mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | 4, NULL);
    printf("moved %d, left %d\n", moved[PAGE], at[PAGE]);
    /* a part of a mapping to just in front of the rest, where the two are one again */
    char *three = mmap(NULL, 3 * PAGE, RW, ANON, -1, 0);
    three[0] = 1, three[PAGE] = 2, three[2 * PAGE] = 3;
    moved = mmap(NULL, 16 * PAGE, PROT_NONE, ANON, -1, 0);
    moved = mremap(three + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved + 7 * PAGE);
    moved = mremap(three, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved - 2 * PAGE);
    printf("together %d%d%d\n", moved[0], moved[PAGE], moved[2 * PAGE]);
    VALUE(munmap(moved, 3 * PAGE));
}

static void kinds(void)
{
    int folder = open("/tmp", O_RDONLY), path = open("/tmp", O_PATH), null = open("/dev/null", O_RDWR);
    int zero = open("/dev/zero", O_RDWR), ends[2];
    MAP(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0);
    MAP(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x80000, file, 0);
    MAP(NULL, PAGE, RW, ANON | MAP_HUGETLB, -1, 0);
    MAP(NULL, PAGE, RW, MAP_PRIVATE, file, 0x7ffffffffffff000);
    MAP(NULL, PAGE, RW, 0, file, 0);
    MAP(NULL, PAGE, 8, ANON, -1, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, folder, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0);
    MAP(NULL, PAGE, RW, MAP_PRIVATE, null, 0);
    char *zeros = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, zero, 0);
    printf("zeros %d %d\n", touch(zeros, 1), zeros[0]);
    pipe(ends);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0);
    VALUE(mprotect(area, PAGE, PROT_READ | 0x10));
    VALUE(mprotect(area + 1, PAGE, PROT_READ));
    VALUE(mprotect(area, 0, PROT_READ));
    VALUE(mprotect((void *)0x10000000, PAGE, PROT_READ));
    VALUE(mprotect(area, -1, PROT_READ));
    VALUE(munmap(area + 1, PAGE));
    VALUE(munmap(area, 0));
    VALUE(munmap((void *)0x7fffffffe000, 8 * PAGE));
    VALUE(munmap((void *)-4096, PAGE));
}

int main(void)
{
    static char alternate[65536], content[8 * PAGE];
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    sigaltstack(&stack, NULL);
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    setvbuf(stdout, NULL, _IONBF, 0);
    area = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0);
    file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    write(file, content, sizeof content);
    char *shared = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, file, 0);
    fixed();
    growing();
    writing_back(shared);
    in_core(shared);
    advice();
    moving();
    kinds();
    char *seen = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    shared[0] = 7;
    printf("seen %d", seen[0]);
    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE);
    printf(", after a hole %d %d\n", seen[0], shared[0]);
    return 0;
}
