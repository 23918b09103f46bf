//! What a function is given, read as what it takes.

use serde_json::Value;

use crate::error::TemplateError;

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    pub(super) function: &'a str,
    pub(super) values: &'a [Value],
}

/// «Unable to evaluate template language function …»
pub(super) fn wrong(function: &str, why: &str) -> TemplateError {
    TemplateError::new(format!(
        "Unable to evaluate template language function '{function}': {why}. Please see https://aka.ms/arm-functions for \
         usage details."
    ))
}

impl<'a> Arguments<'a> {
    pub(super) fn wrong(&self, why: &str) -> TemplateError {
        wrong(self.function, why)
    }

    /// There are so many of them.
    pub(super) fn count(&self, least: usize, most: usize) -> Result<(), TemplateError> {
        let here = self.values.len();
        if (least..=most).contains(&here) {
            return Ok(());
        }
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        Err(self.wrong(&format!("it takes {expected} argument(s), not {here}")))
    }

    pub(super) fn value(&self, index: usize) -> Result<&'a Value, TemplateError> {
        self.values.get(index).ok_or_else(|| self.wrong(&format!("argument {} is missing", index + 1)))
    }

    pub(super) fn text(&self, index: usize) -> Result<&'a str, TemplateError> {
        let value = self.value(index)?;
        value.as_str().ok_or_else(|| self.wrong(&format!("argument {} is '{value}' and not a string", index + 1)))
    }

    pub(super) fn number(&self, index: usize) -> Result<i64, TemplateError> {
        let value = self.value(index)?;
        value.as_i64().ok_or_else(|| self.wrong(&format!("argument {} is '{value}' and not an integer", index + 1)))
    }

    /// A number that can count or index.
    pub(super) fn size(&self, index: usize) -> Result<usize, TemplateError> {
        let number = self.number(index)?;
        usize::try_from(number).map_err(|_| self.wrong(&format!("argument {} is '{number}', below zero", index + 1)))
    }

    pub(super) fn truth(&self, index: usize) -> Result<bool, TemplateError> {
        let value = self.value(index)?;
        value.as_bool().ok_or_else(|| self.wrong(&format!("argument {} is '{value}' and not a boolean", index + 1)))
    }

    pub(super) fn array(&self, index: usize) -> Result<&'a [Value], TemplateError> {
        let value = self.value(index)?;
        let items = value.as_array().map(Vec::as_slice);
        items.ok_or_else(|| self.wrong(&format!("argument {} is '{value}' and not an array", index + 1)))
    }
}
