//! The world of one scenario.
