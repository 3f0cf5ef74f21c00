/*
 * From the first instruction of another CPU to krait_second_cpu_main().
 *
 * A CPU that gets a startup interrupt begins in real mode at a page below 1 MiB (Intel SDM 3A,
 * 9.4). second_cpus.py copies the code between the two marks there, and makes a root table beside
 * it that maps the first 2 MiB at their own place besides what the kernel's maps. All CPUs come this
 * way at the same time: there is no stack and no variable before each has found its own area by the
 * number of its interrupt controller.
 */

#include "layout.h"

#define ROOT (TRAMPOLINE + PAGE_SIZE)
#define CR0_LONG_MODE 0x80010023 /* PG, WP, NE, MP, PE */
#define CR4_FIRST 0x6a0          /* PAE, PGE, OSFXSR, OSXMMEXCPT */
#define MSR_EFER 0xc0000080
#define EFER_FIRST 0x901 /* SCE, LME, NXE */
#define MSR_GS_BASE 0xc0000101
#define AT(label) (TRAMPOLINE + label - krait_trampoline)

    .section .rodata
    .balign 16
    .code16
    .globl krait_trampoline
krait_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl table_pointer - krait_trampoline
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x18, $AT(protected)
    .code32
protected:
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $CR4_FIRST, %eax
    movl %eax, %cr4
    movl $ROOT, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    xorl %edx, %edx
    movl $EFER_FIRST, %eax
    wrmsr
    movl $CR0_LONG_MODE, %eax
    movl %eax, %cr0
    ljmp $CODE_SELECTOR, $AT(long_mode)
    .code64
long_mode:
    movq $second_cpu, %rax
    jmp *%rax
    .balign 8
table:
    .quad 0
    .quad 0x00af9b000000ffff /* code, 64 bits */
    .quad 0x00cf93000000ffff /* data */
    .quad 0x00cf9b000000ffff /* code, 32 bits */
table_pointer:
    .word table_pointer - table - 1
    .long AT(table)
    .globl krait_trampoline_end
krait_trampoline_end:

    .text
second_cpu:
    movq $krait_root_table - KERNEL_BASE, %rax
    movq %rax, %cr3
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    cmpl $64, %ebx
    jae 1f
    movq krait_cpu_areas(, %rbx, 8), %rax
    testq %rax, %rax
    je 1f
    movq %rax, %rsi
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_GS_BASE, %ecx
    wrmsr
    movq CPU_FRAME(%rsi), %rsp
    xorl %ebp, %ebp
    movl %ebp, %fs
    call krait_second_cpu_main
1:  cli
    hlt
    jmp 1b

    .bss
    .balign 8
/* By the number of the interrupt controller: the area of each CPU, 0 for one that is not used. */
    .globl krait_cpu_areas
krait_cpu_areas:
    .zero 64 * 8
    .section .note.GNU-stack, "", @progbits
