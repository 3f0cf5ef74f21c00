/* Memory: mmap and its relatives, brk, faults, limits. */
#include "show.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define PAGE 4096

static sigjmp_buf back;
static int code;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    code = info->si_code;
    siglongjmp(back, number);
}

/* The signal that reading (or writing) one byte raises: 0 when it works. */
static int touch(volatile char *at, int writing)
{
    int number = sigsetjmp(back, 1);
    if (number)
        return number * 10 + code;
    if (writing)
        *at = 1;
    else
        (void)*at;
    return 0;
}

#define MAP(address, length, protection, flags) mmap(address, length, protection, flags, -1, 0)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void show_map(const char *name, void *at)
{
    show(name, at == MAP_FAILED ? -1 : 0);
}

static void mappings(void)
{
    char *p = MAP(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, ANON);
    show_map("mmap", p);
    printf("zeroed %d\n", p[5 * PAGE]);
    memset(p, 7, 10 * PAGE);
    VALUE(mprotect(p + PAGE, PAGE, PROT_READ));
    printf("read-only: read %d write %d\n", touch(p + PAGE, 0), touch(p + PAGE, 1));
    VALUE(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
    printf("none: %d\n", touch(p + 2 * PAGE, 0));
    VALUE(mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE));
    printf("again: %d %d\n", touch(p + 2 * PAGE, 1), p[2 * PAGE + 1]);
    VALUE(munmap(p + 4 * PAGE, PAGE));
    printf("hole: %d\n", touch(p + 4 * PAGE, 0));
    VALUE(mprotect(p, 10 * PAGE, PROT_READ));
    VALUE(munmap(p, 10 * PAGE));
    VALUE(munmap(p + 1, PAGE));
    VALUE(munmap(p, 0));
    show_map("length 0", MAP(NULL, 0, PROT_READ, ANON));
    show_map("no sharing flag", MAP(NULL, PAGE, PROT_READ, MAP_ANONYMOUS));
    show_map("huge", MAP(NULL, 1ul << 60, PROT_READ, ANON));
    show_map("bad fd", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0));
    show_map("odd offset", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 0, 5));
    show_map("fixed odd", MAP((void *)0x10001, PAGE, PROT_READ, ANON | MAP_FIXED));
    show_map("fixed beyond", MAP((void *)0x7ffffffff000, PAGE, PROT_READ, ANON | MAP_FIXED));
    p = MAP(NULL, PAGE, PROT_READ, ANON);
    show_map("no replace", MAP(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE));
    show_map("replace", MAP(p, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED));
    munmap(p, PAGE);
    p = MAP(NULL, 64ul << 30, PROT_NONE, ANON | MAP_NORESERVE);
    show_map("reservation", p);
    VALUE(mprotect(p + (32ul << 30), PAGE, PROT_READ | PROT_WRITE));
    printf("inside: %d\n", touch(p + (32ul << 30), 1));
    VALUE(munmap(p, 64ul << 30));
    printf("null: %d\n", touch(NULL, 0));
    printf("non-canonical: %d\n", touch((char *)0x8000000000000000, 0) / 10);
}

static void files(void)
{
    int fd = open("/tmp/krait-memory", O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(fd, "0123456789", 10);
    char *private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    show_map("private", private);
    show_map("shared", shared);
    private[0] = 'P';
    shared[1] = 'S';
    char text[16] = "";
    pread(fd, text, 10, 0);
    printf("%s %.3s %.3s tail %d\n", text, private, shared, shared[100]);
    printf("beyond the end: %d\n", touch(shared + PAGE, 0));
    ftruncate(fd, 2 * PAGE);
    printf("after growing: %d\n", touch(shared + PAGE, 1));
    VALUE(msync(shared, PAGE, MS_SYNC));
    VALUE(msync(shared + 1, PAGE, MS_SYNC));
    ftruncate(fd, 0);
    printf("after cutting: %d\n", touch(shared, 0));
    int ro = open("/tmp/krait-memory", O_RDONLY);
    show_map("shared writable of read-only", mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, ro, 0));
    char *readable = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
    show("mprotect to writable", mprotect(readable, PAGE, PROT_READ | PROT_WRITE));
    munmap(private, 2 * PAGE);
    munmap(shared, 2 * PAGE);
    close(fd);
    close(ro);
    unlink("/tmp/krait-memory");
}

static void moving(void)
{
    char *p = MAP(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, ANON);
    p[0] = 'a';
    p[3 * PAGE] = 'd';
    char *q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    show_map("grow", q);
    printf("%c%c%d\n", q[0], q[3 * PAGE], q[40 * PAGE]);
    char *large = MAP(NULL, 3 << 20, PROT_READ | PROT_WRITE, ANON);
    MAP(large - PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED_NOREPLACE);
    memset(large, 'k', 3 << 20);
    large = mremap(large, 3 << 20, 9 << 20, MREMAP_MAYMOVE);
    printf("large %c%c%d\n", large[0], large[(3 << 20) - 1], large[5 << 20]);
    munmap(large, 9 << 20);
    show_map("shrink", mremap(q, 64 * PAGE, PAGE, 0));
    printf("cut: %d\n", touch(q + PAGE, 0));
    show_map("bad flags", mremap(q, PAGE, PAGE, 8));
    show_map("unmapped", mremap((void *)0x100000, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    VALUE(madvise(q, PAGE, MADV_DONTNEED));
    printf("dropped %d\n", q[0]);
    VALUE(madvise(q, PAGE, 12345));
    VALUE(madvise(q + 1, PAGE, MADV_DONTNEED));
    munmap(q, PAGE);
    VALUE(madvise(q, PAGE, MADV_DONTNEED));
    unsigned char resident[2];
    p = MAP(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, ANON);
    p[0] = 1;
    VALUE(mincore(p, 2 * PAGE, resident));
    printf("resident %d %d\n", resident[0] & 1, resident[1] & 1);
    VALUE(mlock(p, PAGE));
    VALUE(munlock(p, PAGE));
    munmap(p, 2 * PAGE);
}

static void heap(void)
{
    char *start = sbrk(0);
    VALUE(brk(start + 100 * PAGE));
    memset(start, 3, 100 * PAGE);
    VALUE(brk(start + 10 * PAGE));
    printf("cut: %d\n", touch(start + 50 * PAGE, 0));
    VALUE(brk(start));
    VALUE(brk((char *)-1));
}

static int deep(int n)
{
    volatile char room[1024];
    room[0] = n;
    return n == 0 ? 0 : deep(n - 1) + room[0] * 0;
}

static void stacks(void)
{
    printf("deep %d\n", deep(5000));
    struct rlimit limit;
    VALUE(getrlimit(RLIMIT_STACK, &limit));
    printf("stack %ld\n", (long)limit.rlim_cur);
    VALUE(getrlimit(99, &limit));
}

int main(void)
{
    static char alternate[65536];
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    sigaltstack(&stack, NULL);
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    mappings();
    files();
    moving();
    heap();
    stacks();
    return 0;
}
