//! Encodings the reference speaks: Go-compatible msgpack, durations, JSON decoding rules, HCL 1.
