/* Break one rule of memory protection, named by the argument. Each must end in the right signal. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned char code_as_data[] = {0xc3};

static void call(void *at)
{
    ((void (*)(void))at)();
}

static int overflow(int depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    return overflow(depth + 1) + room[0];
}

static void on_overflow(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    if (number == SIGSEGV)
        write(1, "caught\n", 7);
    _exit(0);
}

int main(int count, char **words)
{
    const char *rule = count > 1 ? words[1] : "";
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char local[] = {0xc3};
    if (!strcmp(rule, "null-read"))
        return *(volatile int *)0;
    if (!strcmp(rule, "null-write"))
        *(volatile int *)8 = 1;
    if (!strcmp(rule, "null-call"))
        call(NULL);
    if (!strcmp(rule, "low-map"))
        return mmap((void *)0x1000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    if (!strcmp(rule, "execute-stack"))
        call(local);
    if (!strcmp(rule, "execute-data"))
        call(code_as_data);
    if (!strcmp(rule, "execute-anonymous")) {
        page[0] = (char)0xc3;
        call(page);
    }
    if (!strcmp(rule, "execute-allowed")) {
        page[0] = (char)0xc3;
        mprotect(page, 4096, PROT_READ | PROT_EXEC);
        call(page);
        return 0;
    }
    if (!strcmp(rule, "write-own-code"))
        *(volatile char *)main = 1;
    if (!strcmp(rule, "write-read-only")) {
        mprotect(page, 4096, PROT_READ);
        *(volatile char *)page = 1;
    }
    if (!strcmp(rule, "write-kernel-code"))
        *(volatile char *)0xffffffff80100000 = 1;
    if (!strcmp(rule, "write-kernel-alias"))
        *(volatile char *)0xffff800000100000 = 1;
    if (!strcmp(rule, "execute-alias"))
        call((void *)0xffff800000100000);
    if (!strcmp(rule, "non-canonical"))
        return *(volatile int *)0x1234567812345678;
    if (!strcmp(rule, "hole"))
        return *(volatile int *)0xffff900000000000;
    if (!strcmp(rule, "overflow"))
        return overflow(0);
    if (!strcmp(rule, "overflow-caught")) {
        stack_t stack = {.ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ};
        struct sigaction action = {.sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaltstack(&stack, NULL);
        sigaction(SIGSEGV, &action, NULL);
        return overflow(0);
    }
    if (!strcmp(rule, "wild-stack"))
        __asm__ volatile("mov $0x10, %rsp; push %rax");
    if (!strcmp(rule, "kernel-stack-pointer"))
        __asm__ volatile("mov $0xffff900000000000, %rsp; push %rax");
    if (!strcmp(rule, "divide"))
        return count / (page[0] + 0);
    if (!strcmp(rule, "undefined"))
        __asm__ volatile("ud2");
    if (!strcmp(rule, "breakpoint"))
        __asm__ volatile("int3");
    return 3;
}
