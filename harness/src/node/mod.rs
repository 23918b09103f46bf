//! A virtual machine becomes a node.
