//! A fake Azure, as far as node auto-provisioning can see: Azure Resource Manager, managed-identity tokens,
//! virtual networks, virtual machines, managed clusters. It knows nothing of Kubernetes: what a virtual machine
//! turns into and what a managed cluster consists of is said by whoever listens to its [`events`] and serves as
//! its [`engine`].

pub mod catalog;
pub mod clock;
pub mod engine;
pub mod events;
