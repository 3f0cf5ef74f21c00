/*
 * Changing from one kernel stack to another, and the vector registers of programs.
 *
 * A thread that does not run is a stack pointer: what the C ABI lets a callee change is dead at the
 * call, the rest is on the stack.
 */

#include "layout.h"

    .section .text.krait.hot, "ax"
    .balign 16
/* krait_switch_stacks(save: address of the word for the old stack pointer, load: new pointer) */
    .globl krait_switch_stacks
krait_switch_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* krait_save_vector(area), krait_restore_vector(area): every component that XCR0 enables. */
    .globl krait_save_vector
krait_save_vector:
    movl $-1, %eax
    movl $-1, %edx
    xsave64 (%rdi)
    ret

    .globl krait_restore_vector
krait_restore_vector:
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 (%rdi)
    ret

/*
 * krait_leave_vector(area), krait_enter_vector(area): the same between two turns of a thread. An
 * emulated XSAVE writes word by word through a routine of the emulator's, 20 times as slow as moves,
 * which it translates; so where krait_vector_moves says so, moves keep the registers in a form of
 * their own, and a mark where XSAVE never writes tells it from XSAVE's. x87 is left to XSAVE unless
 * it is as FNINIT leaves it. (FNSTENV masks exceptions, which are masked already when it comes.)
 */
#define MOVED_HIGH 576 /* registers 14 and 15; those before lie from 0 on */
#define MOVED_ENVIRONMENT 640
#define MOVED_STATUS (MOVED_ENVIRONMENT + 4)
#define MOVED_TAGS (MOVED_ENVIRONMENT + 8)
#define MOVED_MXCSR 668
#define MOVED_MARK 504 /* free for software (Intel SDM 1, 13.4.1) */
#define INITIAL_X87_CONTROL 0x37f

    .macro move_registers operation
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
    \operation \number, (\number * 32)
    .endr
    \operation 14, MOVED_HIGH
    \operation 15, (MOVED_HIGH + 32)
    .endm
    .macro move_out number, place
    vmovdqa %ymm\number, \place(%rdi)
    .endm
    .macro move_in number, place
    vmovdqa \place(%rdi), %ymm\number
    .endm

    .section .text.krait.hot, "ax"
    .globl krait_leave_vector
krait_leave_vector:
    cmpb $0, krait_vector_moves
    je 1f
    fnstcw MOVED_ENVIRONMENT(%rdi)
    cmpw $INITIAL_X87_CONTROL, MOVED_ENVIRONMENT(%rdi)
    jne 1f
    fnstenv MOVED_ENVIRONMENT(%rdi)
    cmpw $0, MOVED_STATUS(%rdi)
    jne 1f
    cmpw $-1, MOVED_TAGS(%rdi)
    jne 1f
    move_registers move_out
    stmxcsr MOVED_MXCSR(%rdi)
    movb $1, MOVED_MARK(%rdi)
    ret
1:  movb $0, MOVED_MARK(%rdi)
    jmp krait_save_vector

    .globl krait_enter_vector
krait_enter_vector:
    cmpb $0, MOVED_MARK(%rdi)
    je krait_restore_vector
    fninit
    move_registers move_in
    ldmxcsr MOVED_MXCSR(%rdi)
    ret

    .bss
    .globl krait_vector_moves
krait_vector_moves:
    .zero 1

/* krait_cpuid(leaf, subleaf, four u32 out) */
    .text
    .globl krait_cpuid
krait_cpuid:
    pushq %rbx
    movq %rdx, %r8
    movl %edi, %eax
    movl %esi, %ecx
    cpuid
    movl %eax, (%r8)
    movl %ebx, 4(%r8)
    movl %ecx, 8(%r8)
    movl %edx, 12(%r8)
    popq %rbx
    ret

    .globl krait_read_msr
krait_read_msr:
    movl %edi, %ecx
    rdmsr
    shlq $32, %rdx
    orq %rdx, %rax
    ret

    .globl krait_write_msr
krait_write_msr:
    movl %edi, %ecx
    movq %rsi, %rax
    movq %rsi, %rdx
    shrq $32, %rdx
    wrmsr
    ret

/* For the boot stamps, which lie below this layer (trace/). */
    .globl krait_read_tsc
krait_read_tsc:
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    ret

/* krait_return_address(frames): the return address in the caller's frame, or so many above it. */
    .globl krait_return_address
krait_return_address:
    movq %rbp, %rax
1:  subl $1, %edi
    jb 2f
    movq (%rax), %rax
    jmp 1b
2:  movq 8(%rax), %rax
    ret

/* krait_write_xcr0(mask) */
    .globl krait_write_xcr0
krait_write_xcr0:
    xorl %ecx, %ecx
    movq %rdi, %rax
    movq %rdi, %rdx
    shrq $32, %rdx
    xsetbv
    ret

/* krait_hardware_random(): a random number, 0 if there is none just now (Intel SDM 7.3.17). */
    .globl krait_hardware_random
krait_hardware_random:
    movl $10, %ecx
1:  rdrand %rax
    jc 2f
    decl %ecx
    jne 1b
    xorl %eax, %eax
2:  ret

/* Ports: krait_in8(port) ..., krait_out8(port, value) ... */
    .macro port_access bits, value
    .globl krait_in\bits
krait_in\bits:
    movl %edi, %edx
    xorl %eax, %eax
    in %dx, \value
    ret
    .globl krait_out\bits
krait_out\bits:
    movl %edi, %edx
    movl %esi, %eax
    out \value, %dx
    ret
    .endm
    port_access 8, %al
    port_access 16, %ax
    port_access 32, %eax
    .section .note.GNU-stack, "", @progbits
