//! The endpoints of the identity platform: they give tokens out for secrets and federated assertions, to managed
//! identities in App Service and on machines, and tell of the keys, the clouds and the directory. Who there is stands in
//! the [`directory`](crate::directory).

pub(crate) mod discovery;
mod grant;
mod graph;
mod instance_metadata;
mod managed_identity;
mod refusal;

pub(crate) use grant::{Ask, Grant, grant, is_tenant};
pub(crate) use graph::{GraphAnswer, answer as graph_answer};
pub(crate) use instance_metadata::{MetadataAnswer, instance, machine_token};
pub(crate) use managed_identity::{TokenAnswer, answer};
pub(crate) use refusal::SignInRefusal;
