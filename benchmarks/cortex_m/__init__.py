"""A Cortex-M4 in QEMU: networks of one bit a weight, and of a byte, counted and measured on it."""
