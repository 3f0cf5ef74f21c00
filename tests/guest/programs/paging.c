/* Pages where a range is huge, has holes, or is only half there; and what limits a program's memory. */
#include "show.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define HOLE (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static long blocks(int file)
{
    struct stat status;
    fstat(file, &status);
    return status.st_blocks;
}

/* A hole costs what is in it, not what it covers: the kernel once looked at each of 2^34 pages. */
static void holes(void)
{
    int file = memfd_create("holes", 0);
    char byte = 9;
    VALUE(ftruncate(file, 1ul << 46));
    VALUE(pwrite(file, "abc", 3, 1ul << 45));
    VALUE(fallocate(file, HOLE, 100, (1ul << 46) - 200));
    VALUE(pread(file, &byte, 1, 1ul << 45));
    VALUE(byte);
    VALUE(blocks(file));
    char *shown = mmap(NULL, 1ul << 40, RW, MAP_SHARED, file, 0);
    shown[1ul << 30] = 4;
    VALUE(madvise(shown, 1ul << 40, MADV_REMOVE));
    VALUE(shown[1ul << 30]);
    munmap(shown, 1ul << 40);
    close(file);
}

/* What cannot be allocated as a whole is not allocated at all. */
static void allocations(void)
{
    int file = open("/dev/shm/paging", O_CREAT | O_RDWR, 0600);
    unlink("/dev/shm/paging");
    VALUE(pwrite(file, "x", 1, 5 * PAGE));
    VALUE(fallocate(file, 0, 0, 1ul << 50));
    VALUE(blocks(file));
    VALUE(fallocate(file, FALLOC_FL_KEEP_SIZE, 1ul << 50, 1ul << 50));
    VALUE(blocks(file));
    VALUE(fallocate(file, 0, PAGE, 6 * PAGE));
    VALUE(blocks(file));
    VALUE(lseek(file, 0, SEEK_END));
    close(file);
}

static void on_alarm(int number)
{
    (void)number;
}

/* Random bytes take long, so a signal ends that; what fits of them is given. */
static void random_bytes(void)
{
    unsigned long much = 1ul << 30;
    char *area = mmap(NULL, much, RW, ANON | MAP_NORESERVE, -1, 0);
    int file = open("/dev/urandom", O_RDONLY);
    signal(SIGALRM, on_alarm);
    for (int way = 0; way < 2; way++) {
        struct itimerval soon = {{0, 0}, {0, 50000}};
        setitimer(ITIMER_REAL, &soon, NULL);
        long given = way ? getrandom(area, much, 0) : read(file, area, much);
        VALUE(given > 0 && given < (long)much);
    }
    munmap(area + 2 * PAGE, much - 2 * PAGE);
    VALUE(getrandom(area + 2 * PAGE - 300, 1000, 0));
    VALUE(read(file, area + 2 * PAGE - 3, 1000));
    VALUE(getrandom(area + 2 * PAGE, 1000, 0));
    close(file);
}

static char *two_pages(int file)
{
    char *area = mmap(NULL, 3 * PAGE, file < 0 ? RW : PROT_READ, file < 0 ? ANON : MAP_PRIVATE, file, 0);
    munmap(area + 2 * PAGE, PAGE);
    return area;
}

/* A copy that comes to where nothing is mapped has done what comes before. */
static void halves(const char *self)
{
    int image = open(self, O_RDONLY);
    int file = memfd_create("halves", 0);
    int zero = open("/dev/zero", O_RDONLY);
    VALUE(pwrite(file, two_pages(image) + PAGE + 2048, 4096, 0));
    VALUE(pwrite(file, two_pages(-1) + PAGE + 2048, 4096, 0));
    VALUE(pwrite(file, two_pages(-1) + 2048, 3 * 4096, 0));
    VALUE(pwrite(file, two_pages(-1) + 2 * PAGE, 1, 0));
    VALUE(pread(file, two_pages(-1) + PAGE + 2048, 4096, 0));
    VALUE(pread(file, two_pages(-1) + PAGE + 2048, 4096, 3));
    VALUE(pread(file, two_pages(-1) + PAGE + 5, 4096, 3));
    VALUE(pread(file, two_pages(-1) + 2 * PAGE, 1, 0));
    VALUE(pread(image, two_pages(-1) + PAGE + 2048, 4096, 0));
    VALUE(read(zero, two_pages(-1) + PAGE + 2048, 4096));
    int ends[2];
    VALUE(pipe2(ends, O_NONBLOCK));
    VALUE(write(ends[1], two_pages(-1) + 2 * PAGE - 10, 20));
    VALUE(write(ends[1], two_pages(image) + PAGE - 10, 20));
    VALUE(read(ends[0], two_pages(-1), 2 * PAGE));
    close(zero);
    close(file);
    close(image);
}

/* A segment of which a page is left in the middle of 64 TiB is found without looking at each page. */
static void segments(void)
{
    int id = shmget(IPC_PRIVATE, 1ul << 46, IPC_CREAT | SHM_NORESERVE | 0600);
    char *at = shmat(id, NULL, 0);
    SHOW(at == (void *)-1 ? -1 : 0);
    at[1ul << 45] = 1;
    VALUE(munmap(at, 1ul << 45));
    VALUE(munmap(at + (1ul << 45) + PAGE, (1ul << 45) - PAGE));
    VALUE(shmdt(at));
    VALUE(msync(at + (1ul << 45), PAGE, MS_SYNC));
    VALUE(shmctl(id, IPC_RMID, NULL));
}

/* A mapping of /dev/zero is like one of no file. */
static void zeros(void)
{
    int file = open("/dev/zero", O_RDWR);
    char *at = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, file, 0);
    at[0] = 5;
    VALUE(madvise(at, PAGE, MADV_DONTNEED));
    VALUE(at[0]);
    char *again = mremap(at, 0, 4 * PAGE, MREMAP_MAYMOVE);
    again[1] = 7;
    VALUE(at[1] + again[0]);
    char *own = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, file, 0);
    own[0] = 5;
    VALUE(madvise(own, PAGE, MADV_FREE));
    VALUE(madvise(own, PAGE, MADV_DONTNEED));
    VALUE(own[0]);
    close(file);
    file = open("/dev/full", O_RDWR);
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED ? -1 : 0);
    char byte = 1;
    VALUE(read(file, &byte, 1) + byte);
    VALUE(write(file, &byte, 1));
    close(file);
}

static void places(void)
{
    char *at = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);
    unsigned char resident[8];
    mprotect(at + 4 * PAGE, PAGE, PROT_READ);
    VALUE(mremap(at, 8 * PAGE, 8 * PAGE, 0) == at);
    VALUE(mremap(at, 8 * PAGE, 2 * PAGE, 0) == at);
    VALUE(mincore(at, 2 * PAGE, resident));
    VALUE(mincore(at + 2 * PAGE, PAGE, resident));
    VALUE(mincore(at + 5 * PAGE, PAGE, resident));
    at = mmap(NULL, 8 * PAGE, RW, ANON | MAP_32BIT, -1, 0);
    VALUE((unsigned long)at + 8 * PAGE <= 1ul << 31);
    VALUE(mmap(at, PAGE, RW, ANON | MAP_32BIT, -1, 0) != at);
    munmap(at, PAGE);
    VALUE(mmap(at, PAGE, RW, ANON | MAP_32BIT, -1, 0) == at);
    SHOW(mmap(NULL, 1ul << 32, PROT_NONE, ANON | MAP_32BIT | MAP_NORESERVE, -1, 0) == MAP_FAILED ? -1 : 0);
    VALUE((unsigned long)mmap((void *)(1ul << 40), PAGE, RW, ANON, -1, 0) == 1ul << 40);
    VALUE((unsigned long)mmap((void *)(1ul << 41), PAGE, RW, ANON | MAP_32BIT, -1, 0) < 1ul << 31);
}

static long status(const char *name)
{
    static char text[1 << 16];
    int file = open("/proc/self/status", O_RDONLY);
    text[read(file, text, sizeof text - 1)] = 0;
    close(file);
    return atol(strstr(text, name) + strlen(name) + 1);
}

static sigjmp_buf back;

static void on_fault(int number)
{
    siglongjmp(back, number);
}

/* The signal that writing one byte raises: 0 when it works. */
static int touch(volatile char *at)
{
    int number = sigsetjmp(back, 1);
    if (number)
        return number;
    *at = 1;
    return 0;
}

/* Up to a hole everything is done. */
static void up_to_holes(void)
{
    char *at = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);
    munmap(at + 4 * PAGE, PAGE);
    VALUE(mlock(at, 8 * PAGE));
    VALUE(status("VmLck:"));
    VALUE(munlock(at + PAGE, 7 * PAGE));
    VALUE(status("VmLck:"));
    VALUE(munlockall());
    VALUE(mprotect(at, 8 * PAGE, PROT_READ));
    VALUE(touch(at));
    VALUE(touch(at + 6 * PAGE));
    VALUE(mprotect(at + 4 * PAGE, 4 * PAGE, PROT_READ));
    VALUE(touch(at + 6 * PAGE));
}

static void limit(int which, unsigned long most)
{
    struct rlimit limits;
    getrlimit(which, &limits);
    limits.rlim_cur = most;
    setrlimit(which, &limits);
}

/* A limit counts from the call that sets it, for the stack too. */
static void limits(void)
{
    char *stack = __builtin_frame_address(0);
    char *at = mmap(NULL, 1 << 20, RW, ANON, -1, 0);
    long size = status("VmSize:");
    SHOW(munmap(mmap(NULL, 64 << 20, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), 64 << 20));
    VALUE(status("VmPeak:") - size >= 64 << 10);
    VALUE(status("VmSize:") - size);
    limit(RLIMIT_AS, (status("VmSize:") + 512) << 10);
    SHOW(mremap(at, 1 << 20, 1 << 20, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) == MAP_FAILED ? -1 : 0);
    VALUE(touch(stack - (400 << 10)));
    VALUE(touch(stack - (4000 << 10)));
    VALUE(touch(stack - (400 << 10)));
    limit(RLIMIT_AS, RLIM_INFINITY);
    limit(RLIMIT_STACK, 1 << 20);
    VALUE(touch(stack - (2000 << 10)));
    limit(RLIMIT_STACK, 64 << 20);
    VALUE(touch(stack - (60 << 20)));
    if (setresuid(65534, 65534, 65534))
        perror("setresuid");
    limit(RLIMIT_MEMLOCK, 512 << 10);
    VALUE(mlockall(MCL_FUTURE));
    SHOW(sbrk(64 << 10) == (void *)-1 ? -1 : 0);
    SHOW(sbrk(1 << 20) == (void *)-1 ? -1 : 0);
    VALUE(munlockall());
}

int main(int count, char **words)
{
    (void)count;
    stack_t apart = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    sigaltstack(&apart, NULL);
    sigaction(SIGSEGV, &action, NULL);
    holes();
    allocations();
    random_bytes();
    halves(words[0]);
    segments();
    zeros();
    places();
    up_to_holes();
    limits();
    return 0;
}
