//! `Microsoft.Resources/deployments`: templates that are carried out, to a resource group or to the subscription. What a
//! template means is said by [`template`](template); here it is put into effect, step by step.

mod execution;
mod handler;
mod operation;
mod request;
mod shown;
mod step;
#[cfg(test)]
mod tests;
mod types;

use types::DEPLOYMENT;
