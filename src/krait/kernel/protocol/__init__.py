"""What the host tools and the kernel say to each other, defined once for both.

The constants and enumerations (`boot_words`, `outcome`, `control`, `console_frames`) import nothing
but `enum`, not even `typing`, which would take a third of the imports of a cached `krait run`; the
wire layouts that the kernel fills and reads are `Packed` classes in `records`.
"""
