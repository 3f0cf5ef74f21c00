/*
 * The vDSO: the clock calls of a program, served without entering the kernel (vdso(7)).
 *
 * One page that is a complete shared object, laid out here by hand, since it is linked with nothing:
 * every address in it is relative to its start. The C libraries look up its symbols by DT_HASH and
 * the version LINUX_2.6 (glibc sysdeps/unix/sysv/linux/dl-vdso.h; musl src/internal/vdso.c). The page
 * just below it in the program's memory is the time data that the kernel keeps up to date under a
 * sequence lock: sched/vdso_data.py.
 */

#define DATA (vdso - 4096)
#include "layout.h"

#define DATA_SEQUENCE (DATA + 0)
#define DATA_ENABLED (DATA + 4)
#define DATA_BASE_TSC (DATA + 8)
#define DATA_MULTIPLIER (DATA + 16)
#define DATA_BASE_NS (DATA + 24)
#define DATA_REALTIME_OFFSET (DATA + 32)

#define CLOCKS 0xf3         /* REALTIME MONOTONIC MONOTONIC_RAW *_COARSE BOOTTIME, by number */
#define REALTIME_CLOCKS 0x21
#define NS_PER_SECOND 1000000000

#define SYS_gettimeofday 96
#define SYS_time 201
#define SYS_clock_gettime 228
#define SYS_clock_getres 229

    .section .krait.vdso, "a"
    .balign 4096
    .globl krait_vdso
krait_vdso:
vdso:
    /* ELF header */
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0
    .quad 0
    .short 3, 62 /* ET_DYN, EM_X86_64 */
    .long 1
    .quad 0
    .quad program_headers - vdso
    .quad 0
    .long 0
    .short 64, 56, 2, 64, 0, 0
program_headers:
    .long 1, 5 /* PT_LOAD, read and execute */
    .quad 0, 0, 0, vdso_end - vdso, vdso_end - vdso, 4096
    .long 2, 4 /* PT_DYNAMIC */
    .quad dynamic - vdso, dynamic - vdso, dynamic - vdso
    .quad dynamic_end - dynamic, dynamic_end - dynamic, 8

.macro tag number, value
    .quad \number, \value
.endm
    .balign 8
dynamic:
    tag 14, name_soname-strings            /* DT_SONAME */
    tag 4, hash-vdso                       /* DT_HASH */
    tag 5, strings-vdso                    /* DT_STRTAB */
    tag 6, symbols-vdso                    /* DT_SYMTAB */
    tag 10, strings_end-strings            /* DT_STRSZ */
    tag 11, 24                             /* DT_SYMENT */
    tag 0x6ffffff0, versions-vdso          /* DT_VERSYM */
    tag 0x6ffffffc, definitions-vdso       /* DT_VERDEF */
    tag 0x6ffffffd, 2                      /* DT_VERDEFNUM */
    tag 0, 0
dynamic_end:

/* One bucket, all symbols in one chain. */
#define SYMBOLS 11
hash:
    .long 1, SYMBOLS, 1
    .long 0
    number = 2
    .rept SYMBOLS-2
    .long number
    number = number + 1
    .endr
    .long 0

.macro function name, code, size
    .long \name - strings
    .byte 0x12, 0 /* global function; default visibility */
    .short 1
    .quad \code-vdso, \size
.endm
.macro weak name, code, size
    .long \name - strings
    .byte 0x22, 0
    .short 1
    .quad \code-vdso, \size
.endm
    .balign 8
symbols:
    .quad 0, 0, 0
    function name_vdso_clock_gettime, clock_gettime, clock_gettime_end-clock_gettime
    function name_vdso_gettimeofday, gettimeofday, gettimeofday_end-gettimeofday
    function name_vdso_time, time, time_end-time
    function name_vdso_getcpu, getcpu, getcpu_end-getcpu
    function name_vdso_clock_getres, clock_getres, clock_getres_end-clock_getres
    weak name_clock_gettime, clock_gettime, clock_gettime_end-clock_gettime
    weak name_gettimeofday, gettimeofday, gettimeofday_end-gettimeofday
    weak name_time, time, time_end-time
    weak name_getcpu, getcpu, getcpu_end-getcpu
    weak name_clock_getres, clock_getres, clock_getres_end-clock_getres

versions:
    .short 0
    .rept SYMBOLS-1
    .short 2
    .endr
    .balign 4
definitions:
    .short 1, 1, 1, 1  /* the object itself */
    .long 0x0deebfa1   /* checked against the name by tests/kernel/test_arch_vdso.py */
    .long 20, 28
    .long name_soname - strings, 0
    .short 1, 0, 2, 1
    .long 0x03ae75f6   /* ELF hash of LINUX_2.6 */
    .long 20, 0
    .long name_version - strings, 0

strings:
    .byte 0
name_soname: .asciz "linux-vdso.so.1"
name_version: .asciz "LINUX_2.6"
name_vdso_clock_gettime: .ascii "__vdso_"
name_clock_gettime: .asciz "clock_gettime"
name_vdso_gettimeofday: .ascii "__vdso_"
name_gettimeofday: .asciz "gettimeofday"
name_vdso_time: .ascii "__vdso_"
name_time: .asciz "time"
name_vdso_getcpu: .ascii "__vdso_"
name_getcpu: .asciz "getcpu"
name_vdso_clock_getres: .ascii "__vdso_"
name_clock_getres: .asciz "clock_getres"
strings_end:

/* The time in nanoseconds in RAX, of a CLOCK_REALTIME kind if bit EDI of REALTIME_CLOCKS is set.
 * Jumps to \system_call while the kernel has not published the clock's scale. Keeps RSI and RDI. */
.macro read_clock system_call
1:  movl DATA_SEQUENCE(%rip), %r8d
    testl $1, %r8d
    jne 2f
    cmpl $0, DATA_ENABLED(%rip)
    je \system_call
    lfence
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    subq DATA_BASE_TSC(%rip), %rax
    jb 2f
    mulq DATA_MULTIPLIER(%rip)
    shrdq $32, %rdx, %rax
    addq DATA_BASE_NS(%rip), %rax
    movl $REALTIME_CLOCKS, %ecx
    btl %edi, %ecx
    jnc 3f
    addq DATA_REALTIME_OFFSET(%rip), %rax
3:  cmpl DATA_SEQUENCE(%rip), %r8d
    je 4f
2:  pause
    jmp 1b
4:
.endm

    .balign 16
/* clock_gettime(clock, struct timespec *) */
clock_gettime:
    cmpl $7, %edi
    ja 9f
    movl $CLOCKS, %ecx
    btl %edi, %ecx
    jnc 9f
    read_clock 9f
    xorl %edx, %edx
    movl $NS_PER_SECOND, %ecx
    divq %rcx
    movq %rax, (%rsi)
    movq %rdx, 8(%rsi)
    xorl %eax, %eax
    ret
9:  movl $SYS_clock_gettime, %eax
    syscall
    ret
clock_gettime_end:

    .balign 16
/* gettimeofday(struct timeval *, struct timezone *), either may be NULL */
gettimeofday:
    movq %rdi, %r9
    xorl %edi, %edi
    read_clock 9f
    testq %r9, %r9
    je 5f
    xorl %edx, %edx
    movl $NS_PER_SECOND, %ecx
    divq %rcx
    movq %rax, (%r9)
    movl %edx, %eax
    xorl %edx, %edx
    movl $1000, %ecx
    divl %ecx
    movq %rax, 8(%r9)
5:  testq %rsi, %rsi
    je 6f
    movq $0, (%rsi)
6:  xorl %eax, %eax
    ret
9:  movq %r9, %rdi
    movl $SYS_gettimeofday, %eax
    syscall
    ret
gettimeofday_end:

    .balign 16
/* time(time_t *) */
time:
    movq %rdi, %r9
    xorl %edi, %edi
    read_clock 9f
    xorl %edx, %edx
    movl $NS_PER_SECOND, %ecx
    divq %rcx
    testq %r9, %r9
    je 5f
    movq %rax, (%r9)
5:  ret
9:  movq %r9, %rdi
    movl $SYS_time, %eax
    syscall
    ret
time_end:

    .balign 16
/* getcpu(unsigned *cpu, unsigned *node): the limit of a segment is the CPU's number; one node */
getcpu:
    testq %rdi, %rdi
    je 1f
    movl $NUMBER_SELECTOR, %eax
    lsl %eax, %eax
    movl %eax, (%rdi)
1:  testq %rsi, %rsi
    je 2f
    movl $0, (%rsi)
2:  xorl %eax, %eax
    ret
getcpu_end:

    .balign 16
/* clock_getres(clock, struct timespec *) */
clock_getres:
    cmpl $7, %edi
    ja 9f
    movl $CLOCKS, %ecx
    btl %edi, %ecx
    jnc 9f
    testq %rsi, %rsi
    je 1f
    movq $0, (%rsi)
    movq $1, 8(%rsi)
1:  xorl %eax, %eax
    ret
9:  movl $SYS_clock_getres, %eax
    syscall
    ret
clock_getres_end:

vdso_end:
    .balign 4096
    .section .note.GNU-stack, "", @progbits
