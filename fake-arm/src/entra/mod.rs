//! The identity platform: who may ask for tokens and how they prove it, the tokens themselves, and the endpoints that
//! give them out: for secrets and federated assertions, to managed identities in App Service and on machines.

mod credential;
pub(crate) mod discovery;
mod grant;
mod graph;
mod instance_metadata;
mod key_set;
mod managed_identity;
mod principal;
mod refusal;
mod token;
mod verified;

pub use credential::{ClientSecret, Credentials, FederatedCredential};
pub(crate) use grant::{Ask, Grant, grant, is_tenant};
pub(crate) use graph::{GraphAnswer, answer as graph_answer};
pub(crate) use instance_metadata::{MetadataAnswer, instance, machine_token};
pub use key_set::InvalidKeySet;
pub(crate) use key_set::KeySet;
pub(crate) use managed_identity::{TokenAnswer, answer};
pub use principal::{Principal, PrincipalKind, Principals};
pub(crate) use refusal::Refusal;
pub use token::{Issuer, TokenClaims};
pub(crate) use verified::VerifiedTokens;
