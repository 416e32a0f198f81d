//! An async client of the HTTP API: typed calls, blocking queries as streams, locks, semaphores, session heartbeats.
