//! An Azure elsewhere: nothing but ARM and Kubernetes. For now a stand-in for Azure, such as another catnap serves; real
//! Azure costs money, and nothing here sweeps up yet what a run that was killed has left.

mod look;
mod place;
mod site;

pub use site::AzureElsewhere;
