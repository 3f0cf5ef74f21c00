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
 * where RSP is still the program's. The first two end the VM. So does an NMI by which the watchdog
 * finds that the kernel stands still; one that another CPU sends because it panics never returns.
 *
 * Whose code was interrupted is told by the saved RIP alone: within the kernel's code or not. The
 * privilege level says nothing: it is always 0.
 *
 * Who comes without the kernel lock takes it and gives it back: that is a program, a halted CPU, or
 * kernel code that needs none. What was held is kept in EBX, which a called function preserves.
 * An interrupt of SERVICE_VECTOR is served on its IST stack, and needs no lock.
 *
 * The CPU makes SS null when it takes a stack of the table, while `syscall` and `iretq` leave that of
 * a segment of 32 bits. Nothing depends on it, but QEMU keeps translated code by it: without the
 * handlers' own SS all that runs in a handler, and the program of a thread that a handler has
 * switched to, is translated a second time (5 % of the blocks in a start of Java).
 */

#include "layout.h"

#define VECTOR_DOUBLE_FAULT 8
#define RFLAGS_IF 0x200
#define RFLAGS_IOPL 0x3000

    /* A kernel may have no watchdog, which alone makes krait_nmi() say yes. */
    .weak krait_stuck

/* On an IST stack: vector, error code, RIP, CS, RFLAGS, RSP, SS. Leaves a whole TrapFrame on
 * the kernel stack, its address in %rsp and %rdi. */
.macro move_to_kernel_stack
    pushq %rdi
    pushq %rsi
    movl $DATA_SELECTOR, %esi
    movl %esi, %ss
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
    .globl krait_trap_entry
krait_trap_entry:
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
    .globl krait_trap_return
krait_trap_return:
trap_return:
    cli
    cmpq $krait_code_start, FRAME_RIP(%rsp)
    jb krait_return_to_program
    cmpq $krait_code_end, FRAME_RIP(%rsp)
    jae krait_return_to_program
    testl %ebx, %ebx
    je return_without_lock
    .globl krait_trap_restore
krait_trap_restore:
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

/* The one CPU that reports has the panic stack: its number plus one is in krait_panic_owner. Another
 * stops, and the report shows it. Changes RAX and RCX. */
.macro claim_panic
    movl %gs:CPU_INDEX, %ecx
    incl %ecx
    xorl %eax, %eax
    lock cmpxchgl %ecx, krait_panic_owner
    je 1f
    cmpl %ecx, %eax
    jne krait_stop_cpu
1:
.endm

/* The kernel stack of the current thread is used up: report on a stack of its own. %rsi is the
 * frame on the IST stack, as in move_to_kernel_stack. */
    .text
krait_stack_overflow:
    claim_panic
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
    movl $DATA_SELECTOR, %esi
    movl %esi, %ss
    movq %rsp, %rsi
    andq $-IST_AREA_SIZE, %rsi
    movq (%rsi), %rsi
    wrgsbase %rsi
    movq %rsp, %rsi
    pushq %rax
    pushq %rcx
    claim_panic
    popq %rcx
    popq %rax
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

/* A non-maskable interrupt comes anywhere, stays on its own stack, where the TrapFrame is, too, and
 * touches only resident memory. krait_nmi() says whether the kernel stands still: then the report is
 * made on the panic stack, which is this CPU's by then. */
nmi:
    pushq %rdi
    pushq %rsi
    push_registers
    movq %rsp, %rax
    andq $-IST_AREA_SIZE, %rax
    movq (%rax), %rax
    wrgsbase %rax
    cld
    movq %rsp, %rdi
    xorl %ebp, %ebp
    call krait_nmi
    testb %al, %al
    jne 1f
    movq FRAME_RIP(%rsp), %rax
    cmpq $krait_returning, %rax
    je behind_sti
    cmpq $krait_halting, %rax
    je behind_sti
    cmpq $krait_halting_for_service, %rax
    je behind_sti
2:  pop_registers
    addq $16, %rsp
    iretq
    /* `sti` holds interrupts off for one more instruction, and `iretq` would let them in before it:
     * between the program's stack and the program, or between the last look and `hlt`. */
behind_sti:
    decq FRAME_RIP(%rsp)
    andl $~RFLAGS_IF, FRAME_RFLAGS(%rsp)
    jmp 2b
1:  movq %rsp, %rdi
    movq $panic_stack_end, %rsp
    xorl %ebp, %ebp
    call krait_stuck
    ud2

/* Stop this CPU for good; an NMI still shows where it came from. */
    .globl krait_stop_cpu
krait_stop_cpu:
    cli
    hlt
    jmp krait_stop_cpu

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
    .globl krait_panic_owner
krait_panic_owner:
    .zero 64
    .section .note.GNU-stack, "", @progbits
