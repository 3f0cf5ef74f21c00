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
