/* vm.overcommit_memory in its three modes, in a machine of one's own. */
#include "show.h"
#include <sys/mman.h>
#include <sys/shm.h>

#define KIB 1024L
#define MIB (1L << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

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

static void put(const char *name, const char *value)
{
    char path[100];
    snprintf(path, sizeof path, "/proc/sys/vm/%s", name);
    int file = open(path, O_WRONLY);
    long written = write(file, value, strlen(value));
    printf("%s = %s: %s\n", name, value, written < 0 ? strerrorname_np(errno) : "taken");
    close(file);
}

static void get(const char *name)
{
    char path[100], text[100];
    snprintf(path, sizeof path, "/proc/sys/vm/%s", name);
    int file = open(path, O_RDONLY);
    printf("%s: %.*s", name, (int)read(file, text, sizeof text), text);
    close(file);
}

static void *map(const char *what, long size, int rights, int flags)
{
    void *at = mmap(NULL, size, rights, flags, -1, 0);
    printf("%s: %s\n", what, at == MAP_FAILED ? strerrorname_np(errno) : "ok");
    return at;
}

static void drop(void *at, long size)
{
    if (at != MAP_FAILED)
        munmap(at, size);
}

static void kinds(void)
{
    long total = meminfo("MemTotal") * KIB;
    drop(map("all memory", total, RW, ANON), total);
    drop(map("more than there is", 2 * total, RW, ANON), 2 * total);
    drop(map("unreserved", 1L << 42, RW, ANON | MAP_NORESERVE), 1L << 42);
    drop(map("no rights", 1L << 42, PROT_NONE, ANON), 1L << 42);
    drop(map("read-only", 1L << 42, PROT_READ, ANON), 1L << 42);
    char *at = mmap(NULL, 2 * total, PROT_READ, ANON, -1, 0);
    VALUE(mprotect(at, 2 * total, RW));
    munmap(at, 2 * total);
    at = mmap(NULL, MIB, RW, ANON, -1, 0);
    void *moved = mremap(at, MIB, 2 * total, MREMAP_MAYMOVE);
    printf("mremap: %s\n", moved == MAP_FAILED ? strerrorname_np(errno) : "ok");
    munmap(moved == MAP_FAILED ? at : moved, moved == MAP_FAILED ? MIB : 2 * total);
    drop(map("shared", 2 * total, RW, MAP_SHARED | MAP_ANONYMOUS), 2 * total);
    void *end = sbrk(2 * total);
    printf("brk: %s\n", end == (void *)-1 ? strerrorname_np(errno) : "ok");
    if (end != (void *)-1)
        brk(end);
    int id = shmget(IPC_PRIVATE, 2 * total, 0600);
    printf("shmget: %s\n", id < 0 ? strerrorname_np(errno) : "ok");
    if (id >= 0)
        shmctl(id, IPC_RMID, NULL);
}

/* What they cost. A device that the kernel starts meanwhile takes memory, too, but does so once. */
static void reservations(void)
{
    long cost, used, lost = 1;
    int changed = -1, reserved = 0;
    for (int round = 0; round < 5 && lost != 0; round++) {
        long before = meminfo("MemFree");
        char *none = mmap(NULL, 8L << 40, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
        char *unreserved = mmap(NULL, 8L << 40, RW, ANON | MAP_NORESERVE, -1, 0);
        reserved = none != MAP_FAILED && unreserved != MAP_FAILED;
        cost = before - meminfo("MemFree");
        madvise(unreserved, 8L << 40, MADV_NOHUGEPAGE);
        unreserved[4L << 40] = 1;
        changed = mprotect(none + (3L << 40), 4096, RW);
        none[3L << 40] = 1;
        used = before - meminfo("MemFree");
        munmap(none, 8L << 40);
        munmap(unreserved, 8L << 40);
        lost = before - meminfo("MemFree");
    }
    printf("reserved %d\ncost %ld\n", reserved, cost);
    printf("mprotect(none + (3L << 40), 4096, RW): %d\n", changed);
    printf("used %d\nlost %ld\n", used < 40, lost);
}

static void step(const char *what)
{
    static long before = -1;
    long now = meminfo("Committed_AS");
    printf("%s %ld\n", what, before < 0 ? 0 : now - before);
    before = now;
}

static void accounting(void)
{
    meminfo("MemTotal");
    step("start"), step("nothing");
    char *at = mmap(NULL, MIB, RW, ANON, -1, 0);
    step("writable");
    char *read_only = mmap(NULL, MIB, PROT_READ, ANON, -1, 0);
    step("read-only");
    mprotect(read_only, MIB / 2, RW);
    step("half of it");
    mprotect(read_only, MIB / 2, PROT_READ);
    step("back");
    munmap(read_only, MIB);
    step("gone");
    munmap(at + MIB / 4, MIB / 4);
    step("a quarter");
    at = mremap(at, MIB / 4, MIB / 2, MREMAP_MAYMOVE);
    step("moved and larger");
    char *shared = mmap(NULL, 2 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    step("shared");
    munmap(shared, MIB);
    step("half of that");
    munmap(shared + MIB, MIB);
    step("all of that");
    int file = open("/tmp/pages", O_CREAT | O_RDWR, 0600);
    static char bytes[64 * KIB];
    write(file, bytes, sizeof bytes);
    step("file");
    char *mapped = mmap(NULL, sizeof bytes, RW, MAP_SHARED, file, 0);
    step("mapped");
    char *copy = mmap(NULL, sizeof bytes, RW, MAP_PRIVATE, file, 0);
    step("privately");
    munmap(mapped, sizeof bytes);
    munmap(copy, sizeof bytes);
    close(file);
    unlink("/tmp/pages");
    step("removed");
}

static void limited(void)
{
    long total = meminfo("MemTotal") / 4;
    printf("limit %d\n", meminfo("CommitLimit") == total * 50 / 100 * 4);
    put("overcommit_ratio", "25");
    get("overcommit_kbytes");
    printf("limit %d\n", meminfo("CommitLimit") == total * 25 / 100 * 4);
    put("overcommit_kbytes", "40000");
    get("overcommit_ratio");
    printf("limit %ld\n", meminfo("CommitLimit"));
    long rest = (meminfo("CommitLimit") - meminfo("Committed_AS")) * KIB;
    char *most = map("the rest", rest, RW, ANON);
    map("a page more", 4096, RW, ANON | MAP_NORESERVE);
    map("a file page more", 4096, PROT_READ, ANON);
    drop(most, rest);
    drop(map("half", rest / 2, RW, ANON), rest / 2);
    put("overcommit_ratio", "50");
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    get("overcommit_memory"), get("overcommit_ratio"), get("overcommit_kbytes");
    put("overcommit_memory", "3");
    put("overcommit_memory", "x");
    accounting();
    reservations();
    kinds();
    put("overcommit_memory", "1\n");
    kinds();
    put("overcommit_memory", "2");
    get("overcommit_memory");
    limited();
    kinds();
    put("overcommit_memory", "0");
    return 0;
}
