/* `hlt`: executed in every way it must be a fault, and never where a program only comes to the place
 * behind one. Interrupts come all the while, at a block's first instruction where a machine is
 * emulated, and each loop's block begins there. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096
#define ROUND_NS 150000000

static sigjmp_buf back;
static volatile sig_atomic_t ticks;
static void *volatile fault_at;

static void on_fault(int signo, siginfo_t *info, void *context)
{
    fault_at = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    siglongjmp(back, 1);
}

static void on_tick(int signo)
{
    ticks++;
}

/* Functions of one `hlt` each, in pages of their own so that it can be said what is in them. */
__asm__(".pushsection .text.halts, \"ax\"\n"
        ".balign 4096\n"
        "halts: hlt\n"
        "ret\n"
        ".fill 62, 1, 0x90\n"
        "second: hlt\n"
        "ret\n"
        ".balign 4096\n"
        "halts_end:\n"
        /* Comes to the place behind the `hlt` by a jump over it, a conditional jump from afar whose
         * flags are lost, a jump through a register, and a call. */
        "over: jmp 1f\n"
        "hlt\n"
        "1: dec %rdi\n"
        "jnz over\n"
        "ret\n"
        "afar: cmp %rdi, %rdi\n"
        "je 1f\n"
        ".fill 200, 1, 0x90\n"
        "hlt\n"
        "1: dec %rdi\n"
        "jnz afar\n"
        "ret\n"
        "through: lea 1f(%rip), %rax\n"
        "2: jmp *%rax\n"
        "hlt\n"
        "1: dec %rdi\n"
        "jnz 2b\n"
        "ret\n"
        "called: call 1f\n"
        "dec %rdi\n"
        "jnz called\n"
        "ret\n"
        "hlt\n"
        "1: ret\n"
        ".popsection\n");
extern char halts[], second[], halts_end[];
void over(long), afar(long), through(long), called(long);

static long offset_of(const char *code)
{
    uintptr_t address = (uintptr_t)code;
    const Elf64_Phdr *segment = (const Elf64_Phdr *)getauxval(AT_PHDR);
    for (unsigned long i = getauxval(AT_PHNUM); i > 0; i--, segment++)
        if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz)
            return segment->p_offset + (address - segment->p_vaddr);
    return -1;
}

static void execute(const char *what, char *at)
{
    fault_at = NULL;
    if (!sigsetjmp(back, 1)) {
        ((void (*)(void))at)();
        printf("%s: goes on\n", what);
        return;
    }
    printf("%s: %s\n", what, fault_at == at ? "fault" : "fault elsewhere");
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void pass(const char *what, void (*loop)(long))
{
    int64_t end = now() + ROUND_NS;
    ticks = 0;
    if (!sigsetjmp(back, 1)) {
        while (now() < end || ticks < 20)
            loop(100000);
        printf("%s: passes\n", what);
    } else {
        printf("%s: taken for a fault\n", what);
    }
}

/* Map the page of `halts` from the file again; `touch` reads or writes it before it is executable. */
static void map_again(const char *what, int file, long offset, int before, int after, char write)
{
    char *page = mmap(NULL, PAGE, before, MAP_PRIVATE, file, offset);
    if (page == MAP_FAILED) {
        perror(what);
        return;
    }
    volatile char *bytes = page;
    if ((before & (PROT_READ | PROT_EXEC)) == PROT_READ && (unsigned char)bytes[0] != 0xf4)
        printf("%s: not a hlt\n", what);
    if (write)
        bytes[second - halts] = write;
    if (before != after && mprotect(page, PAGE, after))
        perror(what);
    execute(what, page);
    if (write) {
        fault_at = NULL;
        if (!sigsetjmp(back, 1)) {
            ((void (*)(void))(page + (second - halts)))();
            printf("%s: what was written there is executed\n", what);
        }
    }
    munmap(page, PAGE);
}

/* A listed file that is mapped to be executed and written to in all ways: what was written is executed. */
static void written_to(const char *path, long offset)
{
    int file = open(path, O_RDWR), executable = PROT_READ | PROT_EXEC;
    char *private = mmap(NULL, 2 * PAGE, executable, MAP_PRIVATE, file, offset);
    char *shared = mmap(NULL, 2 * PAGE, executable, MAP_SHARED, file, offset);
    char *later = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, file, offset);
    char *own = mmap(NULL, 2 * PAGE, executable | PROT_WRITE, MAP_PRIVATE, file, offset);
    volatile char *writable = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
    char *both = mmap(NULL, 2 * PAGE, executable | PROT_WRITE, MAP_SHARED, file, offset);
    printf("read before it is executable: %d\n", later[PAGE] + later[0]);
    printf("mprotect: %d\n", mprotect(later, 2 * PAGE, executable));
    char *mappings[] = { private, shared, later, both };
    const char *names[] = { "private", "shared", "executable later", "writable and executable" };
    for (int i = 0; i < 4; i++) {
        execute(names[i], mappings[i]);
        execute(names[i], mappings[i] + PAGE + 2);
    }
    own[PAGE - 1] = 1;
    printf("hidden: %d\n", mprotect(private, 2 * PAGE, PROT_NONE));
    printf("shown: %d\n", mprotect(private, 2 * PAGE, executable));
    printf("write: %zd\n", pwrite(file, "\xc3", 1, offset));
    for (int i = 0; i < 4; i++)
        execute(names[i], mappings[i]);
    execute("a program's own copy", own);
    writable[PAGE + 2] = (char)0xc3;
    printf("msync: %d\n", msync((void *)writable, 2 * PAGE, MS_SYNC));
    for (int i = 0; i < 4; i++)
        execute(names[i], mappings[i] + PAGE + 2);
    both[0] = (char)0x90;
    both[1] = (char)0xc3;
    execute("written through the executable mapping", private);
    printf("in the file: %zd\n", pread(file, own, 2, offset));
    printf("%x %x\n", (unsigned char)own[0], (unsigned char)own[1]);
}

int main(int count, char **words)
{
    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
    struct sigaction tick = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
    struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGALRM, &tick, NULL);

    if (count == 2) /* the file that was started is free to be written to when this is another's */
        return execl(words[1], words[1], "written", words[0], NULL);
    if (count == 3) {
        written_to(words[2], offset_of(halts));
        return 0;
    }
    for (int turn = 0; turn < 3; turn++)
        execute("executed", halts);
    execute("executed in the middle of a page", second);
    int file = open("/proc/self/exe", O_RDONLY);
    long offset = offset_of(halts);
    map_again("mapped to be executed", file, offset, PROT_EXEC, PROT_EXEC, 0);
    map_again("read, then executable", file, offset, PROT_READ, PROT_READ | PROT_EXEC, 0);
    map_again("written, then executable", file, offset, PROT_READ | PROT_WRITE,
              PROT_READ | PROT_EXEC, (char)0xc3);
    map_again("writable and executable", file, offset, PROT_READ | PROT_WRITE | PROT_EXEC,
              PROT_READ | PROT_WRITE | PROT_EXEC, (char)0xc3);
    map_again("not accessible, then executable", file, offset, PROT_NONE, PROT_READ | PROT_EXEC, 0);
    unsigned char byte = 0;
    ssize_t length = pread(file, &byte, 1, offset);
    printf("in the file: %zd %x\n", length, byte);

    setitimer(ITIMER_REAL, &often, NULL);
    pass("jump over", over);
    pass("jump from afar", afar);
    pass("jump through a register", through);
    pass("call", called);
    return 0;
}
