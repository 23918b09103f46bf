//! The directory of the tenant: who there is, how clients prove who they are, the keys of issuers, and the tokens
//! themselves. The endpoints that give tokens out are in `entra`.

mod credential;
mod key_set;
mod principal;
mod token;

pub use credential::{ClientSecret, Credentials, FederatedCredential};
pub use key_set::InvalidKeySet;
pub(crate) use key_set::{Fault, KeySet, unverified_claims};
pub use principal::{Principal, PrincipalKind, Principals};
pub use token::{Issuer, TokenClaims};
