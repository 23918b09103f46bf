//! The ARM client that scenarios use.
