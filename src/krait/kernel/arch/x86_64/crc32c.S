/*
 * u32 krait_crc32c(u32 seed, const void *data, u64 length): CRC-32C by the `crc32` instruction.
 *
 * Eight bytes at a time, 64 a round, then single bytes. Without initial or final inversion: the
 * caller does both, so that pieces can be chained.
 */

    .section .text.krait.hot, "ax"
    .balign 16
    .globl krait_crc32c
krait_crc32c:
    movl %edi, %eax
    movq %rdx, %rcx
    shrq $6, %rcx
    jz 2f
1:  crc32q (%rsi), %rax
    crc32q 8(%rsi), %rax
    crc32q 16(%rsi), %rax
    crc32q 24(%rsi), %rax
    crc32q 32(%rsi), %rax
    crc32q 40(%rsi), %rax
    crc32q 48(%rsi), %rax
    crc32q 56(%rsi), %rax
    addq $64, %rsi
    decq %rcx
    jnz 1b
2:  andl $63, %edx
    jz 4f
3:  crc32b (%rsi), %eax
    incq %rsi
    decl %edx
    jnz 3b
4:  ret

    .section .note.GNU-stack, "", @progbits
