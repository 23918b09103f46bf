//! Runs the real provisioner.
