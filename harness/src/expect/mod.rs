//! Assertions over the history.
