"""The Linux guest of the comparisons."""
