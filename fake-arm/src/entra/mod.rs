//! The identity platform: who may ask for tokens, the tokens themselves, and the managed-identity endpoint that
//! processes get them from.

mod managed_identity;
mod principal;
mod token;
mod verified;

pub(crate) use managed_identity::{TokenAnswer, answer};
pub use principal::{Principal, PrincipalKind, Principals};
pub use token::{Issuer, TokenClaims};
pub(crate) use verified::VerifiedTokens;
