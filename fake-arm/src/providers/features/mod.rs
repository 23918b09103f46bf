//! `Microsoft.Features`: preview features of a subscription, from their registration until they take effect. Other
//! providers ask [`is_effective`] before they allow what a feature guards.

mod feature;
mod known;
mod registry;

pub use feature::is_effective;
pub(crate) use registry::propagate;
