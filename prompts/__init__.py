"""Text that models see, as versioned files."""
