/*
 * The kernel lock: a word that is 0 (free), 1 (taken) or 2 (taken, and a CPU may be halted until it
 * is free). kernel_lock.py says what it is for, and waits for it.
 *
 * All routines are called with interrupts off.
 */

#include "layout.h"

    .section .text.krait.hot, "ax"
    .balign 16
/* Take the lock, which this CPU does not hold. */
    .globl krait_take_kernel_lock
krait_take_kernel_lock:
    xorl %eax, %eax
    movl $1, %ecx
    lock cmpxchgl %ecx, krait_kernel_lock
    jne 2f
1:  movl $HOLDS_LOCK, %gs:CPU_HOLDS
    movl %gs:CPU_WANTED, %eax
    cmpl %gs:CPU_DONE, %eax
    jne krait_serve_flush
    ret
2:  subq $8, %rsp
    call krait_wait_for_kernel_lock
    addq $8, %rsp
    jmp 1b

/* Drop the lock, which this CPU holds. */
    .globl krait_drop_kernel_lock
krait_drop_kernel_lock:
    movl $HOLDS_NOT, %gs:CPU_HOLDS
    xorl %ecx, %ecx
    xchgl %ecx, krait_kernel_lock
    cmpl $1, %ecx
    jne krait_kick_waiter
    ret

/* krait_halt(): wait for an interrupt without the lock. `sti` takes effect behind `hlt`, so that no
 * interrupt is lost in between. */
    .globl krait_halt
krait_halt:
    subq $8, %rsp
    cmpl $HOLDS_LOCK, %gs:CPU_HOLDS
    jne 1f
    call krait_drop_kernel_lock
1:  sti
    .globl krait_halting
krait_halting:
    hlt
    .globl krait_halted
krait_halted:
    cli
    cmpl $HOLDS_NOT, %gs:CPU_HOLDS
    jne 2f
    call krait_take_kernel_lock
2:  addq $8, %rsp
    ret

/* krait_halt_for_service(): wait for an interrupt of SERVICE_VECTOR alone. */
    .globl krait_halt_for_service
krait_halt_for_service:
    movl $(SERVICE_VECTOR / 16 - 1), %eax
    movq %rax, %cr8
    sti
    .globl krait_halting_for_service
krait_halting_for_service:
    hlt
    cli
    xorl %eax, %eax
    movq %rax, %cr8
    ret

    .data
    .balign 64
    .globl krait_kernel_lock
krait_kernel_lock:
    .zero 64
    .section .note.GNU-stack, "", @progbits
