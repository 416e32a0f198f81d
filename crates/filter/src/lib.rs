//! Filter expressions: parse once, evaluate against values without serialising them.
