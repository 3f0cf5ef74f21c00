/*
 * The `syscall` instruction.
 *
 * Program and kernel have the same privilege, so nothing but the CPU's own part of `syscall` is
 * needed on the way in, and on the way back a plain jump: RIP comes back in RCX and RFLAGS in R11,
 * as Linux and the System V ABI supplement (A.2.1) have it. Arithmetic flags are not restored, no
 * program may count on them. `sti` holds interrupts off for one more instruction, which is the jump.
 *
 * The frame at the top of the kernel stack is always complete, so a signal, a backtrace or a fork
 * finds every register. While there is nothing else to do, the call goes from here straight through
 * the table of linux/table.py, whose functions take their arguments in the registers of the C ABI:
 * all but the fourth are there already. Otherwise krait_syscall() does everything, or
 * krait_after_call() what came up during the call. Both return with interrupts off, and 0 if the
 * program goes on just behind the instruction with its other registers untouched; else (a signal
 * handler, sigreturn, execve) all of the frame is loaded. RBP stays the program's, which ends a walk
 * along the kernel's frames: it is no address on this stack.
 *
 * With several CPUs the kernel lock is taken before the call and dropped behind it (kernel_lock.S),
 * unless the second half of the table answers without it (linux/calls_without_lock.py); the only CPU
 * is one that holds it for ever.
 */

#include "layout.h"

#define EINTR 4
#define RFLAGS_TF 0x100
#define RFLAGS_DF 0x400
#define RFLAGS_NT 0x4000
#define RFLAGS_AC 0x40000

/* A kernel made for a test may run no programs and have no table. */
    .weak krait_linux_table__TABLE

    .section .text.krait.hot, "ax"
    .balign 64
    .globl krait_syscall_entry
krait_syscall_entry:
    /* RSP is the program's, interrupts are off (SFMASK): only resident memory until it is ours. */
    movq %rsp, %gs:CPU_PROGRAM_RSP
    movq %gs:CPU_FRAME, %rsp
    movq %rcx, FRAME_RIP(%rsp)
    movq %r11, FRAME_RFLAGS(%rsp)
    movq %rcx, FRAME_RCX(%rsp)
    movq %r11, FRAME_R11(%rsp)
    movq %gs:CPU_PROGRAM_RSP, %rcx
    movq %rcx, FRAME_RSP(%rsp)
    movq %rax, FRAME_ORIGINAL_RAX(%rsp)
    movq %rdi, FRAME_RDI(%rsp)
    movq %rsi, FRAME_RSI(%rsp)
    movq %rdx, FRAME_RDX(%rsp)
    movq %r10, FRAME_R10(%rsp)
    movq %r8, FRAME_R8(%rsp)
    movq %r9, FRAME_R9(%rsp)
    movq %rbx, FRAME_RBX(%rsp)
    movq %rbp, FRAME_RBP(%rsp)
    movq %r12, FRAME_R12(%rsp)
    movq %r13, FRAME_R13(%rsp)
    movq %r14, FRAME_R14(%rsp)
    movq %r15, FRAME_R15(%rsp)
    /* FRAME_CS and FRAME_SS hold their only values since the stack was prepared. */
    cmpl $0, %gs:CPU_WORK
    jne with_work
    cmpl $SYSTEM_CALLS, %eax
    jae with_work
    movl %eax, %r11d
    shlq $SYSTEM_CALL_SHIFT, %r11
    cmpl $HOLDS_NOT, %gs:CPU_HOLDS
    je take_lock
    movq %r10, %rcx
locked:
    sti
    call *krait_linux_table__TABLE + SYSTEM_CALL_FUNCTION(%r11)
    cli
    cmpl $0, %gs:CPU_WORK
    jne found_work
    cmpq $-EINTR, %rax
    je found_work
called:
    cmpl $HOLDS_LOCK, %gs:CPU_HOLDS
    je drop_lock
return_fast:
    movq FRAME_RFLAGS(%rsp), %r11
    testl $(RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC), %r11d
    jne return_slowly
    movq FRAME_RIP(%rsp), %rcx
    movq FRAME_RDI(%rsp), %rdi
    movq FRAME_RSI(%rsp), %rsi
    movq FRAME_RDX(%rsp), %rdx
    movq FRAME_R10(%rsp), %r10
    movq FRAME_R8(%rsp), %r8
    movq FRAME_R9(%rsp), %r9
    movq FRAME_RSP(%rsp), %rsp
    sti
    .globl krait_returning
krait_returning:
    jmp *%rcx

return_slowly:
    movq %rax, FRAME_RAX(%rsp)
    jmp krait_return_all

    /* Tracing, a pending signal, a number beyond the table: Python does all of it. */
with_work:
    cmpl $HOLDS_NOT, %gs:CPU_HOLDS
    jne 1f
    call krait_take_kernel_lock
1:  movq %rsp, %rdi
    sti
    call krait_syscall
    jmp worked

    /* The call is done, and something came up meanwhile. */
found_work:
    movq %rsp, %rdi
    movq %rax, %rsi
    call krait_after_call
worked:
    testq %rax, %rax
    jne krait_return_all
    movq FRAME_RAX(%rsp), %rax
    jmp called

    /* R11 is the place in the table. */
take_lock:
    testb $ANSWERS_WITHOUT_LOCK, krait_linux_table__TABLE + SYSTEM_CALL_MARK(%r11)
    jne without_lock
    xorl %eax, %eax
    movl $1, %ecx
    lock cmpxchgl %ecx, krait_kernel_lock
    jne 1f
    movl $HOLDS_LOCK, %gs:CPU_HOLDS
    movl %gs:CPU_WANTED, %eax
    cmpl %gs:CPU_DONE, %eax
    jne 2f
    movq %r10, %rcx
    jmp locked
1:  call krait_take_kernel_lock
    jmp 3f
2:  call krait_serve_flush
3:  movl FRAME_ORIGINAL_RAX(%rsp), %r11d
    shlq $SYSTEM_CALL_SHIFT, %r11
    movq FRAME_RDI(%rsp), %rdi
    movq FRAME_RSI(%rsp), %rsi
    movq FRAME_RDX(%rsp), %rdx
    movq FRAME_R10(%rsp), %rcx
    movq FRAME_R8(%rsp), %r8
    movq FRAME_R9(%rsp), %r9
    jmp locked

    /* The function in the second half knows the answer, or that the lock is needed for it. */
without_lock:
    movq %r10, %rcx
    sti
    call *krait_linux_table__TABLE + SECOND_HALF + SYSTEM_CALL_FUNCTION(%r11)
    cli
    cmpq $-NEEDS_LOCK, %rax
    je 4f
    cmpl $0, %gs:CPU_WORK
    je return_fast
    movq %rax, FRAME_RAX(%rsp)
    call krait_take_kernel_lock
    movq FRAME_RAX(%rsp), %rax
    jmp found_work
    /* Who has let another thread run may come back on a CPU that holds the lock. */
4:  cmpl $HOLDS_NOT, %gs:CPU_HOLDS
    je 1b
    jmp 3b

drop_lock:
    movl $HOLDS_NOT, %gs:CPU_HOLDS
    xorl %ecx, %ecx
    xchgl %ecx, krait_kernel_lock
    cmpl $1, %ecx
    je return_fast
    movq %rax, FRAME_RAX(%rsp)
    call krait_kick_waiter
    movq FRAME_RAX(%rsp), %rax
    jmp return_fast
    .section .note.GNU-stack, "", @progbits
