//! Agent configuration: every key declared once, files and flags merged, checked and turned into a runtime configuration.
