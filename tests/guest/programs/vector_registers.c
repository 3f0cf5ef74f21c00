/* Arithmetic in all vector, x87 and MXCSR state on many threads that are preempted anywhere and get signals anywhere.
 * A value that changed by itself is counted. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define THREADS 24

struct state {
    uint64_t vectors[16][4];
    double x87[8];
    uint32_t mxcsr;
    uint16_t control;
} __attribute__((aligned(64)));

static atomic_int wrong, rounds, signals;
static volatile int going = 1;
static int has_avx;

static void clobber(int signo)
{
    signals++;
    uint32_t other = 0x1f80 | 0x6000;
    __asm__ volatile("fninit; fldpi; fldpi; ldmxcsr %0; pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15"
                     ::"m"(other) : "xmm0", "xmm7", "xmm15");
    if (has_avx)
        __asm__ volatile("vcmpps $15, %%ymm3, %%ymm3, %%ymm3; vcmpps $15, %%ymm12, %%ymm12, %%ymm12" ::: "xmm3", "xmm12");
}

#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_WIDE(n) "vmovdqu 32*" #n "(%0), %%ymm" #n "\n\t"
#define STORE_WIDE(n) "vmovdqu %%ymm" #n ", 32*" #n "(%1)\n\t"
#define ADD_WIDE(n) "vaddps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n\t"
#define LOAD(n) "movdqu 32*" #n "(%0), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", 32*" #n "(%1)\n\t"
#define ADD(n) "addps %%xmm" #n ", %%xmm" #n "\n\t"
#define X87_LOAD "fldl 512(%0); fldl 520(%0); fldl 528(%0); fldl 536(%0); fldl 544(%0); fldl 552(%0); fldl 560(%0); fldl 568(%0)\n\t"
#define X87_STORE "fstpl 568(%1); fstpl 560(%1); fstpl 552(%1); fstpl 544(%1); fstpl 536(%1); fstpl 528(%1); fstpl 520(%1); fstpl 512(%1)\n\t"
#define ALL "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define TURN(x87_load, x87_store, load, add, store) \
    __asm__ volatile("ldmxcsr 576(%0); fldcw 580(%0)\n\t" x87_load EACH(load) \
                     "1:" EACH(add) "dec %2; jnz 1b\n\t" \
                     "mov %3, %%eax; syscall\n\t" "mov $20000, %%ecx; 2: pause; dec %%ecx; jnz 2b\n\t" \
                     EACH(store) x87_store "stmxcsr 576(%1); fstcw 580(%1)\n\t" \
                     : "+&r"(in), "+&r"(out), "+&r"(loops) : "r"((int)number) : ALL, "rax", "rcx", "rdi", "rsi", "r11", "memory")

/* Load everything, add every vector register to itself four times, wait a while, store everything. Without x87 that is
 * as FNINIT leaves it, which a kernel may keep in another way. */
static void turn(struct state *in, struct state *out, long loops, long number, int with_x87)
{
    if (has_avx && with_x87)
        TURN(X87_LOAD, X87_STORE, LOAD_WIDE, ADD_WIDE, STORE_WIDE);
    else if (has_avx)
        TURN("", "", LOAD_WIDE, ADD_WIDE, STORE_WIDE);
    else if (with_x87)
        TURN(X87_LOAD, X87_STORE, LOAD, ADD, STORE);
    else
        TURN("", "", LOAD, ADD, STORE);
}

static void *work(void *argument)
{
    struct state in, out;
    unsigned seed = (long)argument * 7919 + 1;
    while (going) {
        memset(&in, 0, sizeof in);
        memset(&out, 0, sizeof out);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++)
                ((float *)in.vectors[i])[j] = rand_r(&seed) % 4096 + i + j / 8.0f;
        int with_x87 = rand_r(&seed) & 1;
        for (int i = 0; i < 8 && with_x87; i++)
            in.x87[i] = rand_r(&seed) / 3.0;
        in.mxcsr = 0x1f80 | (rand_r(&seed) & 3) << 13;
        in.control = with_x87 ? 0x27f | (rand_r(&seed) & 3) << 10 : 0x37f;
        turn(&in, &out, 4, rand_r(&seed) & 1 ? 24 : 39, with_x87); /* sched_yield or getpid */
        __asm__ volatile("fninit");
        uint32_t usual = 0x1f80;
        __asm__ volatile("ldmxcsr %0" ::"m"(usual));
        int bad = (out.mxcsr & ~0x3f) != in.mxcsr || out.control != in.control || memcmp(in.x87, out.x87, sizeof in.x87);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < (has_avx ? 8 : 4); j++)
                bad |= ((float *)out.vectors[i])[j] != 16 * ((float *)in.vectors[i])[j];
        wrong += bad;
        rounds++;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    struct sigaction action = { .sa_handler = clobber };
    struct itimerval often = { { 0, 700 }, { 0, 700 } };
    struct timespec start, now;
    has_avx = !!__builtin_cpu_supports("avx");
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    setitimer(ITIMER_REAL, &often, NULL);
    clock_gettime(CLOCK_MONOTONIC, &start);
    unsigned seed = 5;
    do {
        pthread_kill(threads[rand_r(&seed) % THREADS], SIGUSR1);
        usleep(300);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 3 || ((rounds <= 200 || signals <= 100) && now.tv_sec - start.tv_sec < 30));
    going = 0;
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &never, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("wide %d, enough rounds %d, enough signals %d, wrong %d\n", has_avx, rounds > 200, signals > 100, wrong);
    fprintf(stderr, "rounds %d signals %d\n", rounds, signals);
    return wrong != 0;
}
