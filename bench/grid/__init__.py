"""What is measured: cases and their sizes, which of them a run takes, what they cost."""
