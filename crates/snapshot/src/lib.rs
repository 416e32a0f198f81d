//! Snapshot archives: the gzip/tar container, its checksums, and statistics about what is inside.
