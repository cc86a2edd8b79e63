"""Building blocks that several protocols use, one file each."""
