"""Effects: one module for each thing outside the process, and no decisions."""
