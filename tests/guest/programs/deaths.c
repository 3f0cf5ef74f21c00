/* Dies, or handles what would have been its death, in the way that its first argument names. With a
 * second argument every signal has a handler, on an alternate stack, that prints what it was told. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int zero;

static int deeper(int n)
{
    volatile char page[4096];
    page[0] = n;
    return n > 1000000 ? 0 : deeper(n + 1) + page[0];
}

static void handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    greg_t *registers = interrupted->uc_mcontext.gregs;
    int has_address = signo == SIGILL || (signo == SIGSEGV && (unsigned long)info->si_addr < 1 << 24);
    printf("signal %d code %d address %p trap %lld error %llx cs %llx\n", signo, info->si_code,
           has_address ? info->si_addr : NULL, registers[REG_TRAPNO], registers[REG_ERR],
           registers[REG_CSGSFS] & 0xffff);
    fflush(stdout);
    _exit(9);
}

static void handle_all(void)
{
    static char stack[65536];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaltstack(&alternate, NULL);
    for (int signo = 1; signo < 32; signo++)
        sigaction(signo, &action, NULL);
}

int main(int count, char **arguments)
{
    const char *way = arguments[1];
    if (count > 2)
        handle_all();
    if (!strcmp(way, "null"))
        *(volatile int *)0 = 1;
    if (!strcmp(way, "low"))
        return *(volatile int *)0x1000;
    if (!strcmp(way, "divide"))
        __asm__ volatile("xorl %%edx, %%edx; divl %0" : : "r"(zero), "a"(1) : "edx");
    if (!strcmp(way, "no-room")) { /* for the frame of SIGILL; SIGSEGV may have another stack */
        struct sigaction action;
        sigaction(SIGILL, NULL, &action);
        action.sa_flags &= ~SA_ONSTACK;
        sigaction(SIGILL, &action, NULL);
        __asm__ volatile("movq $0x1000, %rsp; ud2");
    }
    if (!strcmp(way, "no-stack")) {
        sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = _exit }, NULL);
        __asm__ volatile("movq $0x1000, %rsp; movl $0, 0");
    }
    if (!strcmp(way, "illegal"))
        __asm__("ud2");
    if (!strcmp(way, "breakpoint"))
        __asm__("int3");
    if (!strcmp(way, "halt"))
        __asm__("hlt");
    if (!strcmp(way, "step"))
        __asm__("pushf; orl $0x100, (%rsp); popf; nop; nop");
    if (!strcmp(way, "stack"))
        return deeper(0);
    if (!strcmp(way, "abort"))
        abort();
    if (!strcmp(way, "terminate"))
        kill(getpid(), SIGTERM);
    if (!strcmp(way, "kill"))
        kill(getpid(), SIGKILL);
    if (!strcmp(way, "real-time"))
        kill(getpid(), 40);
    if (!strcmp(way, "pipe")) {
        int ends[2];
        if (pipe(ends) || close(ends[0]))
            return 1;
        return write(ends[1], "x", 1) != 1;
    }
    if (!strcmp(way, "non-canonical"))
        *(volatile int *)0x8000000000000000 = 1;
    if (!strcmp(way, "no-execute")) {
        char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        code[0] = 0xc3;
        ((void (*)(void))code)();
    }
    if (!strcmp(way, "read-only"))
        *(volatile char *)"text" = 1;
    if (!strcmp(way, "jump"))
        ((void (*)(void))0x123456)();
    if (!strcmp(way, "far-jump"))
        ((void (*)(void))0x8000000000000000)();
    if (!strcmp(way, "behind-file")) {
        int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        if (ftruncate(file, 4096))
            return 1;
        char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        pages[4096] = 1;
    }
    if (!strcmp(way, "timer")) {
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGABRT };
        timer_t timer;
        timer_create(CLOCK_MONOTONIC, &event, &timer);
        timer_settime(timer, 0, &(struct itimerspec){ { 0, 0 }, { 0, 1000 } }, NULL);
        pause();
    }
    if (!strcmp(way, "alarm")) {
        alarm(1);
        pause();
    }
    return 0;
}
