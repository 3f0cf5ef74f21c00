/*
 * Exceptions and interrupts.
 *
 * Every vector has a stack of the interrupt stack table, because a program's stack pointer may
 * point anywhere and what lies below it belongs to the program (red zone). A handler does not stay
 * there: it builds its TrapFrame on the current thread's kernel stack, at the top if program code
 * was interrupted, below the saved stack pointer if kernel code was. So the next event may use the
 * same IST stack at once, and the handler may sleep.
 *
 * Double faults, machine checks and NMIs do stay, since kernel code may have been interrupted
 * where RSP is still the program's. The first two end the VM.
 *
 * Whose code was interrupted is told by the saved RIP alone: within the kernel's code or not. The
 * privilege level says nothing: it is always 0.
 *
 * Who comes without the kernel lock takes it and gives it back: that is a program, a halted CPU, or
 * kernel code that needs none. What was held is kept in EBX, which a called function preserves.
 * An interrupt of SERVICE_VECTOR is served on its IST stack, and needs no lock.
 */

#include "layout.h"

#define VECTOR_DOUBLE_FAULT 8
#define RFLAGS_IF 0x200
#define RFLAGS_IOPL 0x3000

/* On an IST stack: vector, error code, RIP, CS, RFLAGS, RSP, SS. Leaves a whole TrapFrame on
 * the kernel stack, its address in %rsp and %rdi. */
.macro move_to_kernel_stack
    pushq %rdi
    pushq %rsi
    movq %rsp, %rsi
    andq $-IST_AREA_SIZE, %rsi
    movq (%rsi), %rsi
    wrgsbase %rsi
    movq %rsp, %rsi
    cmpq $krait_code_start, 32(%rsi)
    jb 1f
    cmpq $krait_code_end, 32(%rsi)
    jb 2f
1:  movq %gs:CPU_FRAME, %rdi
    leaq FRAME_SIZE(%rdi), %rsp
    jmp 3f
2:  movq 56(%rsi), %rdi
    cmpq %gs:CPU_STACK_LIMIT, %rdi
    jb krait_stack_overflow
    andq $-16, %rdi
    movq %rdi, %rsp
3:  pushq 64(%rsi)
    pushq 56(%rsi)
    pushq 48(%rsi)
    pushq 40(%rsi)
    pushq 32(%rsi)
    pushq 24(%rsi)
    pushq 16(%rsi)
    pushq 8(%rsi)
    pushq (%rsi)
    push_registers
    cld
    movq %rsp, %rdi
.endm

.macro push_registers
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

.macro pop_registers
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
.endm

.macro take_kernel_lock
    movl %gs:CPU_HOLDS, %ebx
    testl %ebx, %ebx
    jne 1f
    call krait_take_kernel_lock
    movq %rsp, %rdi
1:
.endm

    .section .text.krait.hot, "ax"
    .balign 16
trap:
    move_to_kernel_stack
    take_kernel_lock
    xorl %ebp, %ebp
    call krait_trap
    jmp trap_return

    .balign 16
interrupt:
    pushq (%rsp) /* the stub's vector - 128 stays in the error code's place */
    subq $-128, (%rsp)
    move_to_kernel_stack
    take_kernel_lock
    xorl %ebp, %ebp
    call krait_interrupt

    /* %rsp is a TrapFrame on the kernel stack. */
trap_return:
    cli
    cmpq $krait_code_start, FRAME_RIP(%rsp)
    jb krait_return_to_program
    cmpq $krait_code_end, FRAME_RIP(%rsp)
    jae krait_return_to_program
    testl %ebx, %ebx
    je return_without_lock
restore:
    pop_registers
    addq $16, %rsp
    iretq

/* %rsp is the TrapFrame at the top of the kernel stack, interrupts are off, and
 * krait_return_work() leaves them so: signals and scheduling, until there is nothing left to do. */
    .globl krait_return_to_program
krait_return_to_program:
    cmpl $0, %gs:CPU_WORK
    je krait_return_all
    movq %rsp, %rdi
    call krait_return_work
    .globl krait_return_all
krait_return_all:
    orl $RFLAGS_IF, FRAME_RFLAGS(%rsp)
    andl $~RFLAGS_IOPL, FRAME_RFLAGS(%rsp)
    cmpl $HOLDS_LOCK, %gs:CPU_HOLDS
    jne restore
    call krait_drop_kernel_lock
    jmp restore

    /* Kernel code that did not hold the lock; a CPU that was halted keeps it, since it would take
     * it next. */
return_without_lock:
    cmpq $krait_halted, FRAME_RIP(%rsp)
    je restore
    call krait_drop_kernel_lock
    jmp restore

/* krait_enter_program(frame): load every register from the frame at the top of the kernel stack. */
    .globl krait_enter_program
krait_enter_program:
    cli
    movq %rdi, %rsp
    jmp krait_return_all

/* The kernel stack of the current thread is used up: report on a stack of its own. %rsi is the
 * frame on the IST stack, as in move_to_kernel_stack. */
    .text
krait_stack_overflow:
    movq $panic_stack_end, %rsp
    movq 56(%rsi), %rdx
    movq 32(%rsi), %rdi
    movq %rbp, %rsi
    xorl %ebp, %ebp
    call krait_stack_overflowed
    ud2

/* Double fault and machine check: never returns. The frame goes to the panic stack. */
fatal:
    pushq %rdi
    pushq %rsi
    movq %rsp, %rsi
    andq $-IST_AREA_SIZE, %rsi
    movq (%rsi), %rsi
    wrgsbase %rsi
    movq %rsp, %rsi
    movq $panic_stack_end, %rsp
    pushq 64(%rsi)
    pushq 56(%rsi)
    pushq 48(%rsi)
    pushq 40(%rsi)
    pushq 32(%rsi)
    pushq 24(%rsi)
    pushq 16(%rsi)
    pushq 8(%rsi)
    pushq (%rsi)
    push_registers
    cld
    movq %rsp, %rdi
    xorl %ebp, %ebp
    call krait_fatal_trap
    ud2

/* A non-maskable interrupt stays on its own stack and touches only resident memory. Nothing sends
 * one yet but an operator (QEMU's `nmi`); it is counted. */
nmi:
    pushq %rax
    movq %rsp, %rax
    andq $-IST_AREA_SIZE, %rax
    incq 8(%rax)
    popq %rax
    addq $16, %rsp
    iretq

/* A request of another CPU, served where it comes. */
service:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    movq %rsp, %rax
    andq $-IST_AREA_SIZE, %rax
    movq (%rax), %rax
    wrgsbase %rax
    cld
    call krait_serve_interrupt
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    iretq

/* 32 exceptions, 16 bytes each; 224 interrupts, 8 bytes each: descriptor_tables.py relies on it. */
    .balign 16
    .globl krait_exception_stubs
krait_exception_stubs:
    vector = 0
    .rept 32
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector == VECTOR_DOUBLE_FAULT || vector == 18
    jmp fatal
    .elseif vector == 2
    jmp nmi
    .else
    jmp trap
    .endif
    vector = vector + 1
    .endr
    .balign 16
    .globl krait_interrupt_stubs
krait_interrupt_stubs:
    .rept 224
    .balign 8
    .if vector == SERVICE_VECTOR
    jmp service
    .else
    pushq $(vector - 128)
    jmp interrupt
    .endif
    vector = vector + 1
    .endr

    .section .bss.krait.pages, "aw", @nobits
    .balign 16
    .zero 8192
panic_stack_end:
    .section .note.GNU-stack, "", @progbits
