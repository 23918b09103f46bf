//! Why a template is not valid, in Azure's words.

use arm::ArmError;

/// What is wrong with a template or with one of its expressions.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// A sentence, or several.
    pub message: String,
    /// Azure knows it, and this fake does not.
    pub not_modelled: bool,
    /// It can only be told once resources exist (`reference` and its like).
    pub needs_runtime: bool,
}

impl TemplateError {
    /// Wrong in Azure as well.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), not_modelled: false, needs_runtime: false }
    }

    /// Right in Azure, perhaps, and unknown here.
    pub fn not_modelled(message: impl Into<String>) -> Self {
        Self { not_modelled: true, ..Self::new(message) }
    }

    /// A function that stands where Azure does not allow it, since resources do not exist yet.
    pub fn runtime(function: &str) -> Self {
        let message = format!(
            "The template function '{function}' is not expected at this location. Please see \
             https://aka.ms/arm-functions for usage details."
        );
        Self { needs_runtime: true, ..Self::new(message) }
    }

    /// Says about which part of the template it is: «Unable to process template language expressions for …».
    pub fn within(self, what: &str) -> Self {
        let message = format!("Unable to process template language expressions for {what}. '{}'", self.message);
        Self { message, ..self }
    }

    /// «Deployment template validation failed: '…'.»
    pub fn validation(message: impl std::fmt::Display) -> Self {
        Self::new(format!("Deployment template validation failed: '{message}'."))
    }

    /// 400 `InvalidTemplate`.
    pub fn into_arm(self) -> ArmError {
        let error = ArmError::bad_request("InvalidTemplate", self.message);
        if self.not_modelled { error.unknown_route() } else { error }
    }
}
