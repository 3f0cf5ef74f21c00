/*
 * From a monitor's entry point to krait_main().
 *
 * PVH (Xen, docs/misc/pvh.pandoc; QEMU, Cloud Hypervisor): the CPU is in 32-bit protected mode,
 * paging off, interrupts off, and EBX holds the physical address of an hvm_start_info. The way:
 *
 *     first page tables -> long mode at the identity address -> the high address -> krait_main
 *
 * The first page tables are the final ones: PML4 slot 511 maps the image with the rights that each
 * part has for good, slot 256 maps the first GiB of physical memory without execute right and with
 * code and constants read-only, slot 257 is prepared for kernel stacks. The identity map is the
 * image's own table seen through slot 0; it is gone before the first line of Python runs.
 */

#include "layout.h"

#define PHYSICAL(symbol) (symbol - KERNEL_BASE)

#define PRESENT 0x001
#define WRITE 0x002
#define LARGE 0x080
#define GLOBAL 0x100
#define NO_EXECUTE 0x80000000 /* in the upper half of an entry */

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define CR4_PGE 0x80
#define CR4_OSFXSR 0x200
#define CR4_OSXMMEXCPT 0x400
#define MSR_EFER 0xc0000080
#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NXE 0x800
#define MSR_GS_BASE 0xc0000101

#define BOOT_STACK_SIZE 16384

/* The note by which PVH monitors find the 32-bit entry: XEN_ELFNOTE_PHYS32_ENTRY. */
    .section .note.krait, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long PHYSICAL(krait_entry_32)

/* Write the entries for physical pages from \first up to \end into the table at %edi, which is
 * the one for 2 MiB from physical 0; %eax is the address, 8 bytes an entry. */
.macro fill first, end, low, high
    movl $PHYSICAL(\first), %eax
1:  cmpl $PHYSICAL(\end), %eax
    jae 2f
    movl %eax, %ecx
    shrl $12, %ecx
    leal \low(%eax), %edx
    movl %edx, (%edi, %ecx, 8)
    movl $\high, 4(%edi, %ecx, 8)
    addl $PAGE_SIZE, %eax
    jmp 1b
2:
.endm

    .section .boot.text, "ax"
    .code32
    .globl krait_entry_32
krait_entry_32:
    cld
    movl $PHYSICAL(krait_boot_stack_end), %esp
    movl %ebx, PHYSICAL(krait_start_info)
    rdtsc
    movl %eax, PHYSICAL(krait_entry_tsc)
    movl %edx, PHYSICAL(krait_entry_tsc) + 4

    /* The image: slot 511, last but one GiB; two tables for 4 MiB. */
    movl $PHYSICAL(image_tables), %edi
    fill krait_code_start, krait_code_end, PRESENT + GLOBAL, 0
    fill krait_code_end, krait_constants_end, PRESENT + GLOBAL, NO_EXECUTE
    fill krait_constants_end, krait_image_end, PRESENT + WRITE + GLOBAL, NO_EXECUTE
    movl $PHYSICAL(krait_boot_stack_guard), %ecx
    shrl $12, %ecx
    movl $0, (%edi, %ecx, 8)
    movl $(PHYSICAL(image_tables) + PRESENT + WRITE), PHYSICAL(image_directory)
    movl $(PHYSICAL(image_tables) + PAGE_SIZE + PRESENT + WRITE), PHYSICAL(image_directory) + 8
    movl $(PHYSICAL(image_directory) + PRESENT + WRITE), PHYSICAL(image_pointers) + 510 * 8
    movl $(PHYSICAL(image_directory) + PRESENT + WRITE), PHYSICAL(image_pointers)

    /* The direct map: 2 MiB pages, but 4 KiB pages for the first 2 MiB. */
    movl $PHYSICAL(direct_table), %edi
    fill KERNEL_BASE, krait_code_start, PRESENT + WRITE + GLOBAL, NO_EXECUTE
    fill krait_code_start, krait_constants_end, PRESENT + GLOBAL, NO_EXECUTE
    fill krait_constants_end, KERNEL_BASE + 0x200000, PRESENT + WRITE + GLOBAL, NO_EXECUTE
    movl $PHYSICAL(direct_directory), %edi
    movl $(PHYSICAL(direct_table) + PRESENT + WRITE), (%edi)
    movl $(0x200000 + PRESENT + WRITE + LARGE + GLOBAL), %eax
    movl $1, %ecx
1:  movl %eax, (%edi, %ecx, 8)
    movl $NO_EXECUTE, 4(%edi, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jb 1b
    movl $(PHYSICAL(direct_directory) + PRESENT + WRITE), PHYSICAL(krait_direct_pointers)

    movl $PHYSICAL(krait_root_table), %edi
    movl $(PHYSICAL(image_pointers) + PRESENT + WRITE), (%edi)
    movl $(PHYSICAL(krait_direct_pointers) + PRESENT + WRITE), 256 * 8(%edi)
    movl $(PHYSICAL(krait_stack_pointers) + PRESENT + WRITE), 257 * 8(%edi)
    movl $(PHYSICAL(image_pointers) + PRESENT + WRITE), 511 * 8(%edi)

    movl %edi, %cr3
    movl $(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    movl %eax, %cr4
    movl $MSR_EFER, %ecx
    xorl %edx, %edx
    movl $(EFER_SCE | EFER_LME | EFER_NXE), %eax
    wrmsr
    movl $(CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0
    lgdt PHYSICAL(first_gdt_pointer)
    ljmp $CODE_SELECTOR, $PHYSICAL(long_mode)

    .code64
long_mode:
    movq $high_half, %rax
    jmp *%rax

/* The 64-bit entry of the Linux boot protocol is not served yet: a monitor that comes this way
 * gets a clean stop instead of a wild run. */
    .globl krait_entry_64
krait_entry_64:
    cli
    hlt
    jmp krait_entry_64

    .text
high_half:
    movq $krait_boot_stack_end, %rsp
    lgdt krait_gdt_pointer(%rip)
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %ebp, %ebp
    movl %ebp, %fs
    movl %ebp, %gs

    /* No low addresses from here on. */
    movq %rbp, krait_root_table(%rip)
    movq %rbp, image_pointers(%rip)
    movq %cr3, %rax
    movq %rax, %cr3

    movl $MSR_GS_BASE, %ecx
    movq $krait_percpu_start, %rax
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
    movq $krait_percpu_start, %rax
    movq %rax, %gs:CPU_SELF
    movq %rax, krait_ist_area(%rip)
    movl $HOLDS_ALONE, %gs:CPU_HOLDS
    movq $(krait_boot_stack_end - FRAME_SIZE), %rax
    movq %rax, %gs:CPU_FRAME
    movq $(krait_boot_stack_start + 512), %rax
    movq %rax, %gs:CPU_STACK_LIMIT
    /* Good enough against accidents until random.py has a pool. */
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    imulq $0x5bd1e995, %rax
    movb $0, %al
    movq %rax, %gs:CPU_CANARY

    subq $FRAME_SIZE, %rsp
    movl krait_start_info(%rip), %edi
    call krait_main
1:  cli
    hlt
    jmp 1b

    .data
    .balign 16
    .globl krait_gdt
krait_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* ring 0 code, 64 bits, accessed */
    .quad 0x00cf93000000ffff /* ring 0 data, accessed */
    .quad 0, 0               /* TSS: descriptor_tables.py */
    .quad 0x0040f30000000000 /* data; the limit is the CPU's number */
krait_gdt_end:
krait_gdt_pointer:
    .word krait_gdt_end - krait_gdt - 1
    .quad krait_gdt
    .section .boot.text, "ax"
    .balign 8
first_gdt_pointer:
    .word krait_gdt_end - krait_gdt - 1
    .long PHYSICAL(krait_gdt)

/* What every CPU's %gs points to begins with this. */
    .section .percpu.head, "aw"
    .globl krait_cpu_area, krait_percpu_base
krait_cpu_area:
krait_percpu_base:
    .zero 64

    .bss
    .globl krait_entry_tsc
    .balign 8
krait_entry_tsc:
    .zero 8
krait_start_info:
    .zero 8

    .section .bss.krait.pages, "aw", @nobits
    .balign IST_AREA_SIZE
    .globl krait_ist_area
krait_ist_area:
    .zero IST_AREA_SIZE
    .globl krait_root_table
krait_root_table:
    .zero PAGE_SIZE
    .globl krait_direct_pointers
krait_direct_pointers:
    .zero PAGE_SIZE
    .globl krait_stack_pointers
krait_stack_pointers:
    .zero PAGE_SIZE
image_pointers:
    .zero PAGE_SIZE
image_directory:
    .zero PAGE_SIZE
image_tables:
    .zero PAGE_SIZE * 2
direct_directory:
    .zero PAGE_SIZE
direct_table:
    .zero PAGE_SIZE
    .globl krait_zero_page
krait_zero_page:
    .zero PAGE_SIZE
    .globl krait_idt
krait_idt:
    .zero PAGE_SIZE
krait_boot_stack_guard:
    .zero PAGE_SIZE
    .globl krait_boot_stack_start
krait_boot_stack_start:
    .zero BOOT_STACK_SIZE
    .globl krait_boot_stack_end
krait_boot_stack_end:
    .section .note.GNU-stack, "", @progbits
